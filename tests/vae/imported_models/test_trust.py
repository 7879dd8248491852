"""ONNX files of strangers: one sentence within seconds, in little memory, and nothing kept."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy as np
import onnx_corpus
import onnx_models
import pytest
from onnx import numpy_helper

from vae.imported_models.importing import import_networks
from vae.imported_models.onnx_file import ImportedModelError, read_onnx_model

SECONDS, MEGABYTES = 5, 500


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))


def refused(file: Path) -> str:
    """The sentence with which a file is refused; nothing of it is kept."""
    start = sum(os.times()[:4])  # of the processor: the machine may be busy
    with pytest.raises(ValueError) as caught:
        import_networks(file, name="theirs", image_shape=(1, 28, 28), tsne=False)
    took = sum(os.times()[:4]) - start
    place = file.parent / "data"
    assert took < SECONDS, (file.name, took, str(caught.value))
    assert not list((place / "checkpoints").iterdir()) and not (place / "imports").exists()
    words = str(caught.value)
    assert 20 < len(words) < 600 and "\n" not in words and "Traceback" not in words
    return words


def peak() -> float:
    """Most megabytes of this process since `start_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_sixty_files_that_lie_are_refused(tmp_path):
    assert len({**onnx_corpus.REFUSED_UNREAD, **onnx_corpus.REFUSED_AT_RUN}) >= 60
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = peak()
    for name, make in onnx_corpus.REFUSED_UNREAD.items():
        file = onnx_corpus.write(tmp_path, name, make)
        with pytest.raises(ImportedModelError):
            read_onnx_model(file)  # before anything runs
        refused(file)
    assert peak() - before < MEGABYTES


@pytest.mark.parametrize("name", onnx_corpus.REFUSED_AT_RUN)
def test_what_only_a_run_shows_is_refused(tmp_path, name):
    words = refused(onnx_corpus.write(tmp_path, name, onnx_corpus.REFUSED_AT_RUN[name]))
    assert "gigantic" not in name.split() or "memory" in words, words


def test_an_endless_file_is_ended(tmp_path):
    (name, make), *_ = onnx_corpus.ENDLESS.items()
    words = refused(onnx_corpus.write(tmp_path, name, make))
    assert "quick" in words or "memory" in words, words  # whichever limit it meets first


def test_a_file_of_many_gigabytes_is_not_read(tmp_path):
    file = tmp_path / "large.onnx"
    with file.open("wb") as stream:
        stream.write(onnx_models.decoder().SerializeToString())
        stream.truncate(50_000_000_000)  # takes no room on the disk
    assert "expected at most" in refused(file)


def test_weights_beside_the_model_are_read(tmp_path):
    sound = onnx_models.decoder()
    for tensor in sound.graph.initializer:
        if tensor.name == "w":
            (tmp_path / "w.data").write_bytes(b"1234" + tensor.raw_data)
            size = len(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = tensor.EXTERNAL
            for key, value in (("location", "w.data"), ("offset", "4"), ("length", str(size))):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
    (tmp_path / "model.onnx").write_bytes(sound.SerializeToString())
    found = read_onnx_model(tmp_path / "model.onnx")
    for read, wanted in zip(
        found.graph.initializer, onnx_models.decoder().graph.initializer, strict=True
    ):
        assert np.array_equal(numpy_helper.to_array(read), numpy_helper.to_array(wanted))
    (tmp_path / "w.data").rename(tmp_path / "real")
    (tmp_path / "w.data").symlink_to(tmp_path / "real")
    with pytest.raises(ImportedModelError, match="not in the folder"):
        read_onnx_model(tmp_path / "model.onnx")


def edit(tmp_path: Path, seed: int) -> None:
    """Either a sentence, or a model."""
    file = tmp_path / f"{seed}.onnx"
    file.write_bytes(onnx_corpus.fuzzed(seed))
    start = sum(os.times()[:4])
    try:
        import_networks(file, name=f"fuzzed-{seed}", image_shape=(1, 28, 28), tsne=False)
    except ValueError as error:
        assert len(str(error)) < 600
    assert sum(os.times()[:4]) - start < 2 * SECONDS


@pytest.mark.parametrize("seed", range(12))
def test_edited_graphs_are_refused_or_imported(tmp_path, seed):
    edit(tmp_path, seed)


@pytest.mark.soak
def test_many_edited_graphs_are_refused_or_imported(tmp_path):
    for seed in range(12, 1_000):
        edit(tmp_path, seed)

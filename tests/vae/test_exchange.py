"""Models as one file: out, in, on another machine, and files that are none."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import torch

from vae import VAE, CheckpointError, DatasetError, VAEConfig, load_checkpoint, load_dataset
from vae.checkpoint import load_card, load_codes, save_checkpoint
from vae.codes import write_reference
from vae.exchange import export_model, import_model
from vae.imports import import_images, list_datasets
from vae.locations import list_checkpoints


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with a model of an import."""
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "here"))
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    found = import_images(pixels, "mine", labels=np.arange(40) % 2, classes=("a", "b"))
    model = VAE(VAEConfig((1, 8, 8), latent_dim=2, channels=(), hidden=(8,)))
    folder = tmp_path / "here" / "checkpoints" / "small"
    save_checkpoint(model, folder, {"dataset": found.reference, "split": "test"})
    write_reference(model, folder, load_dataset("mine", "test"), tsne=False)
    return tmp_path / "here"


def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "elsewhere"))
    assert list_datasets() == []


def test_with_its_pictures_a_model_opens_on_another_machine(data, tmp_path, monkeypatch):
    file = export_model("small", tmp_path / "small.zip", pictures=True)
    codes, images = load_codes("small"), load_dataset("mine", "test").images[:]
    weights = load_checkpoint("small").state_dict()
    elsewhere(tmp_path, monkeypatch)
    parts = []
    found = import_model(file, "theirs", progress=lambda part, words: parts.append(part))
    assert found.told == () and parts
    card = load_card("theirs")
    assert torch.equal(load_dataset(card["dataset"], "test").images[:], images)
    assert load_dataset(card["dataset"], "test").classes == ("a", "b")
    for name, values in load_codes("theirs").items():
        assert np.array_equal(values, codes[name])
    for name, values in load_checkpoint("theirs").state_dict().items():
        assert torch.equal(values, weights[name])
    again = import_model(file, "once-more")  # the same pictures are not imported twice
    assert load_card(again.name)["dataset"] == card["dataset"]


def test_a_model_alone_says_that_its_pictures_are_not_there(data, tmp_path, monkeypatch):
    file = export_model("small", tmp_path / "small.zip")
    elsewhere(tmp_path, monkeypatch)
    assert "mine@1" in import_model(file, "theirs").told[0]


def test_an_exported_run_is_read_too(data, tmp_path):
    folder = data / "checkpoints" / "small"
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        for name in ("model.safetensors", "card.json"):
            archive.write(folder / name, f"a-run/{name}")
        archive.writestr("a-run/config.json", "{}")
    assert import_model(tmp_path / "run.zip", "from-run").told == ()


def test_a_card_does_not_choose_pictures_of_this_machine(data, tmp_path):
    file, other = export_model("small", tmp_path / "small.zip"), tmp_path / "other.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "card.json":
                content = json.dumps(json.loads(content) | {"dataset": "/etc/pictures"})
            new.writestr(name, content)
    with pytest.raises(CheckpointError, match="path '/etc/pictures' of another machine"):
        import_model(other, "theirs")
    assert [c.name for c in list_checkpoints() if not c.shipped] == ["small"]


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, r"holds no model\.safetensors"),
        ({"model.safetensors": b"x"}, r"model\.safetensors"),
        (
            {"../model.safetensors": b"x", "a/b/model.safetensors": b"x"},
            "expected a model|damaged",
        ),
        ({"evil.py": b"x", "model.safetensors": b"x"}, r"holds 'evil\.py'"),
        ({"a/model.safetensors": b"x", "b/model.safetensors": b"x"}, "twice"),
    ],
)
def test_archives_that_hold_no_model_leave_nothing(data, tmp_path, members, found):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    before = sorted(data.rglob("*"))
    with pytest.raises(CheckpointError, match=found):
        import_model(tmp_path / "bad.zip", "theirs")
    assert sorted(data.rglob("*")) == before


def test_what_is_no_archive_is_refused(data, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 junk")
    with pytest.raises(CheckpointError, match="no zip archive"):
        import_model(tmp_path / "bad.zip", "theirs")


def test_names_that_are_taken_or_cannot_be_are_refused(data, tmp_path):
    file = export_model("small", tmp_path / "small.zip")
    for name in ("small", "digits"):
        with pytest.raises(CheckpointError, match="already"):
            import_model(file, name)
    for name in ("", "../x", "a b", "x" * 65):
        with pytest.raises(CheckpointError, match="cannot be a name"):
            import_model(file, name)


def test_pictures_are_those_of_an_import(data, tmp_path):
    with pytest.raises(DatasetError, match="no import"):
        export_model("digits", tmp_path / "digits.zip", pictures=True)
    assert not [*tmp_path.glob("*digits*")]

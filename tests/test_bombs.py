"""Small files that would become large, deep or long are refused, or read within the limits."""

from __future__ import annotations

import importlib.util

import pytest
from bombs import BOMBS
from limits import Limits
from soak import always

from vae import DatasetError
from vae.imports import inspect_source

_QUICK = (
    *("zip: 900,000 members", "zip: a name of 30,000 folders", "zip: a cell of 60,000 folders"),
    *("tar.gz: 1,000,000 members of one name", "tar: 3,000 headers about headers"),
    *("npy: 60,000,000 images of 16 pixels", "npz: a shape larger than the file"),
    *("parquet: a text of 50 MB in 100 rows", "mat: a shape of 10^18"),
    *("table: a million columns", "table of codes: a million columns", "set.zip: a deep card"),
    *("table of codes: 40 columns with a long cell each",),
    *("table of codes: a text of 10 MB in 1,000 rows", "vectors: a card that is deep"),
    *("safetensors: a config of a large network", "metrics.jsonl: deep", "config.json: deep"),
)
_PACKAGES = {"hdf5": "h5py", "onnx": "onnx", "parquet": "pyarrow", "mat": "scipy"}


@always("what", sorted(BOMBS), _QUICK)
def test_what_grows_is_refused_in_a_sentence_or_read_within_the_limits(
    tmp_path, monkeypatch, what, record_property
):
    package = _PACKAGES.get(what.partition(":")[0])
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    name, write, read = BOMBS[what]
    (tmp_path / "it").mkdir()
    file = tmp_path / "it" / name
    write(file)
    limits = Limits()
    try:
        read(file)
        words = ""
    except ValueError as refusal:  # all errors of the library are of this kind, with a name
        assert type(refusal).__module__.split(".")[0] in ("vae", "pages"), refusal
        words = str(refusal)
    assert not limits.exceeded(), limits.exceeded()
    assert not words or 15 < len(words) < 1_500
    record_property("said", words)


def test_hdf5_is_not_read_out_of_other_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(bytes(range(256)) * 10)
    with h5py.File(tmp_path / "a.h5", "w") as out:
        beside = [(str(tmp_path / "secret"), 0, 640)]
        out.create_dataset("images", (10, 8, 8), "u1", external=beside)
    layout = h5py.VirtualLayout((10, 8, 8), "u1")
    layout[:] = h5py.VirtualSource(str(tmp_path / "a.h5"), "images", (10, 8, 8))
    with h5py.File(tmp_path / "b.h5", "w") as out:
        out.create_virtual_dataset("images", layout)
    for name in ("a.h5", "b.h5"):
        with pytest.raises(DatasetError, match="lies in other files"):
            inspect_source(tmp_path / name)

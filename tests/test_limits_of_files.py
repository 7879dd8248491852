"""Each limit on a file: what is read while it is as it is, is refused once it is small."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from mutations import KINDS
from sources import encoded

from pages.ui.shared import tables as columns
from vae import DatasetError, config, exchange, tensors
from vae import files as all_files
from vae.concepts import files as vectors
from vae.datasets import tar
from vae.imported_models import importing, onnx_file, protobuf_size
from vae.imports import (
    array_files,
    hdf5,
    inspect_source,
    parquet,
    parquet_reader,
    picture,
    spool,
    tables,
)
from vae.runs import metrics, status


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))


_PACKAGES = {"onnx": "onnx", "parquet": "pyarrow"}
LIMITS = [
    ("a.png", picture, "MAX_PIXELS", 10, "more than 10"),
    ("a.png", picture, "_MEMORY", 50, "up to 10 are decoded"),
    ("a.npy", array_files, "MAX_PICTURES", 23, "at most 23 images"),
    ("a.npy", array_files, "MAX_NUMBERS", 143, "at most 143 numbers"),
    ("a.npz", spool, "MAX_BYTES", 100, "far more than pictures"),
    ("a-images-idx3-ubyte.gz", spool, "MAX_BYTES", 3_000, "unpacks to more than 3,000"),
    ("a.tar.gz", spool, "MAX_BYTES", 10_000, "unpacks to more than 10,000"),
    ("labels.csv", tables, "_MOST_ROWS", 10, "more than 10 rows"),
    ("labels.csv", tables, "_MOST_CELLS", 50, "or 50 cells"),
    ("labels.csv", tables, "_MOST_TITLES", 3, "expected at most 3"),
    ("model.safetensors", tensors, "_LARGEST_FILE", 100, "expected at most 100"),
    ("model.safetensors", tensors, "_LARGEST_HEADER", 100, "at most 100"),
    ("codes.safetensors", tensors, "_LARGEST_NUMBER", 1e-9, "expected"),
    ("model.safetensors", config, "_LARGEST", 10, "10"),
    ("model.zip", exchange, "_LARGEST_OTHER", 10, "is too large"),
    ("vectors.safetensors", vectors, "_MOST", 0, "expected 1 to 0"),
    ("codes.npz", importing, "_LARGEST_CODES", 10, "larger than"),
    ("codes.npz", importing, "_LARGEST_CODE", 1e-9, "expected"),
    ("a.onnx", onnx_file, "LARGEST", 10, "expected at most 10"),
    ("a.onnx", onnx_file, "_MOST_NODES", 0, "expected at most 0"),
    ("a.onnx", onnx_file, "_MOST_NUMBERS", 0, "expected at most 0"),
    ("a.onnx", protobuf_size, "_MOST", 5, "far more nodes"),
    ("table.csv", columns, "_MOST_BYTES", 10, "more than 0 MB"),
    ("table.csv", columns, "_MOST_ROWS", 5, "at most 5"),
    ("table.npz", columns, "_MOST_ROWS", 5, "expected one length"),
    ("table.csv", columns, "_MOST_COLUMNS", 2, "2 columns"),
    ("table.csv", columns, "_MOST_CELLS", 5, "5"),
    ("table.csv", columns, "_MOST_CHARACTERS", 5, "expected shorter ones"),
    ("table.parquet", columns, "_MOST_ROWS", 5, "at most 5"),
]  # fmt: skip


@pytest.mark.parametrize(
    "kind, module, limit, small, found", LIMITS, ids=[f"{row[0]}: {row[2]}" for row in LIMITS]
)
def test_what_is_beyond_a_limit_is_refused(
    tmp_path, monkeypatch, kind, module, limit, small, found
):
    package = _PACKAGES.get(kind.rpartition(".")[2])
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    make, read = KINDS[kind]
    (tmp_path / "made").mkdir()
    if kind == "a.onnx":
        from onnx_models import decoder

        content = decoder().SerializeToString()
    else:
        content = make(tmp_path / "made")

    def attempt(where: str) -> None:
        monkeypatch.setenv("LATENT_DATA", str(tmp_path / where / "data"))
        (tmp_path / where).mkdir()
        (tmp_path / where / kind).write_bytes(content)
        read(tmp_path / where / kind)

    attempt("within")
    monkeypatch.setattr(module, limit, small)
    with pytest.raises(ValueError, match=found) as refused:
        attempt("beyond")
    assert type(refused.value).__module__.split(".")[0] in ("vae", "pages")


def test_files_that_hold_one_object_are_read_up_to_a_bound(tmp_path, monkeypatch):
    (tmp_path / "it").write_bytes(bytes(100))
    assert len(all_files.read_file(tmp_path / "it", 100)) == 100
    with pytest.raises(OSError, match="more than 99 bytes"):
        all_files.read_file(tmp_path / "it", 99)
    (tmp_path / "it").write_bytes(bytes(10_000_001))
    with pytest.raises(OSError, match="more than 10,000,000 bytes"):
        all_files.read_file(tmp_path / "it")
    (tmp_path / "status.json").write_text(json.dumps({"state": "finished", "message": "x" * 200}))
    assert status.read_status(tmp_path).state == "finished"
    monkeypatch.setattr(status, "MOST", 200)
    assert "cannot be read" in status.read_status(tmp_path).message


def test_of_measurements_so_many_are_read_at_once(tmp_path, monkeypatch):
    row = {"step": 1, "epoch": 1.0, "beta": 1.0}
    lines = [json.dumps(row | {"step": k}) for k in range(10, 30)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    _, at, _ = metrics.read_metrics(tmp_path)
    assert at.offset == (tmp_path / "metrics.jsonl").stat().st_size
    monkeypatch.setattr(metrics, "_MOST_METRICS", 3 * len(lines[0]) + 10)
    _, at, _ = metrics.read_metrics(tmp_path)
    assert at.offset == 3 * (len(lines[0]) + 1)


def test_a_line_of_measurements_that_never_ends_is_passed_over(tmp_path, monkeypatch):
    row = {"step": 1, "epoch": 1.0, "beta": 1.0}
    file = tmp_path / "metrics.jsonl"
    file.write_text(f"{json.dumps(row)}\n{'9' * 500}\n{json.dumps(row | {'step': 2})}\n")
    monkeypatch.setattr(metrics, "_MOST_METRICS", 100)
    at, steps = None, []
    for _ in range(20):
        rows, at, again = metrics.read_metrics(tmp_path, at)
        steps += [r["step"] for r in rows]
        assert not again
    assert steps == [1, 2] and at.offset == file.stat().st_size and at.damaged > 0


def test_a_tar_says_so_much_of_its_members(tmp_path, monkeypatch):
    _, read = KINDS["a.tar"]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for k in range(3):
            info = tarfile.TarInfo("n" * 300 + f"{k}.png")
            info.size = len(encoded(k))
            archive.addfile(info, io.BytesIO(encoded(k)))
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    read(tmp_path / "a.tar")
    for limit in ("_LARGEST_RECORD", "_LARGEST_RECORDS"):
        with monkeypatch.context() as patch:
            patch.setattr(tar, limit, 400 if limit.endswith("S") else 200)
            with pytest.raises(DatasetError, match="bytes are said of a member"):
                read(tmp_path / "a.tar")


def _parquet(folder: Path, **more) -> str:
    pyarrow = pytest.importorskip("pyarrow")
    write = pytest.importorskip("pyarrow.parquet").write_table
    write(pyarrow.table({"image": [encoded(k) for k in range(9)], **more}), folder / "a.parquet")
    return str(folder / "a.parquet")


def test_a_parquet_file_of_pictures_is_read_within_bounds(tmp_path, monkeypatch):
    file = _parquet(tmp_path, text=["x" * 5_000] * 9, other=list(range(9)))
    assert parquet_reader.main(file, tmp_path) == {"names": ["text", "other"]}
    told = json.loads((tmp_path / "columns.json").read_text())
    assert {len(text) for text in told["values"][0]} == {1_000}  # the rest is cut off
    for limit, small, words in (
        ("_MOST_ROWS", 8, "more than 8 rows"),
        ("_MOST_CELLS", 17, "or 17 values"),
        ("_LARGEST_PICTURE", 20, "expected at most 20"),
        ("_LARGEST_TOGETHER", 100, "and 100 in all"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(parquet_reader, limit, small)
            assert words in parquet_reader.main(file, tmp_path)["refused"]
    monkeypatch.setattr(parquet_reader, "_MOST_COLUMNS", 1)
    assert parquet_reader.main(file, tmp_path) == {"names": ["text"]}


def test_what_a_parquet_file_tells_of_its_pictures_is_bounded(tmp_path, monkeypatch):
    _parquet(tmp_path, other=list(range(9)))
    assert inspect_source(tmp_path / "a.parquet").count == 9
    monkeypatch.setattr(parquet, "_LARGEST_COLUMNS", 20)
    with pytest.raises(DatasetError, match="bytes beside the pictures; expected at most 20"):
        inspect_source(tmp_path / "a.parquet")


def test_an_hdf5_file_is_read_within_bounds(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as out:
        out.create_dataset("a/b/images", (40, 8, 8), "u1", chunks=(10, 8, 8))
    assert inspect_source(tmp_path / "a.h5").count == 40
    for limit, small, words in (
        ("_LARGEST_CHUNK", 639, "in chunks of 640 bytes; at most 639"),
        ("_MOST", 2, "more than 2 groups and arrays"),
        ("_DEEPEST", 1, "or 1 groups in each other"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(hdf5, limit, small)
            with pytest.raises(DatasetError, match=words):
                inspect_source(tmp_path / "a.h5")


def test_what_is_no_image_is_kept_up_to_a_bound(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", images=np.zeros((40, 8, 8), np.uint8), size=np.arange(40.0))
    assert [c["name"] for c in inspect_source(tmp_path / "a.npz").columns] == ["size"]
    monkeypatch.setattr(array_files, "_LARGEST_OTHERS", 300)
    summary = inspect_source(tmp_path / "a.npz")
    assert not summary.columns and any("too large to be used" in n for n in summary.notices)


def test_cells_and_columns_of_a_table_are_bounded(monkeypatch):
    names = ["b" * 20 + ".png", "c.png"]
    table = tables.parse_table(f"file,a,d\n{names[0]},1,3\n{names[1]},2,4\n".encode(), "t.csv")
    assert len(tables.join_table(table, names)[0]) == 2
    monkeypatch.setattr(tables, "MAX_COLUMNS", 1)
    assert len(tables.join_table(table, names)[0]) == 1
    monkeypatch.setattr(tables, "_LONGEST_NAME", 10)
    assert "1 of 2 rows name no picture" in " ".join(tables.join_table(table, names)[1])
    cells = [f"c{k % 60}" for k in range(200)]
    assert tables.type_column("kind", cells)[0] is not None
    monkeypatch.setattr(tables, "MAX_CATEGORIES", 59)
    assert tables.type_column("kind", cells)[0] is None

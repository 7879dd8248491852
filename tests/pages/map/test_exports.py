"""Points of a map as files: what is written is read again, and means the same."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from pages.ui.map import exports
from pages.ui.shared import cache, visitor
from pages.ui.shared.tables import ENDINGS, TableError, read_table, write_table
from vae.imports import inspect_source

TEXTS = ["=1+1", "+x", "-x", "@x", "\tx", "'", "'=x", "plain", "a,b", 'q"q', "", "007", "line\nx"]
NAMES = ("=cmd|x", "C++", "file", "a/b", "!!!", "kl", "5_o_Clock_Shadow")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    tiny.make(tmp_path / "checkpoints", ("tiny-gaussian",))


@pytest.fixture
def space():
    """A model whose images have files, and columns of every kind with odd names."""
    known = cache.latent_space("tiny-gaussian")
    n = len(known.dataset)
    columns = {name: torch.arange(n) % 3 == k % 3 for k, name in enumerate(NAMES)}
    columns["age"] = torch.arange(n).float()
    columns["age"][0] = float("nan")
    columns["mood"] = torch.arange(n) % 3 - 1
    data = replace(
        known.dataset,
        attributes=columns,
        numbers=frozenset({"age"}),
        categories={"mood": ("=happy", "sad")},
        names=tuple(f"{TEXTS[k % len(TEXTS)]}{k}.png" for k in range(n)),
    )
    return replace(known, dataset=data)


@pytest.mark.parametrize("ending", ENDINGS)
def test_tables_are_read_as_they_were_written(ending):
    table = {
        "id": np.arange(len(TEXTS)),
        "file": TEXTS,
        "=name": np.arange(len(TEXTS)) / 7,
        "a/b": np.where(np.arange(len(TEXTS)) % 2, np.nan, 1.5).astype(np.float32),
    }
    back = read_table(write_table(table, ending), f"it.{ending}")
    assert list(back) == list(table)
    assert back["id"].tolist() == table["id"].tolist()
    assert back["file"].tolist() == TEXTS
    for name in ("=name", "a/b"):
        assert np.allclose(back[name], table[name], equal_nan=True)


def test_no_cell_of_a_csv_is_a_formula(space):
    rows = np.arange(len(space))
    content = write_table(exports.points(space, "pca", (0, 1), rows), "csv").decode()
    numbers = 0
    for row in csv.reader(io.StringIO(content, newline="")):
        for cell in row:
            if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
                float(cell)  # a number may be negative
                numbers += 1
    assert numbers


@pytest.mark.parametrize("ending", ENDINGS)
def test_points_come_back_as_a_group_or_as_codes(space, ending):
    chosen = np.array([2, 5, 9])
    content = write_table(exports.points(space, "pca", (0, 1), chosen), ending)
    columns = read_table(content, f"points.{ending}")
    assert columns["file"].tolist() == [space.file_names[row] for row in chosen]
    assert columns["mood"].tolist() == [
        ("", "=happy", "sad")[k] for k in (space.index[chosen] % 3)
    ]
    assert columns["age"].tolist() == space.index[chosen].tolist()
    assert {"attribute kl", "attribute file", "C++", "!!!", "a/b"} <= set(columns)
    rows, codes = exports.take_points(space, columns)
    assert rows.tolist() == chosen.tolist() and len(codes) == 0
    del columns["id"]
    rows, codes = exports.take_points(space, columns)
    assert len(rows) == 0 and np.allclose(codes, space.mean[chosen], atol=1e-6)


def test_more_codes_than_pins_are_cut_and_others_are_refused(space):
    rows = np.arange(40)
    table = exports.points(space, "pca", (0, 1), rows)
    del table["id"]
    columns = {name: np.asarray(values) for name, values in table.items()}
    assert len(exports.take_points(space, columns)[1]) == visitor.MOST_PINS
    with pytest.raises(TableError, match="z3"):
        exports.take_points(space, {k: v for k, v in columns.items() if k != "z3"})
    with pytest.raises(TableError, match="numbers beyond"):
        exports.take_points(space, columns | {"z3": columns["z3"] * np.nan})


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"a,b\n1\n", b"PK\x03\x04junk"])
@pytest.mark.parametrize("ending", [*ENDINGS, "exe"])
def test_files_that_are_no_tables_are_refused_in_a_sentence(content, ending):
    with pytest.raises(TableError, match=r"expected|cannot be read|rows|archive"):
        read_table(content, f"it.{ending}")


def test_pictures_import_again_with_their_classes(space, tmp_path):
    rows = np.arange(30)
    file = tmp_path / "pictures.zip"
    file.write_bytes(exports.picture_zip(space, rows))
    summary = inspect_source(file)
    shown = {space.classes[k] for k in space.class_of[rows]}
    assert summary.count == 30 and set(summary.classes) == shown
    assert summary.image_shape == space.shape

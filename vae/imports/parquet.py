"""Parquet files with encoded pictures, as Hugging Face exports data sets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ..datasets.base import DatasetError
from ..datasets.layout import SPLIT_NAMES
from ..files import read_file
from ..in_progress import temporary_folder
from ..schema import decode
from .arrays import as_column
from .reader_process import read_apart
from .source import Column, Source, shown
from .spool import Spool, SpooledPictures
from .tables import LABELS, MAX_COLUMNS, type_column

__all__ = ["read_parquet_files"]

_LARGEST_COLUMNS = 100_000_000  # bytes of what is beside the pictures, as JSON


class _Columns(TypedDict):
    """What the process that reads a file writes of it beside the pictures."""

    about: str
    names: list[str]
    values: list[list[int | float | bool | str | None]]


def read_parquet_files(files: list[Path], label: str) -> Source:
    """Reads pictures, labels and columns of Parquet files, whose names tell their splits.

    Args:
        files: files of one set.
        label: description in messages.

    Raises:
        DatasetError: if a file is damaged, or holds no pictures.
    """
    spool = Spool()
    places: list[tuple[int, int]] = []
    names: list[str] = []
    splits: list[str | None] = []
    values: dict[str, list[Any]] = {}
    known: dict[str, list[str]] = {}
    for file in sorted(files):
        split = _split_of(file, len(files))
        with temporary_folder() as folder:
            what = label if len(files) == 1 else shown(file.name)
            titles = read_apart("parquet_reader.py", file, folder, what, "Parquet file")
            size = (folder / "columns.json").stat().st_size
            if size > _LARGEST_COLUMNS:
                raise DatasetError(
                    f"{what} holds {size:,} bytes beside the pictures; expected at most "
                    f"{_LARGEST_COLUMNS:,}. Take columns of long texts out of it."
                )
            told = decode(read_file(folder / "columns.json", size), _Columns)
            with (folder / "pictures").open("rb") as pictures:
                for size, name in zip(np.load(folder / "sizes.npy"), told["names"], strict=True):
                    places.append(spool.add(pictures.read(size)))
                    number = f"{len(places) - 1:06d}"
                    names.append(shown(name) if name else f"{split or file.stem}/{number}")
                    splits.append(split)
        known |= _class_names(told["about"])
        for title, found in zip(titles, told["values"], strict=True):
            values.setdefault(title, [None] * (len(places) - len(found))).extend(found)
        for given in values.values():
            given += [None] * (len(places) - len(given))
    if len(set(names)) < len(names):
        names = [f"{i:06d}-{name}" for i, name in enumerate(names)]
    notices: list[str] = []
    columns = [
        c for n in list(values)[:MAX_COLUMNS] if (c := _column(n, values[n], known, notices))
    ]
    folders: list[str | None] = [None] * len(names)
    for column_ in columns:
        if column_.name.lower() in LABELS and column_.kind == "category":
            if not column_.missing.any():
                folders = [column_.categories[i] for i in column_.values.tolist()]
                columns.remove(column_)
                break
    if "train" not in splits:
        splits = [None] * len(names)
    return Source(
        label, SpooledPictures(spool, places, names), names, splits, folders, columns, notices
    )


def _split_of(file: Path, count: int) -> str | None:
    words = re.split(r"[-_./]", file.stem.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _class_names(about: str) -> dict[str, list[str]]:
    """Names of the classes by column, where the export tells them."""
    try:
        features = decode(about)["info"]["features"]
        return {
            name: [*map(str, feature["names"])]
            for name, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError):
        return {}


def _column(
    name: str, values: list[Any], known: dict[str, list[str]], notices: list[str]
) -> Column | None:
    if name in known and all(v is None or 0 <= v < len(known[name]) for v in values):
        numbers = np.array([-1 if v is None else v for v in values], np.int64)
        return Column(name, "category", numbers, tuple(known[name]))
    numeric = all(v is None or isinstance(v, int | float) for v in values)
    if numeric and name.lower() not in LABELS and not all(isinstance(v, bool) for v in values):
        return as_column(name, np.array([np.nan if v is None else v for v in values]), len(values))
    texts = ["" if v is None else str(v) for v in values]
    column, why = type_column(name, texts)
    if column is None:
        notices.append(f"The column {name} is not used: {why}.")
    return column

"""Parquet files with encoded pictures, as Hugging Face exports data sets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.base import DatasetError
from ..datasets.layout import SPLIT_NAMES
from .arrays import as_column
from .source import Column, Source, shown
from .spool import MAX_BYTES, Spool, SpooledPictures
from .tables import LABELS, MAX_COLUMNS, type_column

__all__ = ["read_parquet_files"]

_IMAGES = ("image", "img", "picture", "pixels", "bytes")
_MAX_PICTURE = 64 << 20


def read_parquet_files(files: list[Path], label: str) -> Source:
    """Reads pictures, labels and columns of Parquet files, whose names tell their splits.

    Args:
        files: files of one set.
        label: description in messages.

    Raises:
        DatasetError: if a file is damaged, or holds no pictures.
    """
    import pyarrow.parquet

    spool = Spool()
    places: list[tuple[int, int]] = []
    names: list[str] = []
    splits: list[str | None] = []
    values: dict[str, list[Any]] = {}
    known: dict[str, list[str]] = {}
    for file in sorted(files):
        split = _split_of(file, len(files))
        try:
            opened = pyarrow.parquet.ParquetFile(file)
            schema = opened.schema_arrow
            column = _picture_column(schema, label)
            known |= _class_names(schema.metadata)
            plain = [f.name for f in schema if f.name != column and _is_plain(f.type)]
            for batch in opened.iter_batches(64, columns=[column, *plain]):
                for entry in batch.column(column).to_pylist():
                    content, name = _content(entry)
                    if len(content) > _MAX_PICTURE or (
                        len(places) and sum(places[-1]) > MAX_BYTES
                    ):
                        raise DatasetError(f"{label}: a picture has {len(content):,} bytes.")
                    places.append(spool.add(content))
                    number = f"{len(places) - 1:06d}"
                    names.append(shown(name) if name else f"{split or file.stem}/{number}")
                    splits.append(split)
                for name in plain:
                    given = values.setdefault(name, [None] * (len(places) - len(batch)))
                    given += batch.column(name).to_pylist()
                for given in values.values():
                    given += [None] * (len(places) - len(given))
        except DatasetError:
            raise
        except Exception as error:  # pyarrow raises errors of many types on damaged bytes
            raise DatasetError(f"{shown(file.name)} is damaged ({error}).") from error
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


def _picture_column(schema: Any, label: str) -> str:
    import pyarrow

    def fits(kind: Any) -> bool:
        if pyarrow.types.is_struct(kind):
            return any(field.name == "bytes" for field in kind)
        return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)

    fitting = [field.name for field in schema if fits(field.type)]
    preferred = [name for name in fitting if name.lower() in _IMAGES]
    if not fitting:
        raise DatasetError(
            f"{label} has no column of encoded pictures; found {', '.join(schema.names)[:200]}."
        )
    return (preferred or fitting)[0]


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    return (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_dictionary(kind)
    )


def _content(entry: Any) -> tuple[bytes, str]:
    """Bytes and name of a picture; empty bytes, which are listed as broken, where it has none."""
    if isinstance(entry, dict):
        return entry.get("bytes") or b"", str(entry.get("path") or "")
    return entry or b"", ""


def _class_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of the classes by column, where the export tells them."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
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

"""Tables as files, out and in: CSV, NumPy's npz, Parquet."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from vae.files import open_archive

__all__ = ["ENDINGS", "TableError", "read_table", "safe_cell", "write_table"]

ENDINGS = {"csv": "CSV", "npz": "NumPy, npz", "parquet": "Parquet"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MOST_BYTES = 200_000_000  # of a file, and of what is in it
_MOST_ROWS, _MOST_COLUMNS, _MOST_CELLS = 1_000_000, 2_000, 5_000_000
_MOST_CHARACTERS = 50_000_000  # of all columns of texts, each text as long as its column's longest


class TableError(ValueError):
    """A table that cannot be used; the message says what was found and what to do."""


def safe_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: an apostrophe comes before such a text."""
    starts = isinstance(value, str) and value.startswith((*_FORMULA, "'"))
    return f"'{value}" if starts else value


def write_table(columns: Mapping[str, Sequence[Any] | np.ndarray], ending: str) -> bytes:
    """Writes columns of equal length.

    Args:
        columns: numbers as arrays, texts as lists, by name.
        ending: a key of `ENDINGS`.
    """
    if ending == "csv":
        return _csv(columns)
    arrays = {name: _array(values) for name, values in columns.items()}
    out = io.BytesIO()
    if ending == "parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table({k: pyarrow.array(v.tolist()) if v.dtype.kind == "U" else v
                               for k, v in arrays.items()})  # fmt: skip
        pyarrow.parquet.write_table(table, out)
    else:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:  # savez reserves names
            for name, values in arrays.items():
                packed = io.BytesIO()
                np.save(packed, values, allow_pickle=False)
                archive.writestr(f"{name}.npy", packed.getvalue())
    return out.getvalue()


def read_table(content: bytes, name: str) -> dict[str, np.ndarray]:
    """Reads what `write_table` wrote, or somebody else: columns of numbers or texts by name.

    Args:
        content: bytes of the file.
        name: its name, whose ending tells the format.

    Raises:
        TableError: if it is no such table.
    """
    ending = name.rpartition(".")[2].lower()
    if ending not in ENDINGS:
        raise TableError(f"{name} ends in .{ending}; expected .csv, .npz or .parquet.")
    if len(content) > _MOST_BYTES:
        raise TableError(f"{name} has more than {_MOST_BYTES / 1e6:.0f} MB.")
    read = {"csv": _read_csv, "npz": _read_npz, "parquet": _read_parquet}[ending]
    try:
        columns = read(content)
    except TableError:
        raise
    except Exception as error:  # damaged bytes raise errors of many types
        raise TableError(f"{name} cannot be read as {ENDINGS[ending]} ({error}).") from error
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or not 0 < max(lengths) <= _MOST_ROWS:
        raise TableError(f"{name} has columns of {sorted(lengths)[:5]} rows; expected one length.")
    return columns


def _array(values: Sequence[Any] | np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(str) if array.dtype.kind == "O" else array


def _csv(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> bytes:
    out = io.StringIO()
    # Texts in quotation marks: some spreadsheets part cells at semicolons, too.
    table = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    table.writerow([safe_cell(name) for name in columns])
    lists = [["" if value != value else value for value in values] for values in columns.values()]
    for row in zip(*lists, strict=True):
        table.writerow([safe_cell(value) for value in row])
    return out.getvalue().encode()


def _read_csv(content: bytes) -> dict[str, np.ndarray]:
    lines, commas = content.count(b"\n"), content.count(b",")
    _check_size(lines, lines + commas, content.partition(b"\n")[0].count(b",") + 1)
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    rows = csv.reader(text)
    head = next(rows, [])
    waiting: list[list[str]] = [[] for _ in head]
    for row in rows:
        if len(row) != len(head):
            raise TableError("The rows of this CSV have different lengths.")
        for cells, cell in zip(waiting, row, strict=True):
            cells.append(cell)
    if not waiting or not waiting[0]:
        raise TableError("This CSV has no rows below its first one.")
    columns: dict[str, np.ndarray] = {}
    room = _MOST_CHARACTERS
    for name in head:
        cells = waiting.pop(0)  # which is forgotten where its array is there
        values = _numbers(cells)
        if values is None:
            room = _room_after(len(cells), max(map(len, cells)), room)
            values = np.array([_bare(cell) for cell in cells])
        columns[_bare(name)] = values
    return columns


def _check_size(rows: int, cells: int, columns: int) -> None:
    if rows > _MOST_ROWS or cells > _MOST_CELLS or columns > _MOST_COLUMNS:
        raise TableError(
            f"This table has {rows:,} rows and {columns:,} columns, or more; expected at most "
            f"{_MOST_ROWS:,} rows, {_MOST_COLUMNS:,} columns and {_MOST_CELLS:,} cells."
        )


def _room_after(count: int, longest: int, room: int) -> int:
    """Characters that are left after a column whose array has room for the longest in each row."""
    if count * longest > room:
        raise TableError(
            f"A column has {count:,} cells, one of {longest:,} characters; expected shorter ones."
        )
    return room - count * longest


def _bare(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:2] in (*_FORMULA, "'") else cell


def _numbers(cells: Sequence[str]) -> np.ndarray | None:
    """Cells as whole numbers, or as fractions where an empty one is none; None for texts."""
    with suppress(ValueError, OverflowError):
        return np.fromiter(map(int, cells), np.int64, len(cells))
    with suppress(ValueError):
        return np.fromiter((float(cell or "nan") for cell in cells), np.float64, len(cells))
    return None


def _read_npz(content: bytes) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    with open_archive(io.BytesIO(content), _MOST_COLUMNS) as archive:
        if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
            raise TableError("This archive unpacks to more than can be read.")
        for info in archive.infolist():
            array = np.load(io.BytesIO(archive.read(info)), allow_pickle=False)
            name = info.filename.removesuffix(".npy")
            _check_size(1, 1, len(columns) + (array.shape[1] if array.ndim == 2 else 1))
            if array.ndim == 2:  # codes as one array
                columns |= {f"{name}{k + 1}": array[:, k] for k in range(array.shape[1])}
            else:
                columns[name] = array
    return columns


def _read_parquet(content: bytes) -> dict[str, np.ndarray]:
    import pyarrow.compute
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    count, names = file.metadata.num_rows, file.schema_arrow.names
    _check_size(count, count * len(names), len(names))
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > _MOST_BYTES:
        raise TableError("This table unpacks to more than can be read.")
    texts = [field.name for field in file.schema_arrow if not _is_number(field.type)]
    # Equal texts, which a file holds once, are kept once until it is known how long they are.
    file = pyarrow.parquet.ParquetFile(io.BytesIO(content), read_dictionary=texts)
    columns: dict[str, np.ndarray] = {}
    room = _MOST_CHARACTERS
    for name in names:
        column = file.read([name]).column(name)
        if name in texts:
            words = [getattr(part, "dictionary", part) for part in column.chunks]
            lengths = [pyarrow.compute.max(pyarrow.compute.utf8_length(each)) for each in words]
            room = _room_after(count, max((n.as_py() or 0 for n in lengths), default=0), room)
            column = column.cast(pyarrow.string())
        columns[name] = _array(column.to_numpy())
    return columns


def _is_number(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))

"""Tables of what is known of pictures: their rows matched to names, their columns typed."""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..datasets.base import DatasetError
from .picture import SUFFIXES
from .source import Column, natural, shown

__all__ = ["LABELS", "MAX_COLUMNS", "Table", "join_table", "parse_table", "type_column"]

MAX_COLUMNS = 200
MAX_CATEGORIES = 1_000
_MOST_ROWS, _MOST_CELLS = 1_000_000, 10_000_000
_MOST_TITLES = 10_000  # columns, of which the first 200 are used
_LONGEST_NAME, _DEEPEST = 4_096, 40  # characters of a path, and folders in each other

_KEYS = ("file", "filename", "file_name", "image", "image_id", "path")
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
_TRUTH = (
    *({"0": 0.0, "1": 1.0}, {"-1": 0.0, "1": 1.0}, {"-1": 0.0, "0": 0.0, "1": 1.0}),
    *({"false": 0.0, "true": 1.0}, {"no": 0.0, "yes": 1.0}, {"f": 0.0, "t": 1.0}),
    {"n": 0.0, "y": 1.0},
)
LABELS = {"label", "labels", "class", "classes", "category", "target", "y"}
"""Names of columns that hold classes, though these may be whole numbers."""


@dataclass(frozen=True)
class Table:
    """A table as text.

    Args:
        label: description in messages.
        header: names of the columns.
        rows: cells of each row, as many as the header has.
        notices: messages on rows that were left out.
    """

    label: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notices: tuple[str, ...] = ()


def parse_table(content: bytes, label: str) -> Table:
    """Reads a table, whose encoding and separators are recognised.

    CelebA's own format is known: a count, then names of the attributes, then rows that begin with
    the name of a file.

    Args:
        content: table in UTF-8, UTF-16 or Latin-1, with commas, semicolons, tabs or blanks.
        label: description in messages.

    Raises:
        DatasetError: if there is no table.
    """
    text = _text(content)
    # Of what parts lines and cells, some is text: the bounds are far above what tables need.
    rows_at_most, cells = text.count("\n") + text.count("\r"), sum(map(text.count, "\t;, "))
    if rows_at_most > 2 * _MOST_ROWS or cells > _MOST_CELLS:
        raise DatasetError(
            f"{label} has more than {_MOST_ROWS:,} rows or {_MOST_CELLS:,} cells. Take out what "
            "does not describe the pictures."
        )
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and re.fullmatch(r"\s*\d+\s*", lines[0]):  # CelebA's count
        lines = lines[1:]
    if not lines:
        raise DatasetError(f"{label} is an empty table. Fill it or take it out.")
    separator = max("\t;,", key=lines[0].count)
    if lines[0].count(separator):
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error as error:
            raise DatasetError(f"{label} is no table that can be read ({error}).") from error
        rows = [[cell.strip() for cell in row] for row in rows]
        if separator == ";":  # decimal commas
            rows = [[re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", cell) for cell in row] for row in rows]
    else:
        rows = [line.split() for line in lines]
    if len(rows) > 1 and len(rows[1]) == len(rows[0]) + 1:  # a header without a name of the key
        rows[0] = ["file", *rows[0]]
    if len(rows[0]) > _MOST_TITLES:
        raise DatasetError(
            f"{label} has {len(rows[0]):,} columns; expected at most {_MOST_TITLES:,}."
        )
    header, body = _unique(rows[0]), rows[1:]
    fitting = [tuple(row) for row in body if len(row) == len(header)]
    notices = []
    if wrong := len(body) - len(fitting):
        number = next(i for i, row in enumerate(body, start=2) if len(row) != len(header))
        notices.append(
            f"{label}: {wrong:,} of {len(body):,} rows have not {len(header)} cells as the header "
            f"has, such as row {number}; they are left out."
        )
    return Table(label, header, tuple(fitting), tuple(notices))


def join_table(table: Table, names: Sequence[str]) -> tuple[list[Column], list[str]]:
    """Matches the rows of a table to pictures, and types its columns.

    A row names its picture with or without folder and ending. The key is the column `file`,
    `filename`, `file_name`, `image`, `image_id` or `path`, else the first that names pictures.

    Args:
        table: table to be matched.
        names: names of the pictures.

    Returns:
        The columns, and messages: on rows without picture, pictures without row, and columns that
        are left out.

    Raises:
        DatasetError: if no row names one of the pictures.
    """
    place = _Places(names)
    key = _key_column(table, place)
    found = np.full(len(names), -1)
    unknown, repeated = [], 0
    for i, row in enumerate(table.rows):
        at = place.of(row[key])
        if at is None:
            unknown.append(row[key])
        elif found[at] >= 0:
            repeated += 1
        else:
            found[at] = i
    notices = list(table.notices)
    if unknown:
        notices.append(
            f"{table.label}: {len(unknown):,} of {len(table.rows):,} rows name no picture, such "
            f"as {shown(unknown[0])!r}; they are not used."
        )
    if repeated:
        notices.append(
            f"{table.label}: {repeated:,} rows repeat a picture; the first of each counts."
        )
    if (found < 0).any():
        first = shown(names[int(np.argmax(found < 0))])
        notices.append(
            f"{table.label} has no row for {int((found < 0).sum()):,} of {len(names):,} pictures, "
            f"such as {first}: their values are missing."
        )
    columns: list[Column] = []
    order = found.tolist()
    for j, name in enumerate(table.header):
        if j == key or _is_index(table, j):
            continue
        if len(columns) == MAX_COLUMNS:
            notices.append(f"{table.label}: only the first {MAX_COLUMNS} columns are used.")
            break
        given = [*(row[j] for row in table.rows), ""]  # the last is that of no row, -1
        cells = [given[i] for i in order]
        column, why = type_column(name, cells)
        if column:
            columns.append(column)
        else:
            notices.append(f"{table.label}: the column {name} is not used: {why}.")
    return columns, notices


def type_column(name: str, cells: Iterable[str]) -> tuple[Column | None, str]:
    """Finds the kind of a column: yes/no, numbers, else categories.

    Args:
        name: name of the column; one called `label` or `class` has categories even if these are
            whole numbers.
        cells: text of each cell; empty, `NA`, `nan`, `null`, `none`, `?` and `-` are missing.

    Returns:
        The column, or None and the reason why it cannot be used.
    """
    cells = list(cells)
    lowered = {cell: cell.strip().lower() for cell in set(cells)}  # of many cells, few differ
    present = {text for text in lowered.values() if text not in _MISSING}
    if not present:
        return None, "it is empty"
    truth = next((table for table in _TRUTH if present <= table.keys()), None)
    if truth and not (name.lower() in LABELS and len(present) > 1):
        value = {cell: truth.get(text, math.nan) for cell, text in lowered.items()}
        return Column(name, "yes/no", np.array([value[c] for c in cells], np.float32)), ""
    number = {c: math.nan if text in _MISSING else _number(text) for c, text in lowered.items()}
    whole = name.lower() in LABELS and all(re.fullmatch(r"-?\d+(\.0)?", t) for t in present)
    if all(value is not None for value in number.values()) and not whole:
        return Column(name, "number", np.array([number[c] for c in cells], np.float32)), ""
    composed = {cell: unicodedata.normalize("NFC", cell.strip()) for cell in lowered}
    texts = [composed[cell] for cell in cells]
    counts = Counter(composed[cell] for cell in cells if lowered[cell] not in _MISSING)
    if len(counts) > MAX_CATEGORIES or len(counts) > max(50, sum(counts.values()) // 2):
        return None, f"it has {len(counts):,} different values, too many for categories"
    categories = tuple(sorted(counts, key=natural))
    number_of = {category: i for i, category in enumerate(categories)}
    values = np.array([number_of.get(text, -1) for text in texts], np.int64)
    return Column(name, "category", values, categories), ""


class _Places:
    """Finds pictures by their names, with or without folder and ending."""

    def __init__(self, names: Sequence[str]) -> None:
        normal = list(map(_normal, names))
        bare = list(map(_without_ending, normal))
        self._whole = _numbers(bare) | _numbers(normal)
        self._ends = [_Ends(normal), _Ends(bare)]

    def of(self, cell: str) -> int | None:
        """The number of the picture that a cell names, or None."""
        if len(cell) > _LONGEST_NAME:
            return None
        for text in dict.fromkeys((_normal(cell), _without_ending(_normal(cell)))):
            found = (ends.of(text) for ends in self._ends)
            at = next((number for number in found if number is not None), -1)
            keys = (self._whole.get(tail, -1) for tail in _tails(text))
            if (at := next((key for key in (at, *keys) if key >= 0), -1)) >= 0:
                return at
        return None


class _Ends:
    """Finds paths by their last parts: sorted from the end on, those of one end lie together."""

    def __init__(self, paths: Sequence[str]) -> None:
        backwards = list(map(_backwards, paths))
        self._order = sorted(range(len(paths)), key=backwards.__getitem__)
        self._sorted = [backwards[i] for i in self._order]

    def of(self, text: str) -> int | None:
        """The number of the path that ends so; -1 if several do, None if none does."""
        key = _backwards(text)
        at = bisect_left(self._sorted, key)
        found = sum(path.startswith(key) for path in self._sorted[at : at + 2])
        return self._order[at] if found == 1 else -1 if found else None


def _numbers(paths: Sequence[str]) -> dict[str, int]:
    """The number of each path; -1 of one that comes several times."""
    numbers: dict[str, int] = {}
    for i, path in enumerate(paths):
        numbers[path] = -1 if path in numbers else i
    return numbers


def _backwards(path: str) -> str:
    """A path from its last part to its first, with a separator after each."""
    return "/".join(reversed(path.split("/"))) + "/"


def _normal(name: str) -> str:
    return shown(name).replace("\\", "/").removeprefix("./")


def _without_ending(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return stem if stem and suffix.lower() in SUFFIXES else name


def _tails(text: str) -> list[str]:
    """A path with fewer and fewer of its leading folders."""
    parts = text.split("/")[-_DEEPEST:]
    return ["/".join(parts[i:]) for i in range(1, len(parts))]


def _key_column(table: Table, place: _Places) -> int:
    def matches(j: int) -> int:
        return sum(place.of(row[j]) is not None for row in table.rows[:1_000])

    lowered = [name.lower() for name in table.header]
    known = [lowered.index(key) for key in _KEYS if key in lowered]
    for j in (*known, *range(min(4, len(lowered)))):
        if matches(j):
            return j
    cell = table.rows[0][(known or [0])[0]] if table.rows else ""
    raise DatasetError(
        f"{table.label}: no row names one of the pictures; its first names {cell!r}. Expected a "
        f"column {', '.join(_KEYS[:-1])} or {_KEYS[-1]} with the names of the files."
    )


def _is_index(table: Table, j: int) -> bool:
    """Whether a column only counts the rows, as tables that pandas wrote have it."""
    if j or table.header[0].lower() not in ("", "index", "unnamed: 0", "column 1"):
        return False
    return all(row[0].isdecimal() for row in table.rows)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 3e38 else None


def _unique(header: Sequence[str]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for j, cell in enumerate(header, start=1):
        name = unicodedata.normalize("NFC", cell.lstrip("\ufeff")) or f"column {j}"
        number = 2
        while name in names:
            name, number = f"{cell} ({number})", number + 1
        names[name] = None
    return tuple(names)


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    for zeros, encoding in ((content[1:200:2], "utf-16-le"), (content[0:200:2], "utf-16-be")):
        if zeros and zeros.count(0) > len(zeros) / 2:
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")

"""Pictures in folders and archives, with class folders, split folders and tables."""

from __future__ import annotations

import os
from collections import Counter, defaultdict

import numpy as np

from ..datasets.archive import Source as Files
from ..datasets.base import DatasetError
from ..datasets.layout import read_layout
from .picture import SUFFIXES, Picture, decode_picture, picture_size
from .source import Column, Source, natural, shown
from .tables import Table, join_table, parse_table

__all__ = ["FilePictures", "is_picture", "read_files"]

_TABLES = (
    *("attributes.csv", "metadata.csv", "labels.csv"),
    *("list_attr_celeba.csv", "list_attr_celeba.txt"),
)
_ENDINGS = (".csv", ".tsv", ".txt")
_SPLIT_TABLES = ("list_eval_partition.csv", "list_eval_partition.txt")  # CelebA's
_SPLITS = {"0": "train", "1": "validation", "2": "test"}
_LICENCES = ("license", "licence", "copying", "readme")


class FilePictures:
    """Pictures in files of a folder or an archive.

    Args:
        files: folder or archive.
        names: names of the pictures' files.
    """

    parallel = True

    def __init__(self, files: Files, names: list[str]) -> None:
        self._files, self._names = files, names

    def __len__(self) -> int:
        return len(self._names)

    def size(self, row: int) -> tuple[int, int]:
        """Width and height of a picture."""
        with self._files.open(self._names[row]) as file:
            return picture_size(file, self.label(row))

    def read(
        self, row: int, size: tuple[int, int] | None = None
    ) -> tuple[Picture, tuple[int, int]]:
        """Pixels, and width and height of the whole picture."""
        with self._files.open(self._names[row]) as file:
            return decode_picture(file, self.label(row), size)

    def label(self, row: int) -> str:
        """The description of a picture in messages."""
        return shown(self._names[row])


def read_files(files: Files, labels: tuple[str, bytes] | None = None) -> Source:
    """Reads the names, the layout and the tables of a folder or archive.

    Args:
        files: folder or archive.
        labels: name and content of a table that lies elsewhere, if there is one.

    Raises:
        DatasetError: if there are no pictures, the archive has unsafe names or sizes, or the
            table of `labels` names none of the pictures.
    """
    of_kind: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(files.names()):
        of_kind[_kind(name)].append(name)
    names = sorted(of_kind["picture"], key=natural)
    label = shown(os.path.abspath(files.path))
    if not names:
        there = of_kind["table"] + of_kind["note"] + of_kind["other"]
        raise DatasetError(f"{label} holds no pictures. {_found(there)}")
    layout = read_layout(names, label)
    used = set(layout.names)
    left_out = [(shown(n), "it lies beside the folders") for n in names if n not in used]
    names = list(layout.names)
    notices = list(layout.notices)
    others = Counter(map(_ending, of_kind["note"] + of_kind["other"]))
    left_out += [
        (shown(n), "files of this kind are not read")
        for n in sorted(of_kind["other"], key=natural)
    ]
    notices += _links(files)
    if others:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.most_common(8))
        notices.append(f"Files that are not read as pictures: {kinds}.")
    tables = sorted(of_kind["table"], key=natural)
    columns, splits, told = _tables(files, tables, names, labels)
    if not any(layout.splits) and splits:
        layout_splits: list[str | None] = list(splits)
    else:
        layout_splits = list(layout.splits)
    folders: list[str | None] = [None] * len(names)
    if layout.classes:
        folders = list(layout.folders)
    return Source(
        label,
        FilePictures(files, names),
        [shown(name) for name in names],
        layout_splits,
        folders,
        columns,
        notices + told,
        left_out,
    )


def _links(files: Files) -> list[str]:
    """A message on where links lead, or that they are not followed."""
    if not files.links:
        return []
    name, target = min(files.links.items())
    example = f"{shown(name)} leads to {shown(target)}"
    if files.follows:
        return [f"{len(files.links):,} links were followed: {example}."]
    return [
        f"{len(files.links):,} links are not followed: {example}. python -m vae import follows "
        "those in a folder that it is given."
    ]


def _tables(
    files: Files, there: list[str], names: list[str], labels: tuple[str, bytes] | None
) -> tuple[list[Column], list[str | None], list[str]]:
    """Columns, splits and messages of all tables."""
    chosen = [name for name in there if _base(name) in _TABLES]
    if not chosen and labels is None and len(there) == 1 and there[0].lower().endswith("v"):
        chosen = there
    columns: list[Column] = []
    notices: list[str] = []
    splits: list[str | None] = []
    if labels is not None:
        columns, notices = join_table(parse_table(labels[1], labels[0]), names)
    for name in chosen:
        try:
            found, told = join_table(_read_table(files, name), names)
        except DatasetError as error:
            notices.append(f"{error} It is not used.")
            continue
        known = {column.name for column in columns}
        columns += [column for column in found if column.name not in known]
        notices += told
    for name in there:
        if _base(name) in _SPLIT_TABLES and not splits:
            splits = _read_splits(_read_table(files, name), names)
        elif name not in chosen and not (labels and _content(files, name) == labels[1]):
            notices.append(
                f"The table {shown(name)} is not used. Name it as the table of labels if it "
                "describes the pictures."
            )
    return columns, splits, notices


def _content(files: Files, name: str) -> bytes:
    with files.open(name) as file:
        return file.read()


def _read_table(files: Files, name: str) -> Table:
    return parse_table(_content(files, name), shown(name))


def _read_splits(table: Table, names: list[str]) -> list[str | None]:
    rows = (table.header, *table.rows) if table.header[-1] in _SPLITS else table.rows
    as_rows = Table(table.label, ("file", "split"), tuple(row[:2] for row in rows))
    columns, _ = join_table(as_rows, names)
    column = columns[0]
    texts = [column.categories[int(v)] if column.kind == "category" else str(int(v))
             for v in np.nan_to_num(column.values)]  # fmt: skip
    return [_SPLITS.get(text) for text in texts]


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _ending(name: str) -> str:
    stem, dot, suffix = _base(name).rpartition(".")
    return f".{shown(suffix)[:12]}" if stem and dot else shown(_base(name))[:24]


def is_picture(name: str) -> bool:
    """Whether a file has the ending of a picture, and is not hidden."""
    return _kind(name) == "picture"


def _kind(name: str) -> str:
    """What a file is by its name: hidden, a picture, a note, a table, or other."""
    base, path = _base(name), f"/{name}"
    if "/." in path or "/__MACOSX" in path or base == "thumbs.db":
        return "hidden"
    stem, _, suffix = base.rpartition(".")
    if stem and suffix in SUFFIXES:
        return "picture"
    if base.startswith(_LICENCES):
        return "note"
    return "table" if base.endswith(_ENDINGS) else "other"


def _found(names: list[str]) -> str:
    kinds = Counter(map(_ending, names))
    there = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5))
    wanted = "Put PNG, JPEG, WebP, BMP, GIF, TIFF or PGM files into it."
    return f"There are {there} in it. {wanted}" if kinds else wanted

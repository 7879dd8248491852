"""What every reader gives: pictures under names, with splits, classes and typed columns."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .picture import Picture

__all__ = ["KINDS", "Column", "Pictures", "Source", "natural", "shown"]

KINDS = ("yes/no", "number", "category")
"""Kinds of columns."""
_NUMBER = re.compile(r"\d{1,4000}")  # of more digits, Python makes no number


class Pictures(Protocol):
    """Pictures that are decoded one by one, by several threads at a time if `parallel`."""

    parallel: bool

    def __len__(self) -> int: ...

    def size(self, row: int) -> tuple[int, int]:
        """Width and height of a picture; raises `DatasetError` if it cannot be read."""

    def read(
        self, row: int, size: tuple[int, int] | None = None
    ) -> tuple[Picture, tuple[int, int]]:
        """Pixels, and width and height of the whole picture, as `decode_picture` returns them."""

    def label(self, row: int) -> str:
        """The description of a picture in messages."""


@dataclass(frozen=True, eq=False)
class Column:
    """A value of each picture, which may be missing.

    Args:
        name: name of the column.
        kind: one of `KINDS`.
        values: `(N,)`: float32 for yes/no (0 and 1) and numbers, NaN where missing; int64 for
            categories, numbers in `categories`, -1 where missing.
        categories: names of the categories, in natural order.
    """

    name: str
    kind: str
    values: np.ndarray
    categories: tuple[str, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """Mask `(N,)` of the pictures without a value."""
        return self.values < 0 if self.kind == "category" else np.isnan(self.values)

    def take(self, rows: np.ndarray) -> Column:
        """The column of some pictures."""
        return Column(self.name, self.kind, self.values[rows], self.categories)


@dataclass(eq=False)
class Source:
    """Pictures to be imported.

    Args:
        label: description in messages, such as the path.
        pictures: the pictures.
        names: name of each picture, unique within the source.
        splits: author's split of each picture, one of `SPLITS`, or None.
        folders: class of each picture, or None.
        columns: columns of the pictures' tables.
        notices: messages on what is used in which way.
        left_out: names of files that are not used, each with the reason.
        licence: licence and source of the pictures.
    """

    label: str
    pictures: Pictures
    names: list[str]
    splits: list[str | None]
    folders: list[str | None]
    columns: list[Column] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    licence: str = "Your own pictures"


def shown(name: str) -> str:
    """A name as text: with a replacement sign for bytes that are not UTF-8, and composed (NFC)."""
    if name.isascii():
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", text)


def natural(text: str) -> tuple[str, str]:
    """A key for sorting in which `2` comes before `10`."""
    return _NUMBER.sub(_by_length, text.lower()), text


def _by_length(number: re.Match[str]) -> str:
    """The digits of a number after a sign for how many they are, before any letter."""
    digits = str(int(number[0]))
    return f"\0{chr(len(digits))}{digits}"

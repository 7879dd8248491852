"""Bytes on their way into an import: in a temporary file, of which any part is read at once."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np

from ..datasets.base import DatasetError
from .picture import Picture, decode_picture, picture_size

__all__ = [
    "MAX_BYTES",
    "Readable",
    "Spool",
    "SpooledPictures",
    "check_unpacked",
    "fill",
    "unpack",
]

MAX_BYTES = 64 << 30  # of what an archive or a file of arrays unpacks to
_RATIO = 300  # unpacked to packed; drawings of few shapes reach a hundred, zeros a thousand
_ALWAYS = 256 << 20  # bytes that anything may unpack to


class Readable(Protocol):
    """Anything that bytes can be read from."""

    def read(self, count: int = -1, /) -> bytes:
        """Reads at most so many bytes."""


class Spool:
    """A temporary file without a name, which is gone with the object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        weakref.finalize(self, self._file.close)
        self._size = 0

    def add(self, content: bytes) -> tuple[int, int]:
        """Appends bytes and returns where they begin and how many they are."""
        start = self._size
        self._file.write(content)
        self._size += len(content)
        return start, len(content)

    def read(self, start: int, count: int) -> bytes:
        """Reads bytes, from any thread."""
        return os.pread(self._file.fileno(), count, start)

    @property
    def file(self) -> BinaryIO:
        """The file, at its beginning."""
        self._file.seek(0)
        return self._file

    def mapped(
        self,
        dtype: Any,
        offset: int,
        shape: tuple[int, ...],
        order: Literal["C", "F"] = "C",
    ) -> np.ndarray:
        """An array of the file, mapped into memory: of a type, a shape and its first byte."""
        return np.memmap(self.file, dtype, "r", offset, shape, order)

    def flush(self) -> None:
        """Makes all that was added readable."""
        self._file.flush()


class SpooledPictures:
    """Encoded pictures in a spool.

    Args:
        spool: spool that holds them.
        places: where each begins, and how many bytes it has.
        names: their names.
    """

    parallel = True

    def __init__(self, spool: Spool, places: list[tuple[int, int]], names: list[str]) -> None:
        spool.flush()
        self._spool, self._places, self._names = spool, places, names

    def __len__(self) -> int:
        return len(self._places)

    def size(self, row: int) -> tuple[int, int]:
        """Width and height of a picture."""
        return picture_size(self._open(row), self.label(row))

    def read(
        self, row: int, size: tuple[int, int] | None = None
    ) -> tuple[Picture, tuple[int, int]]:
        """Pixels, and width and height of the whole picture."""
        return decode_picture(self._open(row), self.label(row), size)

    def label(self, row: int) -> str:
        """The description of a picture in messages."""
        return self._names[row]

    def _open(self, row: int) -> BinaryIO:
        return io.BytesIO(self._spool.read(*self._places[row]))


def _most_unpacked(packed: int) -> int:
    """How many bytes so many packed ones may become."""
    return min(MAX_BYTES, max(_ALWAYS, _RATIO * packed))


def check_unpacked(unpacked: int, packed: int, label: str) -> None:
    """Refuses what says that it unpacks to far more than pictures do.

    Args:
        unpacked: number of unpacked bytes.
        packed: number of packed bytes.
        label: description in messages.

    Raises:
        DatasetError: if it does.
    """
    if unpacked > _most_unpacked(packed):
        raise DatasetError(
            f"{label} unpacks from {packed:,} to {unpacked:,} bytes, far more than pictures do. "
            "It may have been made to do harm: don't use it."
        )


def unpack(stream: Readable, packed: int, label: str) -> Spool:
    """Copies a stream that unpacks something, within bounds.

    Args:
        stream: stream of unpacked bytes.
        packed: number of packed bytes.
        label: description in messages.

    Raises:
        DatasetError: if it is damaged, or unpacks to far more than pictures do.
    """
    spool = Spool()
    for _ in fill(spool, stream, packed, label):
        pass
    return spool


def fill(spool: Spool, stream: Readable, packed: int, label: str) -> Iterator[int]:
    """Copies the same part by part.

    Args:
        spool: empty spool, which is readable after each part.
        stream: stream of unpacked bytes.
        packed: number of packed bytes.
        label: description in messages.

    Yields:
        How many bytes are there.

    Raises:
        DatasetError: if it is damaged, or unpacks to far more than pictures do.
    """
    done, limit = 0, _most_unpacked(packed)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    while part := _next_part(stream, label):
        done += len(part)
        if done > min(limit, free):
            raise DatasetError(
                f"{label} unpacks to more than {min(limit, free):,} bytes. It may have been "
                "made to do harm, or the disk is too small: unpack it by hand."
            )
        spool.add(part)
        spool.flush()
        yield done


def _next_part(stream: Readable, label: str) -> bytes:
    try:
        return stream.read(1 << 22)
    except Exception as error:  # every format has its own errors of damaged bytes
        raise DatasetError(f"{label} is damaged ({error}). Pack it again.") from error

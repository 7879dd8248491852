"""One pass over all pictures, in parallel: decoded, fitted, checked, written one after another."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..datasets.base import DatasetError, Progress
from .decoding import Decoded, decode_all
from .picture import Fit
from .source import Pictures

__all__ = ["BrokenPictures", "Cancelled", "PixelFile", "Reading", "read_pictures"]

_TOGETHER = 64  # writes that are done as one: each waits for Python's lock
_CHUNK = 128  # pictures between two looks at whether to stop


class Cancelled(DatasetError):
    """An import that was cancelled; nothing is kept."""


class BrokenPictures(DatasetError):
    """Pictures that cannot be read, which nobody allowed to leave out."""


@dataclass
class Reading:
    """The result of a pass over pictures.

    Args:
        rows: rows that were read, in the order of the pixels.
        checksums: checksum of the pixels of each.
        sizes: number of pictures of each width and height.
        broken: rows that cannot be read, each with the reason.
        coloured: whether one of them has colour.
        scale: values that became black and white in pictures of more than 8 bits, or None.
        deep: number of pictures of more than 8 bits.
        equal: number of pictures whose pixels are nearly equal.
    """

    rows: list[int] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)
    coloured: bool = False
    scale: tuple[float, float] | None = None
    deep: int = 0
    equal: int = 0


class PixelFile:
    """A `.npy` file `(N, C, H, W)` uint8 that is written picture by picture; N may be unknown.

    Args:
        file: path of the new file.
        shape: `(C, H, W)`.
    """

    def __init__(self, file: Path, shape: tuple[int, int, int]) -> None:
        self._file, self._shape, self._count = file, shape, 0
        self._stream: BinaryIO = file.open("w+b")
        self._waiting: list[np.ndarray] = []
        self._header()

    def write(self, pixels: np.ndarray) -> None:
        """Appends one image `(C, H, W)` or several."""
        pixels = np.asarray(pixels, np.uint8).reshape(-1, *self._shape)
        self._waiting.append(pixels)
        self._count += len(pixels)
        if len(self._waiting) == _TOGETHER:
            self._flush()

    def replace(self, row: int, pixels: np.ndarray) -> None:
        """Writes an image over an earlier one."""
        self._flush()
        self._stream.seek(128 + row * int(np.prod(self._shape)))
        self._stream.write(np.ascontiguousarray(pixels, np.uint8).tobytes())
        self._stream.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Writes the number of images and closes the file."""
        if not self._stream.closed:
            with self._stream:
                self._flush()
                self._header()
                self._stream.flush()
                os.fsync(self._stream.fileno())

    def _flush(self) -> None:
        if self._waiting:
            self._stream.write(np.concatenate(self._waiting).data)
            self._waiting.clear()

    def _header(self) -> None:
        shape = (self._count, *self._shape)
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
        self._stream.seek(0)
        self._stream.write(b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little"))
        self._stream.write(text.ljust(117).encode() + b"\n")
        self._stream.seek(0, os.SEEK_END)


def read_pictures(
    pictures: Pictures,
    rows: Sequence[int],
    fit: Fit,
    write: Callable[[np.ndarray], None],
    overwrite: Callable[[int, np.ndarray], None],
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    ends: Callable[[int, bool], bool] = lambda broken, sound: False,
) -> Reading:
    """Decodes pictures in parallel and writes them in order; broken ones are left out.

    Pictures of more than 8 bits share one scale, which is known only after all were read: they are
    decoded a second time.

    Args:
        pictures: pictures to be read.
        rows: their rows, in the order of the result.
        fit: way from a picture to an image.
        write: called with each image `(C, H, W)` uint8.
        overwrite: called with the number of an image among those written, and the image.
        progress: called with the fraction done, 0…1, and a message.
        cancelled: function that returns whether to stop.
        ends: function of how many pictures are broken, and of whether there are others, that
            returns whether the rest need not be read.

    Raises:
        Cancelled: if `cancelled` returned True.
    """
    result = Reading()
    deep: list[tuple[int, int]] = []  # number among those written, row
    ranges: list[tuple[float, float]] = []
    total = len(rows)

    def decoded(which: Sequence[int], fit: Fit) -> Iterator[tuple[int, Decoded]]:
        found = decode_all(pictures, which, fit, lambda: not result.coloured)
        for done, (row, one) in enumerate(zip(which, found, strict=True)):
            if done % _CHUNK == 0:
                if cancelled and cancelled():
                    raise Cancelled("The import was cancelled; nothing was kept.")
                if progress and done:
                    progress(done / len(which), f"Read {done:,} of {len(which):,} pictures")
            yield row, one

    for row, one in decoded(rows, fit):
        if one.pixels is None:
            result.broken.append((row, one.error))
            if ends(len(result.broken), bool(result.rows)):
                return result
            continue
        if one.range is not None:
            deep.append((len(result.rows), row))
            ranges.append(one.range)
        result.rows.append(row)
        result.checksums.append(one.checksum)
        result.sizes[one.size] += 1
        result.coloured = result.coloured or one.coloured
        result.equal += one.equal
        write(one.pixels)
    if deep:
        result.deep = len(deep)
        result.scale = (min(low for low, _ in ranges), max(high for _, high in ranges))
        scaled = replace(fit, scale=result.scale)
        again = decoded([row for _, row in deep], scaled)
        for (number, _), (_, one) in zip(deep, again, strict=True):
            assert one.pixels is not None  # it was decoded before
            result.checksums[number] = one.checksum
            result.equal += one.equal
            overwrite(number, one.pixels)
    if progress and total:
        progress(1.0, f"Read {total:,} pictures")
    return result

"""One pass over all pictures, in parallel: decoded, fitted, checked, written one after another."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..datasets.base import DatasetError, Progress, checksum
from .picture import Fit, is_coloured
from .source import Pictures

__all__ = ["BrokenPictures", "Cancelled", "PixelFile", "Reading", "read_pictures"]

_CHUNK = 256  # pictures that are decoded between two writes


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
        self._header()

    def write(self, pixels: np.ndarray) -> None:
        """Appends one image `(C, H, W)` or several."""
        self._stream.write(np.ascontiguousarray(pixels, np.uint8).tobytes())
        self._count += 1 if pixels.ndim == 3 else len(pixels)

    def replace(self, row: int, pixels: np.ndarray) -> None:
        """Writes an image over an earlier one."""
        self._stream.seek(128 + row * int(np.prod(self._shape)))
        self._stream.write(np.ascontiguousarray(pixels, np.uint8).tobytes())
        self._stream.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Writes the number of images and closes the file."""
        if not self._stream.closed:
            self._header()
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

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

    Raises:
        Cancelled: if `cancelled` returned True.
    """
    result = Reading()
    deep: list[tuple[int, int]] = []  # number among those written, row
    ranges: list[tuple[float, float]] = []
    total = len(rows)
    count = (os.cpu_count() or 1) if pictures.parallel else 1
    with ThreadPoolExecutor(count) as pool:

        def decoded(which: Sequence[int], fit: Fit) -> Iterator[tuple[int, _Decoded]]:
            for start in range(0, len(which), _CHUNK):
                if cancelled and cancelled():
                    raise Cancelled("The import was cancelled; nothing was kept.")
                part = which[start : start + _CHUNK]
                # One picture with colour is enough to know that there is some.
                one = partial(_decode, pictures, fit=fit, look=not result.coloured)
                yield from zip(part, pool.map(one, part), strict=True)
                if progress:
                    done = min(start + _CHUNK, len(which))
                    progress(
                        done / max(len(which), 1), f"Read {done:,} of {len(which):,} pictures"
                    )

        for row, one in decoded(rows, fit):
            if one.pixels is None:
                result.broken.append((row, one.error))
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
            for (number, _), (_, one) in zip(
                deep, decoded([row for _, row in deep], scaled), strict=True
            ):
                assert one.pixels is not None  # it was decoded before
                result.checksums[number] = one.checksum
                result.equal += one.equal
                overwrite(number, one.pixels)
    if progress and total:
        progress(1.0, f"Read {total:,} pictures")
    return result


@dataclass
class _Decoded:
    pixels: np.ndarray | None = None
    checksum: int = 0
    size: tuple[int, int] = (0, 0)
    coloured: bool = False
    equal: bool = False
    range: tuple[float, float] | None = None  # of a picture of more than 8 bits
    error: str = ""


def _decode(pictures: Pictures, row: int, fit: Fit, look: bool = True) -> _Decoded:
    try:
        _, height, width = fit.shape
        picture, size = pictures.read(row, (width, height))
    except DatasetError as error:
        return _Decoded(error=str(error))
    spread = None
    if isinstance(picture, np.ndarray) and picture.dtype != np.uint8:
        finite = picture[np.isfinite(picture)] if picture.dtype.kind == "f" else picture
        spread = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    pixels = fit(picture)
    waiting = spread is not None and fit.scale is None
    return _Decoded(
        pixels,
        checksum(pixels.tobytes()),
        size,
        coloured=look and pixels.shape[0] == 3 and is_coloured(pixels),
        equal=not waiting and int(pixels.max()) - int(pixels.min()) < 4,
        range=spread,
    )

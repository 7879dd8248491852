"""Decoding pictures on all cores.

Threads do it: Pillow decodes and scales without Python's lock, which is most of the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..datasets.base import DatasetError, checksum
from .picture import Fit, is_coloured, value_range
from .source import Pictures

__all__ = ["Decoded", "decode_all"]

_TASK = 64  # pictures that a worker decodes before it asks for more
_AHEAD = 8  # such tasks, for each worker, that are waiting or done at a time


@dataclass
class Decoded:
    """A picture as the model sees it, and what was noticed on the way.

    Args:
        pixels: image `(C, H, W)` uint8; None if the picture cannot be read.
        checksum: checksum of the pixels.
        size: width and height of the picture.
        coloured: whether it has colour.
        equal: whether its pixels are nearly equal.
        range: lowest and highest value of a picture of more than 8 bits, else None.
        error: reason why it cannot be read.
    """

    pixels: np.ndarray | None = None
    checksum: int = 0
    size: tuple[int, int] = (0, 0)
    coloured: bool = False
    equal: bool = False
    range: tuple[float, float] | None = None
    error: str = ""


def decode_all(
    pictures: Pictures, rows: Sequence[int], fit: Fit, look: Callable[[], bool]
) -> Iterator[Decoded]:
    """Decodes pictures in parallel, in their order, a bounded number at a time.

    Args:
        pictures: pictures to be decoded.
        rows: their rows.
        fit: way from a picture to an image.
        look: function that returns whether it still matters if a picture has colour.
    """
    workers = (os.cpu_count() or 1) if pictures.parallel else 1
    tasks = [rows[i : i + _TASK] for i in range(0, len(rows), _TASK)]
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(tasks), _AHEAD * workers):
            some = partial(_decode_some, pictures, fit=fit, look=look())
            for decoded in pool.map(some, tasks[start : start + _AHEAD * workers]):
                yield from decoded


def _decode_some(pictures: Pictures, rows: Sequence[int], fit: Fit, look: bool) -> list[Decoded]:
    return [_decode(pictures, row, fit, look) for row in rows]


def _decode(pictures: Pictures, row: int, fit: Fit, look: bool = True) -> Decoded:
    try:
        _, height, width = fit.shape
        picture, size = pictures.read(row, (width, height))
    except DatasetError as error:
        return Decoded(error=str(error))
    spread = value_range(picture)
    pixels = fit(picture)
    waiting = spread is not None and fit.scale is None
    return Decoded(
        pixels,
        checksum(pixels.tobytes()),
        size,
        coloured=look and pixels.shape[0] == 3 and is_coloured(pixels),
        equal=not waiting and int(pixels.max()) - int(pixels.min()) < 4,
        range=spread,
    )

"""Pictures of arrays: channels first or last, and which values are black and white."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

__all__ = ["MAX_NUMBERS", "MAX_PICTURES", "ArrayLike", "ArrayPictures", "is_images"]

MAX_PICTURES = 1_000_000
MAX_NUMBERS = 15_000_000  # of one picture; reading it takes up to 20 bytes of each
_CHUNK = 4_096  # images that are looked at together, of this many numbers at most
_TOGETHER = 8_000_000


class ArrayLike(Protocol):
    """An array in memory, in a mapped file or in HDF5."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any) -> Any: ...


def is_images(array: ArrayLike) -> bool:
    """Whether an array may hold images."""
    shape = tuple(array.shape)
    if array.dtype.kind not in "buif" or min(shape, default=0) < 1:
        return False
    if len(shape) == 3:
        return min(shape[1:]) >= 4
    return len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))


class ArrayPictures:
    """Pictures of arrays in memory or on disk.

    Bytes are taken as they are, floats in 0…1 and yes/no as black to white; anything else shares
    one scale, as pictures of more than 8 bits do.

    Args:
        arrays: images, one array after another; each `array[i]` is `(H, W)`, `(H, W, C)` or
            `(C, H, W)`.
        name: description of the arrays in messages.
    """

    parallel = True

    def __init__(self, arrays: Sequence[ArrayLike], name: str) -> None:
        self._arrays, self._name = arrays, name
        self._starts = np.cumsum([0, *(len(array) for array in arrays)])
        self._factor, told = _factor(arrays)
        self.notices = [told] if told else []

    def __len__(self) -> int:
        return int(self._starts[-1])

    def size(self, row: int) -> tuple[int, int]:
        """Width and height of a picture."""
        height, width = _sides(self._arrays[self._place(row)[0]].shape[1:])
        return width, height

    def read(
        self, row: int, size: tuple[int, int] | None = None
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """Pixels, and width and height."""
        which, at = self._place(row)
        picture = _channels_last(np.asarray(self._arrays[which][at]))
        if self._factor is None:
            picture = picture.astype(np.float32)
        elif self._factor != 1 or picture.dtype != np.uint8:
            values = np.nan_to_num(picture.astype(np.float32)) * self._factor
            picture = values.round().clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(picture), (picture.shape[1], picture.shape[0])

    def _place(self, row: int) -> tuple[int, int]:
        """The number of the array that holds a picture, and the picture's row in it."""
        which = int(np.searchsorted(self._starts, row, "right")) - 1
        return which, row - int(self._starts[which])

    def label(self, row: int) -> str:
        """The description of a picture in messages."""
        return f"picture {row:,} of {self._name}"


def _sides(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a picture `(H, W)`, `(H, W, C)` or `(C, H, W)`."""
    first = len(shape) == 3 and shape[0] in (1, 3) and shape[2] not in (1, 3)
    return (shape[1], shape[2]) if first else (shape[0], shape[1])


def _channels_last(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.shape[2] not in (1, 3):
        picture = picture.transpose(1, 2, 0)
    return picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture


def _factor(arrays: Sequence[ArrayLike]) -> tuple[float | None, str]:
    """By what values are multiplied to reach 255; None for one scale of all."""
    if all(array.dtype == np.bool_ for array in arrays):
        return 255.0, ""
    low, high = _range(arrays)
    whole = all(array.dtype.kind in "bui" for array in arrays)
    if whole and low >= 0 and high == 1:
        return 255.0, "Pixels are 0 and 1: they are taken as black and white."
    if whole and low >= 0 and high <= 255:
        return 1.0, ""
    if not whole and low >= -1e-6 and high <= 1 + 1e-6:
        return 255.0, ""
    return None, ""


def _range(arrays: Sequence[ArrayLike]) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for array in arrays:
        if array.dtype == np.uint8 and high > 1:
            continue  # nothing more can be learnt
        step = max(1, min(_CHUNK, _TOGETHER // math.prod(array.shape[1:])))
        for start in range(0, len(array), step):
            part = np.asarray(array[start : start + step])
            if part.dtype.kind == "f":
                part = part[np.isfinite(part)]
            if part.size:
                low, high = min(low, float(part.min())), max(high, float(part.max()))
            if array.dtype == np.uint8 and high > 1:
                break
    return (low, high) if low <= high else (0.0, 0.0)

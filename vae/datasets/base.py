"""What a dataset is: images that index to floats in [0, 1], labels, named attributes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

__all__ = ["SPLITS", "Dataset", "DatasetError", "Images", "LazyImages", "Progress", "checksum"]

SPLITS = ("train", "validation", "test")

Progress = Callable[[float, str], None]
"""Called with the part that is done, in 0…1, and a sentence."""


class DatasetError(ValueError):
    """Data that cannot be used: says what was found, what was expected and what to do."""


def checksum(content: bytes) -> int:
    """64 bits that tell contents apart, as an integer that int64 holds."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


class Images:
    """Images held in memory as bytes, handed out as floats.

    `images[key]` takes an integer, a slice, a list, a tensor of indices or a boolean mask, and
    gives float32 in [0, 1] of shape `(C, H, W)` for an integer, else `(n, C, H, W)`.

    Args:
        uint8: The images, shape `(N, C, H, W)`, C being 1 (grey) or 3 (RGB).

    Raises:
        DatasetError: The tensor is not uint8 or has another shape.
    """

    def __init__(self, uint8: Tensor) -> None:
        if uint8.dtype != torch.uint8 or uint8.ndim != 4 or uint8.shape[1] not in (1, 3):
            raise DatasetError(
                f"Images are {tuple(uint8.shape)} {uint8.dtype}; expected (N, C, H, W) uint8 "
                "with one channel or three."
            )
        self._uint8 = uint8

    @property
    def uint8(self) -> Tensor:
        """The images as bytes, `(N, C, H, W)`: not to be changed."""
        return self._uint8

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(N, C, H, W)`."""
        count, channels, height, width = self._uint8.shape
        return count, channels, height, width

    def __len__(self) -> int:
        return len(self._uint8)

    def __getitem__(self, key: int | slice | list[int] | Tensor) -> Tensor:
        return self._uint8[key].float().div_(255)

    def read(self, index: int) -> Tensor:
        """One image, `(C, H, W)` uint8."""
        return self._uint8[index]

    def checksums(self, rows: np.ndarray) -> np.ndarray:
        """Checksums `(n,)` int64 of images, by which to find them again in changed data."""
        return np.array([checksum(self._uint8[i].numpy().tobytes()) for i in rows], np.int64)


class LazyImages:
    """Images read from disk when they are asked for, indexed as `Images` are.

    Args:
        read: Reads one image, given its index in 0…N-1, as a `(C, H, W)` uint8 tensor. It is
            pickled with the container when `DataLoader` workers read in parallel.
        shape: `(N, C, H, W)`.
        identify: Gives an image's checksum from its index; by default that of its pixels, which
            have to be decoded first.
    """

    uint8 = None

    def __init__(
        self,
        read: Callable[[int], Tensor],
        shape: tuple[int, int, int, int],
        identify: Callable[[int], int] | None = None,
    ) -> None:
        self._read = read
        self._shape = shape
        self._identify = identify

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(N, C, H, W)`."""
        return self._shape

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, key: int | slice | list[int] | Tensor) -> Tensor:
        # An arange answers every kind of key, errors included, just as a tensor of images would.
        index = torch.arange(len(self))[key]
        images = [self._read(i) for i in index.reshape(-1).tolist()]
        stacked = torch.stack(images) if images else torch.empty(0, *self._shape[1:]).byte()
        return stacked.reshape(*index.shape, *self._shape[1:]).float().div_(255)

    def read(self, index: int) -> Tensor:
        """One image, `(C, H, W)` uint8."""
        return self._read(index)

    def checksums(self, rows: np.ndarray) -> np.ndarray:
        """Checksums `(n,)` int64 of images, by which to find them again in changed data."""
        identify = self._identify or (lambda i: checksum(self._read(i).numpy().tobytes()))
        return np.array([identify(int(i)) for i in rows], np.int64)


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a dataset.

    Args:
        name: The name it was loaded by.
        split: One of `SPLITS`.
        images: `images[i:j]` gives `(n, C, H, W)` float32 in [0, 1]; `images.uint8` the raw
            bytes, or None where the images stay on disk.
        labels: Class of each image, `(N,)` int64, or None.
        classes: Name of each class, or None.
        attributes: Binary attributes by name, each `(N,)` bool; read-only.
        licence: Licence and source of the images, one sentence.
        notices: Sentences on what was left out of a visitor's own pictures, and why.
        fingerprint: Of the names and sizes of all files of a visitor's own pictures; another
            where some were added, removed or replaced.

    Raises:
        DatasetError: Labels or attributes do not fit the images.
    """

    name: str
    split: str
    images: Images | LazyImages
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    attributes: Mapping[str, Tensor] = field(default_factory=dict)
    licence: str = ""
    notices: tuple[str, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.labels is not None:
            if self.labels.shape != (n,) or self.labels.dtype != torch.int64:
                raise DatasetError(
                    f"Labels of {self.name} are {tuple(self.labels.shape)} {self.labels.dtype}; "
                    f"expected ({n},) int64, one label an image."
                )
            known = len(self.classes or ())
            if n and known and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < known:
                raise DatasetError(
                    f"Labels of {self.name} go from {int(self.labels.min())} to "
                    f"{int(self.labels.max())}; expected 0 to {known - 1}, one for each class."
                )
        for attribute, values in self.attributes.items():
            if values.shape != (n,) or values.dtype != torch.bool:
                raise DatasetError(
                    f"Attribute {attribute} of {self.name} is {tuple(values.shape)} "
                    f"{values.dtype}; expected ({n},) bool, one value an image."
                )
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def __len__(self) -> int:
        return len(self.images)

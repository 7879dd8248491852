"""The representation of a dataset: images as floats in [0, 1], labels, named attributes."""

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
"""A function that is called with the fraction done, 0…1, and a message."""


class DatasetError(ValueError):
    """Data that cannot be used; the message says what was found, expected, and what to do."""


def checksum(content: bytes) -> int:
    """A 64-bit hash of bytes, as a signed integer."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


class Images:
    """Images that are stored in memory as bytes and indexed as floats.

    The key of `images[key]` is an integer, a slice, a list, a tensor of indices or a boolean
    mask. The result is float32 in [0, 1], `(C, H, W)` for an integer, else `(n, C, H, W)`.

    Args:
        uint8: images `(N, C, H, W)`, with C 1 (grey) or 3 (RGB).

    Raises:
        DatasetError: if the tensor is not uint8 or has another shape.
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
        """The images as bytes, `(N, C, H, W)`, which must not be modified."""
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
        """Checksums `(n,)` int64 of images, which identify them after the data have changed."""
        return np.array([checksum(self._uint8[i].numpy().tobytes()) for i in rows], np.int64)


class LazyImages:
    """Images that are read from disk on access, with the same indexing as `Images`.

    Args:
        read: function that reads the image of an index in 0…N-1, `(C, H, W)` uint8. It has to be
            picklable for the worker processes of a `DataLoader`.
        shape: shape of the images, `(N, C, H, W)`.
        identify: function that returns the checksum of the image of an index; by default that of
            its decoded pixels.
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
        # Indexing an arange supports every type of key, with the errors of a tensor of images.
        index = torch.arange(len(self))[key]
        images = [self._read(i) for i in index.reshape(-1).tolist()]
        stacked = torch.stack(images) if images else torch.empty(0, *self._shape[1:]).byte()
        return stacked.reshape(*index.shape, *self._shape[1:]).float().div_(255)

    def read(self, index: int) -> Tensor:
        """One image, `(C, H, W)` uint8."""
        return self._read(index)

    def checksums(self, rows: np.ndarray) -> np.ndarray:
        """Checksums `(n,)` int64 of images, which identify them after the data have changed."""
        identify = self._identify or (lambda i: checksum(self._read(i).numpy().tobytes()))
        return np.array([identify(int(i)) for i in rows], np.int64)


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a dataset.

    Args:
        name: name or path of the dataset.
        split: one of `SPLITS`.
        images: images; `images[i:j]` is `(n, C, H, W)` float32 in [0, 1]; `images.uint8` the raw
            bytes, or None where the images stay on disk.
        labels: class of each image, `(N,)` int64, or None.
        classes: name of each class, or None.
        attributes: attributes by name, each `(N,)`; read-only. Yes/no is bool or, where values are
            missing, float32 with 0, 1 and NaN. A number is float32, NaN where it is missing. A
            category is int64, a number in `categories`, -1 where it is missing.
        licence: licence and source of the images.
        notices: messages on pictures of a visitor that were left out, and why.
        fingerprint: hash of the names and sizes of a visitor's files, which changes if files are
            added, removed or replaced.
        categories: names of the categories of each attribute that has some, by attribute.
        numbers: attributes that are numbers, as opposed to yes/no with missing values.
        names: name of each image, or None.

    Raises:
        DatasetError: if labels or attributes do not match the images.
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
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    names: tuple[str, ...] | None = None

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
            expected = torch.float32 if attribute in self.numbers else torch.bool
            if attribute in self.categories:
                expected = torch.int64
            elif values.dtype == torch.float32:  # yes/no with missing values
                expected = torch.float32
            if values.shape != (n,) or values.dtype != expected:
                raise DatasetError(
                    f"Attribute {attribute} of {self.name} is {tuple(values.shape)} "
                    f"{values.dtype}; expected ({n},) {str(expected).removeprefix('torch.')}, one "
                    "value an image."
                )
        object.__setattr__(self, "categories", MappingProxyType(dict(self.categories)))
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def __len__(self) -> int:
        return len(self.images)

    def kind(self, attribute: str) -> str:
        """The kind of an attribute: `"yes/no"`, `"number"` or `"category"`."""
        if attribute in self.categories:
            return "category"
        return "number" if attribute in self.numbers else "yes/no"

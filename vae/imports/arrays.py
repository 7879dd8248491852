"""Images in arrays: from Python, and from files of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..datasets.base import SPLITS, DatasetError
from .array_pictures import ArrayPictures, is_images
from .picture import Picture
from .source import Column, Pictures, Source
from .tables import type_column

__all__ = ["as_column", "check_images", "source_of_images"]

_EXPECTED = (
    "expected (N, H, W), (N, H, W, C) or (N, C, H, W) with one channel or three, of bytes, bool "
    "or floats in 0…1"
)


def source_of_images(
    images: Any,
    labels: Any = None,
    classes: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    splits: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    licence: str = "Your own pictures",
    label: str = "The images",
) -> Source:
    """Makes a source of images from Python.

    Args:
        images: as for `import_images`, `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`, or a torch
            `Dataset`.
        labels: class of each image, `(N,)`, or None.
        classes: name of each class, or None.
        attributes: values by name, each `(N,)`, or None.
        splits: split of each image, or None.
        names: name of each image, or None for numbers.
        licence: licence and source of the images.
        label: description of the images in messages.

    Raises:
        DatasetError: if the images cannot be used, or other arguments do not match them.
    """
    pictures: Pictures
    if isinstance(images, torch.Tensor):
        images = images.detach().cpu().numpy()
    if isinstance(images, list | tuple):
        images = np.stack([np.asarray(image) for image in images]) if images else np.zeros((0,))
    if isinstance(images, np.ndarray):
        pictures = ArrayPictures([check_images(images, label)], label)
    elif hasattr(images, "__len__") and hasattr(images, "__getitem__"):
        pictures = _DatasetPictures(images)
        labels = _labels_of(images) if labels is None else labels
        classes = getattr(images, "classes", None) if classes is None else classes
    else:
        raise DatasetError(f"{label} are {type(images).__name__}; {_EXPECTED}.")
    count = len(pictures)
    digits = len(str(max(count - 1, 0)))
    names = [f"{i:0{digits}d}" for i in range(count)] if names is None else [*map(str, names)]
    chosen: list[str | None] = [None] * count if splits is None else [*map(str, splits)]
    for what, given in (("names", names), ("splits", chosen)):
        if len(given) != count:
            raise DatasetError(f"There are {len(given):,} {what} for {count:,} images.")
    if wrong := {split for split in chosen if split is not None} - set(SPLITS):
        raise DatasetError(f"A split is {min(wrong)!r}; expected one of {', '.join(SPLITS)}.")
    if any(chosen) and "train" not in chosen:
        raise DatasetError(f"{label} have no split train: there is nothing to train on.")
    columns = [as_column(name, values, count) for name, values in (attributes or {}).items()]
    folders: list[str | None] = [None] * count
    if labels is not None:
        folders = _classes(labels, classes, count)
    notices = list(getattr(pictures, "notices", ()))
    return Source(label, pictures, names, chosen, folders, columns, notices, licence=licence)


def check_images(images: np.ndarray, name: str) -> np.ndarray:
    """Checks that an array holds images, `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`.

    Raises:
        DatasetError: if its shape, type or values are others.
    """
    if len(images) and not is_images(images):
        raise DatasetError(f"{name}: {images.shape} {images.dtype}; {_EXPECTED}.")
    return images


def as_column(name: str, values: Any, count: int) -> Column:
    """Makes a column of values from Python.

    Args:
        name: name of the column.
        values: `(N,)`: bool, numbers (NaN = missing) or texts ("" or None = missing).
        count: expected number of values.

    Raises:
        DatasetError: if their number or type is another.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    if array.shape != (count,):
        raise DatasetError(f"{name} has {array.shape} values; expected one for each of {count:,}.")
    if array.dtype == np.bool_:
        return Column(name, "yes/no", array.astype(np.float32))
    if array.dtype.kind in "iuf":
        return Column(name, "number", array.astype(np.float32))
    texts = ["" if value is None else str(value) for value in array.tolist()]
    column, why = type_column(name, texts)
    if column is None:
        raise DatasetError(f"{name} cannot be used: {why}.")
    return column


def _classes(labels: Any, classes: Sequence[str] | None, count: int) -> list[str | None]:
    if isinstance(labels, torch.Tensor):
        labels = labels.detach().cpu().numpy()
    array = np.asarray(labels).reshape(-1)
    if array.shape != (count,):
        raise DatasetError(f"There are {array.size:,} labels for {count:,} images.")
    if array.dtype.kind not in "iu":
        return [None if value is None else str(value) for value in array.tolist()]
    known = [str(name) for name in classes] if classes is not None else None
    if known is not None and len(array) and not 0 <= array.min() <= array.max() < len(known):
        raise DatasetError(
            f"Labels go from {array.min()} to {array.max()}; expected 0 to {len(known) - 1}, one "
            "for each class."
        )
    return [known[i] if known else str(i) for i in array.tolist()]


def _labels_of(images: Any) -> Any:
    for name in ("targets", "labels"):
        given = getattr(images, name, None)
        if given is not None and len(given) == len(images):
            return given
    first = images[0] if len(images) else None
    if not isinstance(first, tuple | list) or len(first) < 2 or np.ndim(first[1]) > 0:
        return None
    return np.array([int(images[i][1]) for i in range(len(images))])


class _DatasetPictures:
    """Pictures of a torch `Dataset`, one after another: it may not be safe for threads."""

    parallel = False

    def __init__(self, images: Any) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def size(self, row: int) -> tuple[int, int]:
        return self.read(row)[1]

    def read(
        self, row: int, size: tuple[int, int] | None = None
    ) -> tuple[Picture, tuple[int, int]]:
        item = self._images[row]
        image = item[0] if isinstance(item, tuple | list) else item
        if isinstance(image, Image.Image):
            image = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
        elif isinstance(image, torch.Tensor):
            image = image.detach().cpu().numpy()
        return ArrayPictures([check_images(np.asarray(image)[None], self.label(row))], "").read(0)

    def label(self, row: int) -> str:
        return f"item {row:,} of the dataset"

"""Finding the images of stored codes in data that may have changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from .base import Dataset, DatasetError, Images, LazyImages

__all__ = ["find_encoded"]


def find_encoded(
    data: Dataset,
    index: np.ndarray,
    checksums: np.ndarray,
    others: Callable[[], Iterable[Dataset]],
) -> tuple[Dataset, np.ndarray]:
    """Finds encoded images by their checksums.

    Args:
        data: current version of the split from which the images were encoded.
        index: numbers of the images in that split when they were encoded, `(N,)`.
        checksums: checksums of the images, `(N,)`.
        others: function that returns the other splits, to which images may have moved; called
            only if images are missing in `data`.

    Returns:
        A dataset in which the images have their numbers of `index`, and a mask `(N,)` bool of the
        images that were found. Reading one of the others raises `DatasetError`.
    """
    same = index < len(data)
    same[same] = data.images.checksums(index[same]) == checksums[same]
    if same.all():
        return data, same
    numbers: dict[int, list[int]] = {}
    for number, identity in zip(index.tolist(), checksums.tolist(), strict=True):
        numbers.setdefault(identity, []).append(number)
    missing = set(numbers)
    places: dict[int, tuple[Dataset, int]] = {}
    for dataset in (data, *others()):
        for row, identity in enumerate(dataset.images.checksums(np.arange(len(dataset))).tolist()):
            if identity in missing:
                missing.remove(identity)
                places |= dict.fromkeys(numbers[identity], (dataset, row))
        if not missing:
            break
    return _renumbered(data, places), np.isin(index, list(places))


def _renumbered(data: Dataset, places: dict[int, tuple[Dataset, int]]) -> Dataset:
    """The images of `places` under its numbers, with their labels and attributes."""
    count = max(places, default=-1) + 1
    used = list({id(dataset): dataset for dataset, _ in places.values()}.values())
    labels = torch.zeros(count, dtype=torch.int64)
    shared = [
        name for name in data.attributes if all(name in dataset.attributes for dataset in used)
    ]
    attributes = {name: torch.zeros(count, dtype=data.attributes[name].dtype) for name in shared}
    labelled = all(dataset.labels is not None for dataset in used)
    for number, (dataset, row) in places.items():
        if labelled and dataset.labels is not None:
            labels[number] = dataset.labels[row]
        for name, values in attributes.items():
            values[number] = dataset.attributes[name][row]
    images = {number: (dataset.images, row) for number, (dataset, row) in places.items()}
    return Dataset(
        name=data.name,
        split=data.split,
        images=LazyImages(_Read(images), (count, *data.images.shape[1:])),
        labels=labels if labelled else None,
        classes=used[0].classes if used and labelled else None,
        attributes=attributes,
        licence=data.licence,
        notices=data.notices,
        fingerprint=data.fingerprint,
        categories={name: data.categories[name] for name in shared if name in data.categories},
        numbers=data.numbers & set(shared),
    )


class _Read:
    def __init__(self, places: dict[int, tuple[Images | LazyImages, int]]) -> None:
        self._places = places

    def __call__(self, number: int) -> Tensor:
        if number not in self._places:
            raise DatasetError(
                f"Image #{number} is no longer among the pictures. Put it back, or train again."
            )
        images, row = self._places[number]
        return images.read(row)

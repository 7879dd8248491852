"""Datasets by name: `load_dataset("digits")`."""

from __future__ import annotations

from collections.abc import Callable

from .base import SPLITS, Dataset, DatasetError, Images, LazyImages, Progress
from .digits import load_digits
from .mnist import load_fashion, load_kmnist, load_mnist

__all__ = [
    "SPLITS",
    "Dataset",
    "DatasetError",
    "Images",
    "LazyImages",
    "dataset_names",
    "load_dataset",
]

_LOADERS: dict[str, Callable[[str, Progress | None], Dataset]] = {
    "digits": load_digits,
    "fashion": load_fashion,
    "mnist": load_mnist,
    "kmnist": load_kmnist,
}


def dataset_names() -> tuple[str, ...]:
    """Names that `load_dataset` knows."""
    return tuple(_LOADERS)


def load_dataset(name: str, split: str = "test", progress: Progress | None = None) -> Dataset:
    """Load one split of a dataset.

    Args:
        name: One of `dataset_names()`.
        split: `"train"` or `"test"`.
        progress: Told how far a download or a drawing is.

    Raises:
        DatasetError: Unknown name or split, or data that are missing or damaged.
    """
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}; choose {' or '.join(SPLITS)}.")
    if name not in _LOADERS:
        raise DatasetError(
            f"There is no dataset named {name!r}; choose one of {', '.join(dataset_names())}."
        )
    return _LOADERS[name](split, progress)

"""CIFAR-10 and CIFAR-100 in their binary version; the version for Python is a pickle."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from ..datasets.base import DatasetError
from .array_files import source_of_arrays
from .source import Source

__all__ = ["is_cifar", "read_cifar"]

_RECORD = 3 * 32 * 32
_FILES = ("data_batch_", "test_batch.bin", "train.bin", "test.bin")


def is_cifar(name: str) -> bool:
    """Whether a file has a name as those of the binary version have."""
    base = name.rpartition("/")[2]
    return base.endswith(".bin") and base.startswith(_FILES)


def read_cifar(names: list[str], open_file: Callable[[str], BinaryIO], label: str) -> Source:
    """Reads CIFAR-10 or CIFAR-100.

    Args:
        names: names of all files of the folder or archive.
        open_file: function that opens one of them.
        label: description in messages.

    Raises:
        DatasetError: if a file is damaged.
    """
    images: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    hundred = any(name.endswith("train.bin") for name in names)
    ahead = 2 if hundred else 1  # CIFAR-100 has a coarse label before the fine one
    for name in sorted(filter(is_cifar, names)):
        with open_file(name) as file:
            content = np.frombuffer(file.read(), np.uint8)
        if not content.size or content.size % (_RECORD + ahead):
            raise DatasetError(
                f"{name} in {label} has {content.size:,} bytes; expected a multiple of "
                f"{_RECORD + ahead:,}. Fetch it again."
            )
        records = content.reshape(-1, _RECORD + ahead)
        split = "test" if "test" in name.rpartition("/")[2] else "train"
        images[split].append(records[:, ahead:].reshape(-1, 3, 32, 32))
        labels[split].append(records[:, ahead - 1])
    arrays: dict[str, np.ndarray] = {}
    for split in images:
        if images[split]:
            arrays[f"{split}_images"] = np.concatenate(images[split])
            arrays[f"{split}_labels"] = np.concatenate(labels[split])
    for name in names:
        if name.rpartition("/")[2] in ("batches.meta.txt", "fine_label_names.txt"):
            with open_file(name) as file:
                lines = file.read().decode("utf-8", "replace").split()
            arrays["class_names"] = np.array(lines)
    return source_of_arrays(arrays, label)

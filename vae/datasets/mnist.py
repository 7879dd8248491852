"""Fashion-MNIST and its like: 28×28 grey images of ten classes, in IDX files.

The 10,000 test images of Fashion-MNIST are shipped. Everything else is read from IDX files on this
machine, or fetched from the addresses that torchvision knows. `build(FOLDER)` writes the shipped
file again from the IDX files in a folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..locations import data_folder
from .base import Dataset, DatasetError, Images, Progress
from .files import download, read_arrays, read_idx

__all__ = ["build", "load_fashion", "load_kmnist", "load_mnist"]

FASHION_TEST = Path(__file__).parent / "data" / "fashion-test.npz"
FASHION_SYSTEM = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist

FASHION_CLASSES = (
    "T-shirt",
    "Trousers",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FASHION_LICENCE = "Fashion-MNIST by Zalando SE, MIT licence"


def load_fashion(split: str, progress: Progress | None = None) -> Dataset:
    """Read 60,000 train or 10,000 test pictures of clothes, `(N, 1, 28, 28)`.

    Raises:
        DatasetError: The files are damaged, or neither on this machine nor to be fetched.

    References:
        Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms. Xiao,
        Rasul and Vollgraf, 2017.
    """
    if split == "test":
        arrays = read_arrays(FASHION_TEST, images=(10_000, 28, 28), labels=(10_000,))
        images, labels = arrays["images"], arrays["labels"]
    else:
        images, labels = _load("FashionMNIST", "fashion", split, progress, FASHION_SYSTEM)
    return _dataset("fashion", split, images, labels, FASHION_CLASSES, FASHION_LICENCE)


def load_mnist(split: str, progress: Progress | None = None) -> Dataset:
    """Read or fetch all of MNIST: 60,000 train or 10,000 test digits, `(N, 1, 28, 28)`.

    Raises:
        DatasetError: The files are damaged, or neither on this machine nor to be fetched.
    """
    licence = "MNIST by Yann LeCun, Corinna Cortes and Chris Burges, CC BY-SA 3.0"
    images, labels = _load("MNIST", "mnist", split, progress)
    return _dataset("mnist", split, images, labels, tuple("0123456789"), licence)


def load_kmnist(split: str, progress: Progress | None = None) -> Dataset:
    """Read or fetch 60,000 train or 10,000 test cursive Japanese characters, `(N, 1, 28, 28)`.

    Raises:
        DatasetError: The files are damaged, or neither on this machine nor to be fetched.

    References:
        Deep learning for classical Japanese literature. Clanuwat, Bober-Irizar, Kitamoto, Lamb,
        Yamamoto and Ha, 2018.
    """
    licence = "KMNIST by ROIS-DS Center for Open Data in the Humanities, CC BY-SA 4.0"
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    images, labels = _load("KMNIST", "kmnist", split, progress)
    return _dataset("kmnist", split, images, labels, classes, licence)


def build(folder: str | Path, file: str | Path = FASHION_TEST) -> None:
    """Write the shipped test images of Fashion-MNIST.

    Args:
        folder: Where its IDX files lie.
        file: Where to write.
    """
    images = read_idx(_find("t10k-images-idx3-ubyte.gz", Path(folder)), (10_000, 28, 28))
    labels = read_idx(_find("t10k-labels-idx1-ubyte.gz", Path(folder)), (10_000,))
    np.savez_compressed(file, images=images, labels=labels)


def _load(
    source: str, name: str, split: str, progress: Progress | None, *folders: Path
) -> tuple[np.ndarray, np.ndarray]:
    part, n = ("train", 60_000) if split == "train" else ("t10k", 10_000)
    own = data_folder() / name
    arrays = []
    for kind, shape in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
        member = f"{part}-{kind}-ubyte.gz"
        file = _find(member, *folders, own, own / source / "raw")
        if file is None:
            file = own / member
            _fetch(source, file, progress)
        arrays.append(read_idx(file, shape))
    return arrays[0], arrays[1]


def _find(member: str, *folders: Path) -> Path | None:
    candidates = (f for folder in folders for f in (folder / member, folder / member[:-3]))
    return next((file for file in candidates if file.is_file()), None)


def _fetch(source: str, file: Path, progress: Progress | None) -> None:
    import torchvision.datasets  # takes a second, and only its addresses are needed

    known = getattr(torchvision.datasets, source)
    try:
        download(
            [mirror + file.name for mirror in known.mirrors],
            file,
            dict(known.resources)[file.name],
            progress,
        )
    except (DatasetError, OSError) as error:
        advice = ", or install the Debian package dataset-fashion-mnist"
        raise DatasetError(
            f"{source} is not on this machine. {error} Connect to a network, or put {file.name} "
            f"into {file.parent}{advice if source == 'FashionMNIST' else ''}."
        ) from error


def _dataset(
    name: str,
    split: str,
    images: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    licence: str,
) -> Dataset:
    return Dataset(
        name=name,
        split=split,
        images=Images(torch.from_numpy(images).unsqueeze(1)),
        labels=torch.from_numpy(labels).long(),
        classes=classes,
        licence=licence,
    )

"""EMNIST and CIFAR-10, read from files that are fetched once; CIFAR-10 in its binary version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from ..locations import data_folder
from .base import Dataset, DatasetError, Images, Progress

__all__ = ["load_cifar10", "load_emnist"]

_CIFAR = "cifar-10-binary.tar.gz"
_CIFAR_ADDRESS = f"https://www.cs.toronto.edu/~kriz/{_CIFAR}"
_CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_BALANCED = (  # lower case is merged with upper case where they look alike
    *"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    *"abdefghnqrt",
)


def load_cifar10(split: str, progress: Progress | None = None) -> Dataset:
    """Reads or downloads CIFAR-10: 50,000 train or 10,000 test images `(N, 3, 32, 32)`.

    Args:
        split: `"train"` or `"test"`.
        progress: called with a message before a download.

    Raises:
        DatasetError: if the file is damaged, or missing and cannot be downloaded.

    References:
        Learning multiple layers of features from tiny images. Krizhevsky, 2009.
    """
    from ..imports.cifar import read_cifar
    from .archive import open_source

    root = data_folder() / "cifar10"
    if not (root / _CIFAR).exists():
        if progress:
            progress(0.0, "Downloading CIFAR-10, 170 MB")
        try:
            from torchvision.datasets.utils import download_url

            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / "fetch.lock"):  # several processes may load it at once
                download_url(_CIFAR_ADDRESS, str(root), _CIFAR, _CIFAR_MD5)
        except Exception as error:  # whatever a download can raise
            raise DatasetError(
                f"CIFAR-10 could not be fetched ({error}). Connect to a network, or put {_CIFAR}, "
                f"its binary version, into {root}."
            ) from error
    files = open_source(root / _CIFAR, follow_links=False)
    source = read_cifar(files.names(), files.open, str(root / _CIFAR))
    rows = [i for i, of in enumerate(source.splits) if of == split]
    if not rows:
        raise DatasetError(f"{root / _CIFAR} holds no images for {split}. Fetch it again.")
    pixels = np.stack([np.asarray(source.pictures.read(i)[0]) for i in rows])
    names = list(dict.fromkeys(f for f in source.folders if f is not None))
    classes = tuple(sorted(names))
    labels = [classes.index(str(source.folders[i])) for i in rows]
    return Dataset(
        name="cifar10",
        split=split,
        images=Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()),
        labels=torch.tensor(labels),
        classes=classes,
        licence="CIFAR-10 by Alex Krizhevsky, University of Toronto",
    )


def load_emnist(split: str, progress: Progress | None = None) -> Dataset:
    """Reads or downloads EMNIST Balanced: 112,800 train or 18,800 test images `(N, 1, 28, 28)`.

    There are 47 classes: digits and letters, some of them in both cases.

    Args:
        split: `"train"` or `"test"`.
        progress: called with a message before a download.

    Raises:
        DatasetError: if the files are damaged, or missing and cannot be downloaded.

    References:
        EMNIST: extending MNIST to handwritten letters. Cohen, Afshar, Tapson and van Schaik, 2017.
    """
    from ..imports.idx import read_idx

    root = data_folder() / "emnist"
    images, labels = (_emnist_file(root, split, kind) for kind in ("images-idx3", "labels-idx1"))
    if images is None or labels is None:
        if progress:
            progress(0.0, "Downloading EMNIST, 560 MB")
        try:
            from torchvision.datasets import EMNIST

            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / "fetch.lock"):
                EMNIST(root, split="balanced", train=split == "train", download=True)
        except Exception as error:  # whatever a download can raise
            raise DatasetError(
                f"EMNIST could not be fetched ({error}). Connect to a network, or put the files "
                f"emnist-balanced-*-ubyte.gz into {root}."
            ) from error
        images, labels = (
            _emnist_file(root, split, kind) for kind in ("images-idx3", "labels-idx1")
        )
    if images is None or labels is None:
        raise DatasetError(f"{root} holds no emnist-balanced-*-ubyte files. Remove it, to fetch.")
    pixels = np.array(read_idx(images)).transpose(0, 2, 1)  # stored column by column
    return Dataset(
        name="emnist",
        split=split,
        images=Images(torch.from_numpy(np.ascontiguousarray(pixels)).unsqueeze(1)),
        labels=torch.from_numpy(np.array(read_idx(labels))).long(),
        classes=_BALANCED,
        licence="EMNIST by Cohen et al., from NIST Special Database 19, public domain",
    )


def _emnist_file(root: Path, split: str, kind: str) -> Path | None:
    name = f"emnist-balanced-{split}-{kind}-ubyte"
    places = (root, root / "gzip", root / "EMNIST" / "raw")
    files = (place / f"{name}{end}" for place in places for end in ("", ".gz"))
    return next((file for file in files if file.is_file()), None)

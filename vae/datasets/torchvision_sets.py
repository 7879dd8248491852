"""Datasets that torchvision can download: MNIST and its variants, SVHN, CelebA.

The 10,000 test images of Fashion-MNIST are shipped. Other images are read from the data folder,
where torchvision or the user puts them.
"""

from __future__ import annotations

import gzip
import math
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..locations import data_folder
from ..mapped import map_array
from .base import Dataset, DatasetError, Images, LazyImages, Progress, checksum
from .files import read_arrays
from .folder import read_image

__all__ = ["GREY_SETS", "build", "load_celeba", "load_grey", "load_svhn"]

FASHION_TEST = Path(__file__).parent / "data" / "fashion-test.npz"
FASHION_SYSTEM = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist


@dataclass(frozen=True)
class _Grey:
    source: str  # torchvision's class
    classes: tuple[str, ...]
    licence: str


GREY_SETS = {
    "fashion": _Grey(
        "FashionMNIST",
        (
            *("T-shirt", "Trousers", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        "Fashion-MNIST by Zalando SE, MIT licence",
    ),
    "mnist": _Grey(
        "MNIST",
        tuple("0123456789"),
        "MNIST by Yann LeCun, Corinna Cortes and Chris Burges, CC BY-SA 3.0",
    ),
    "kmnist": _Grey(
        "KMNIST",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        "KMNIST by ROIS-DS Center for Open Data in the Humanities, CC BY-SA 4.0",
    ),
}
"""Sets of 60,000 train and 10,000 test images `(1, 28, 28)` of ten classes."""


def load_grey(name: str, split: str, progress: Progress | None = None) -> Dataset:
    """Reads or downloads one of `GREY_SETS`.

    Args:
        name: name of the dataset.
        split: `"train"` or `"test"`.
        progress: called with a message before a download.

    Raises:
        DatasetError: if the files are damaged, or missing and cannot be downloaded.

    References:
        The MNIST database of handwritten digits. LeCun, Cortes and Burges, 1998.
        Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms. Xiao,
        Rasul and Vollgraf, 2017.
        Deep learning for classical Japanese literature. Clanuwat, Bober-Irizar, Kitamoto, Lamb,
        Yamamoto and Ha, 2018.
    """
    known = GREY_SETS[name]
    if (name, split) == ("fashion", "test"):
        arrays = read_arrays(FASHION_TEST, images=(10_000, 28, 28), labels=(10_000,))
        images, labels = (torch.from_numpy(arrays[key]) for key in ("images", "labels"))
    else:
        images, labels = _fetch(known.source, data_folder() / name, split, progress)
    return Dataset(
        name=name,
        split=split,
        images=Images(images.unsqueeze(1)),
        labels=labels.long(),
        classes=known.classes,
        licence=known.licence,
    )


def build(folder: str | Path, file: str | Path = FASHION_TEST) -> None:
    """Writes the shipped test images of Fashion-MNIST.

    Args:
        folder: folder from which torchvision reads, or to which it downloads, the dataset.
        file: path of the file to be written.
    """
    images, labels = _fetch("FashionMNIST", Path(folder), "test", None)
    np.savez_compressed(file, images=images.numpy(), labels=labels.byte().numpy())


def _fetch(
    source: str, root: Path, split: str, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    part, count = ("train", 60_000) if split == "train" else ("t10k", 10_000)
    shapes = {
        f"{part}-images-idx3-ubyte": (count, 28, 28),
        f"{part}-labels-idx1-ubyte": (count,),
    }
    raw = root / source / "raw"
    folders = (root, FASHION_SYSTEM) if source == "FashionMNIST" else (root,)
    if progress:
        progress(0.0, f"Looking for {source}, downloading it if it is not here")
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with FileLock(raw / "fetch.lock"):  # several processes may load it at once
            for name in shapes:
                _unpack(f"{name}.gz", raw, *folders)
            if not all((raw / name).is_file() for name in shapes):
                _download(source, root, part)
            images, labels = (_read_idx(raw / name, shape) for name, shape in shapes.items())
    except Exception as error:  # downloads and damaged files raise errors of many types
        advice = ", or install the Debian package dataset-fashion-mnist"
        raise DatasetError(
            f"{source} could not be read or fetched ({error}). Connect to a network, or put "
            f"{' and '.join(f'{name}.gz' for name in shapes)} into {root}"
            f"{advice if source == 'FashionMNIST' else ''}. Remove {raw} if its files are damaged."
        ) from error
    return images, labels


def _download(source: str, root: Path, part: str) -> None:
    """Lets torchvision fetch the files of a split, and check them."""
    import torchvision.datasets  # takes two seconds and 160 MB, which files that are here need not

    known = getattr(torchvision.datasets, source)
    resources = [(name, md5) for name, md5 in known.resources if name.startswith(part)]
    # The class keeps its name, after which torchvision names the folder.
    type(source, (known,), {"resources": resources})(root, train=part == "train", download=True)


def _read_idx(file: Path, shape: tuple[int, ...]) -> Tensor:
    """An IDX file of bytes, which has to have a shape; they stay on the disk."""
    head = bytes((0, 0, 8, len(shape))) + b"".join(n.to_bytes(4, "big") for n in shape)
    with file.open("rb") as stream:
        found = stream.read(len(head))
    if found != head or file.stat().st_size != len(head) + math.prod(shape):
        raise ValueError(f"{file.name} does not hold {' × '.join(map(str, shape))} bytes")
    return torch.from_numpy(map_array(file, np.dtype(np.uint8), len(head), shape))


def _unpack(name: str, raw: Path, *folders: Path) -> None:
    """Unpacks a file to where torchvision expects it, if one of the folders contains it."""
    target = raw / name.removesuffix(".gz")
    candidates = (f for folder in folders for f in (folder / name, folder / target.name))
    packed_file = next((file for file in candidates if file.is_file()), None)
    if packed_file and not target.exists():
        partial_file = target.with_suffix(".part")
        with (gzip.open if packed_file.suffix == ".gz" else open)(packed_file, "rb") as packed:
            with partial_file.open("wb") as out:
                shutil.copyfileobj(packed, out)
        partial_file.replace(target)


def load_celeba(
    split: str,
    progress: Progress | None = None,
    image_shape: tuple[int, int, int] = (3, 64, 64),
) -> Dataset:
    """Opens CelebA: 162,770 train or 19,962 test photographs of faces with 40 attributes.

    The photographs stay on disk; they are cropped at the centre and scaled on access.

    Args:
        split: `"train"` or `"test"`.
        progress: called with a message before a download.
        image_shape: shape of the scaled images, `(3, H, W)`.

    Raises:
        DatasetError: if the files are missing and cannot be downloaded.

    References:
        Deep learning face attributes in the wild. Liu, Luo, Wang and Tang, 2015.
    """
    from torchvision.datasets import CelebA

    root = data_folder()
    if progress:
        progress(0.0, "Looking for CelebA, downloading 1.4 GB if it is not here")
    try:
        celeba = CelebA(root, split=split, target_type="attr", download=True)
    except Exception as error:  # whatever a download can raise
        reason = "it is fetched by the package gdown: pip install gdown"
        if not isinstance(error, ImportError) and "gdown" not in str(error):
            reason = str(error)
        raise DatasetError(
            f"CelebA could not be fetched ({reason}). Connect to a network, or put its files, "
            f"with img_align_celeba unpacked, into {root / 'celeba'}."
        ) from error
    files = [root / "celeba" / "img_align_celeba" / name for name in celeba.filename]
    names = [name for name in celeba.attr_names if name]  # the list ends with an empty name
    return Dataset(
        name="celeba",
        split=split,
        images=LazyImages(
            partial(_read, files, image_shape),
            (len(files), *image_shape),
            partial(_checksum, files),
        ),
        attributes={name.lower(): celeba.attr[:, j] == 1 for j, name in enumerate(names)},
        licence="CelebA by MMLAB, The Chinese University of Hong Kong, non-commercial research",
    )


def load_svhn(split: str, progress: Progress | None = None) -> Dataset:
    """Reads or downloads Street View House Numbers: 73,257 train or 26,032 test images.

    Images are `(N, 3, 32, 32)`.

    Raises:
        DatasetError: if the files are missing and cannot be downloaded.

    References:
        Reading digits in natural images with unsupervised feature learning. Netzer, Wang, Coates,
        Bissacco, Wu and Ng, 2011.
    """
    from torchvision.datasets import SVHN

    root = data_folder() / "svhn"
    if progress:
        progress(0.0, "Looking for SVHN, downloading up to 182 MB if it is not here")
    try:
        svhn = SVHN(root, split=split, download=True)
    except Exception as error:  # whatever a download can raise
        raise DatasetError(
            f"SVHN could not be fetched ({error}). Connect to a network, or put "
            f"{split}_32x32.mat into {root}."
        ) from error
    return Dataset(
        name="svhn",
        split=split,
        images=Images(torch.from_numpy(svhn.data)),
        labels=torch.from_numpy(svhn.labels).long(),
        classes=tuple("0123456789"),
        licence="SVHN by Netzer et al., Stanford University, non-commercial use",
    )


def _read(files: list[Path], image_shape: tuple[int, int, int], index: int) -> Tensor:
    try:
        with files[index].open("rb") as file:
            return read_image(file, image_shape, str(files[index]))
    except OSError as error:
        raise DatasetError(f"{files[index]} cannot be read ({error.strerror}).") from error


def _checksum(files: list[Path], index: int) -> int:
    try:
        return checksum(files[index].read_bytes())
    except OSError as error:
        raise DatasetError(f"{files[index]} cannot be read ({error.strerror}).") from error

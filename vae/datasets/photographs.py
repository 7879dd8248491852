"""Photographs through torchvision, where there is a network or they lie in the data folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..locations import data_folder
from .base import Dataset, DatasetError, Images, LazyImages, Progress, checksum
from .folder import read_image

__all__ = ["load_celeba", "load_svhn"]


def load_celeba(
    split: str,
    progress: Progress | None = None,
    image_shape: tuple[int, int, int] = (3, 64, 64),
) -> Dataset:
    """Open CelebA: 162,770 train or 19,962 test photographs of faces with 40 attributes.

    The photographs stay on disk and are cropped in their middle and scaled to `image_shape`.

    Raises:
        DatasetError: They are neither in the data folder nor to be fetched.

    References:
        Deep learning face attributes in the wild. Liu, Luo, Wang and Tang, 2015.
    """
    from torchvision.datasets import CelebA

    root = data_folder()
    if progress:
        progress(0.0, "Looking for CelebA, downloading 1.4 GB if it is not here")
    try:
        found = CelebA(root, split=split, target_type="attr", download=True)
    except Exception as error:  # whatever a download can raise
        raise DatasetError(
            f"CelebA could not be fetched ({error}). Connect to a network, or put its files, "
            f"unpacked, into {root / 'celeba'}."
        ) from error
    files = [root / "celeba" / "img_align_celeba" / name for name in found.filename]
    names = [name for name in found.attr_names if name]  # its list ends with an empty name
    return Dataset(
        name="celeba",
        split=split,
        images=LazyImages(
            partial(_read, files, image_shape),
            (len(files), *image_shape),
            partial(_checksum, files),
        ),
        attributes={name.lower(): found.attr[:, j] == 1 for j, name in enumerate(names)},
        licence="CelebA by MMLAB, The Chinese University of Hong Kong, non-commercial research",
    )


def load_svhn(split: str, progress: Progress | None = None) -> Dataset:
    """Read or fetch Street View House Numbers: 73,257 train or 26,032 test, `(N, 3, 32, 32)`.

    Raises:
        DatasetError: They are neither in the data folder nor to be fetched.

    References:
        Reading digits in natural images with unsupervised feature learning. Netzer, Wang, Coates,
        Bissacco, Wu and Ng, 2011.
    """
    from torchvision.datasets import SVHN

    root = data_folder() / "svhn"
    if progress:
        progress(0.0, "Looking for SVHN, downloading up to 182 MB if it is not here")
    try:
        found = SVHN(root, split=split, download=True)
    except Exception as error:  # whatever a download can raise
        raise DatasetError(
            f"SVHN could not be fetched ({error}). Connect to a network, or put "
            f"{split}_32x32.mat into {root}."
        ) from error
    return Dataset(
        name="svhn",
        split=split,
        images=Images(torch.from_numpy(found.data)),
        labels=torch.from_numpy(found.labels).long(),
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

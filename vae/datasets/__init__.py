"""Datasets by name, or from a folder or archive of pictures: `load_dataset("digits")`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..files import refusals_as
from .base import SPLITS, Dataset, DatasetError, Images, LazyImages, Progress
from .digits import load_digits
from .downloads import load_cifar10, load_emnist
from .folder import folder_fingerprint, folder_stamp, load_folder, read_image
from .torchvision_sets import load_celeba, load_grey, load_svhn

__all__ = [
    "SPLITS",
    "Dataset",
    "DatasetError",
    "Images",
    "LazyImages",
    "dataset_names",
    "is_path",
    "load_dataset",
    "read_image",
    "source_fingerprint",
    "source_stamp",
]


def _load_faces(split: str, progress: Progress | None = None) -> Dataset:
    from .faces import load_faces

    def report(done: int, total: int) -> None:
        if progress:
            progress(done / total, f"Drawing {total:,} faces, once")

    images, attributes = load_faces(split, report)
    return Dataset(
        name="faces",
        split=split,
        images=Images(torch.from_numpy(images)),
        attributes={name: torch.from_numpy(values) for name, values in attributes.items()},
        licence="Drawn by this program; nobody's photograph",
    )


def _load_glyphs(split: str, progress: Progress | None = None) -> Dataset:
    from .glyphs import load_glyphs

    return load_glyphs(split, progress)


_LOADERS: dict[str, Callable[..., Dataset]] = {
    "digits": load_digits,
    "fashion": partial(load_grey, "fashion"),
    "faces": _load_faces,
    "glyphs": _load_glyphs,
    "mnist": partial(load_grey, "mnist"),
    "kmnist": partial(load_grey, "kmnist"),
    "emnist": load_emnist,
    "cifar10": load_cifar10,
    "svhn": load_svhn,
    "celeba": load_celeba,
}
_SCALED = ("celeba",)  # datasets whose images are scaled to `image_shape` when they are read


def dataset_names() -> tuple[str, ...]:
    """The names of datasets that `load_dataset` knows.

    `digits`, `faces`, `glyphs` and the test images of `fashion` are shipped; other images are
    downloaded if they are not on this machine yet.
    """
    return tuple(_LOADERS)


@refusals_as(DatasetError)
def load_dataset(
    name: str | Path,
    split: str = "test",
    progress: Progress | None = None,
    *,
    image_shape: tuple[int, int, int] | None = None,
) -> Dataset:
    """Loads one split of a dataset.

    Args:
        name: one of `dataset_names()`; the name of an import, `NAME` for the newest version or
            `NAME@VERSION`; or the path of a folder or `.zip` of pictures, in class folders or
            with an `attributes.csv` (`file, attribute, …`).
        split: `"train"`, `"test"` (held out), or `"validation"` if the author of a folder made
            one in addition to the test split.
        progress: called with the fraction done, 0…1, and a message, while images are downloaded,
            drawn or checked.
        image_shape: expected shape `(C, H, W)`. Pictures in folders and archives are cropped and
            scaled to it, by default to `(3, 64, 64)`; other datasets must have it.

    Raises:
        DatasetError: if the name or the split is unknown, the shape differs, or the data are
            missing or damaged.
    """
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}; choose train, validation or test.")
    scaled: dict[str, Any] = {} if image_shape is None else {"image_shape": tuple(image_shape)}
    if name in _LOADERS and split == "validation":
        raise DatasetError(f"{name} has no validation split; choose train or test.")
    if name in _LOADERS:
        dataset = _LOADERS[name](split, progress, **(scaled if name in _SCALED else {}))
    elif _is_import(name):
        from ..imports.store import open_import

        dataset = open_import(str(name), split)
    elif is_path(name):
        dataset = load_folder(name, split, progress, **scaled)
    else:
        raise DatasetError(
            f"There is no dataset {str(name)!r}; choose one of {', '.join(dataset_names())}, the "
            "name of an import, or the path of a folder or .zip of pictures."
        )
    if image_shape is not None and dataset.images.shape[1:] != tuple(image_shape):
        raise DatasetError(
            f"Images of {name} are {dataset.images.shape[1:]}; expected {tuple(image_shape)}. "
            "Choose the dataset that the model was made for."
        )
    return dataset


@refusals_as(DatasetError)
def source_stamp(name: str | Path) -> str:
    """A text that changes whenever a dataset or its source does, computed without reading images.

    Args:
        name: name or path, as for `load_dataset`; for a shipped dataset the text is "".

    Raises:
        DatasetError: if the folder or archive cannot be used.
    """
    if _is_import(name):
        from ..imports import find_dataset, source_change

        found = find_dataset(str(name))
        return found.card["content"] + source_change(found)
    return folder_stamp(name) if name not in _LOADERS and is_path(name) else ""


@refusals_as(DatasetError)
def source_fingerprint(name: str | Path) -> str:
    """The `fingerprint` of a dataset, computed without loading it; another if its source changed.

    Raises:
        DatasetError: if the folder or archive cannot be used.
    """
    if _is_import(name):
        return source_stamp(name)
    return folder_fingerprint(name) if name not in _LOADERS and is_path(name) else ""


def _is_import(name: str | Path) -> bool:
    """Whether a name is that of an import, of the present or of a former one."""
    if not isinstance(name, str) or name in _LOADERS or len(Path(name).parts) != 1:
        return False
    if "@" in name:
        return not _exists(Path(name))
    from ..imports.store import list_versions, present_name

    return bool(list_versions(present_name(name)))  # intact or damaged


def is_path(name: str | Path) -> bool:
    """Whether a name of a dataset is the path of a folder or file, there or not."""
    if name in _LOADERS or not str(name).strip():  # "" would be the working folder
        return False
    path = Path(name)
    return _exists(path) or path.suffix.lower() == ".zip" or len(path.parts) > 1


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, or a folder of somebody else's
        return False

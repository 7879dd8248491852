"""Files of named arrays: which of them are images, labels, names and columns."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..datasets.base import DatasetError
from ..datasets.layout import SPLIT_NAMES
from ..files import open_archive
from ..mapped import read_npy_header
from .array_pictures import MAX_NUMBERS, MAX_PICTURES, ArrayLike, ArrayPictures, is_images
from .arrays import as_column
from .source import Column, Source, natural, shown
from .spool import check_unpacked, unpack

__all__ = ["read_npy", "read_npz", "source_of_arrays"]

_IMAGES = ("imgs", "images", "x", "data", "image", "pictures", "arr_0")
_LABELS = ("labels", "label", "y", "targets", "target", "classes_of_images")
_NAMES = ("names", "filenames", "file_names", "files", "ids")
_CLASSES = ("class_names", "label_names", "classes", "categories")
_DSPRITES = ("color", "shape", "scale", "orientation", "posX", "posY")
_SHAPES3D = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
_FACTORS = {  # names of the factors of two known sets, which their files do not hold as text
    ("latents_values", 6): _DSPRITES,
    ("labels", 6): _SHAPES3D,
}
_MOST_COLUMNS = 200
_LARGEST_OTHERS = 200_000_000  # bytes of all arrays that hold no images
_IN_MEMORY = 64 << 20  # bytes of all arrays of a file; others are mapped from a temporary one


def read_npy(path: Path, label: str) -> Source:
    """Reads the images of a `.npy` file, which is mapped into memory.

    Raises:
        DatasetError: if it is damaged or holds no images.
    """
    return source_of_arrays({"images": _open_npy(path, label)}, label)


def read_npz(path: Path, label: str) -> Source:
    """Reads images, labels and columns of a `.npz` file; nothing in it is unpickled.

    Raises:
        DatasetError: if it is damaged or holds no images.
    """
    arrays: dict[str, ArrayLike] = {}
    notices = []
    held = 0  # bytes in memory
    try:
        with open_archive(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
            check_unpacked(total, path.stat().st_size, label)
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                held += member.file_size
                array = _member(archive, member, f"{name} in {label}", held <= _IN_MEMORY)
                if array is None:
                    notices.append(
                        f"{name} holds Python objects, which could run a program: it is not read."
                    )
                else:
                    arrays[name] = array
    except DatasetError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise errors of many types
        raise DatasetError(f"{label} is damaged ({error}). Write it again.") from error
    return source_of_arrays(arrays, label, notices)


def source_of_arrays(
    arrays: Mapping[str, ArrayLike], label: str, notices: Sequence[str] = ()
) -> Source:
    """Makes a source of named arrays.

    Known are `train_images`, `train_labels` … as of MedMNIST, `x_train`, `y_train` …, `imgs` with
    `latents_values` as of dSprites, `images` and `labels`; else the largest array of images.

    Args:
        arrays: arrays by name.
        label: description in messages.
        notices: messages so far.

    Raises:
        DatasetError: if none holds images.
    """
    told = list(notices)
    arrays = _bounded(arrays, label, told)
    parts = _by_split(arrays)
    if not parts:
        name = _images_key(arrays)
        if name is None:
            described = ", ".join(f"{k} {tuple(v.shape)} {v.dtype}" for k, v in arrays.items())
            raise DatasetError(
                f"{label} holds no images. Expected (N, H, W), (N, H, W, C) or (N, C, H, W), with "
                f"one channel or three; found {described or 'nothing'}."
            )
        parts = {None: {"images": name} | _others(arrays, name, told)}
    blocks, names, splits, folders = [], [], [], []
    columns: dict[str, list[Column]] = {}
    counts = [len(arrays[part["images"]]) for part in parts.values()]
    classes = next((_texts(arrays[k]) for k in arrays if k.lower() in _CLASSES), None)
    for (split, part), count in zip(parts.items(), counts, strict=True):
        blocks.append(arrays[part["images"]])
        splits += [split] * count
        digits = len(str(max(count - 1, 0)))
        given = _texts(arrays[part["names"]]) if "names" in part else None
        start = f"{split}/" if split else ""
        names += given or [f"{start}{i:0{digits}d}" for i in range(count)]
        known, more = _labels(arrays, part, count, classes)
        folders += known
        for column in more:
            columns.setdefault(column.name, []).append(column)
    pictures = ArrayPictures(blocks, label)
    told += pictures.notices
    complete = {n: made for n, made in columns.items() if len(made) == len(parts)}
    return Source(
        label,
        pictures,
        names,
        splits,
        folders,
        [_joined(name, made) for name, made in complete.items()],
        told,
    )


def _bounded(arrays: Mapping[str, ArrayLike], label: str, told: list[str]) -> dict[str, ArrayLike]:
    """The arrays that images can be read from one by one, and others that fit into memory."""
    kept: dict[str, ArrayLike] = {}
    left = _LARGEST_OTHERS
    for name, array in arrays.items():
        count = len(array) if array.shape else 1
        numbers = math.prod(array.shape)
        if is_images(array):
            if count > MAX_PICTURES or numbers > count * MAX_NUMBERS:
                raise DatasetError(
                    f"{name} in {label} is {tuple(array.shape)}; expected at most "
                    f"{MAX_PICTURES:,} images, of at most {MAX_NUMBERS:,} numbers each."
                )
        elif (left := left - numbers * array.dtype.itemsize) < 0:
            left += numbers * array.dtype.itemsize
            told.append(f"{name} {tuple(array.shape)} {array.dtype} is too large to be used.")
            continue
        kept[name] = array
    return kept


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, label: str, fits: bool
) -> ArrayLike | None:
    """An array of an archive, mapped from a file if need be; None if it holds Python objects."""
    with archive.open(member) as stream:
        shape, fortran, dtype = read_npy_header(stream)
    if dtype.hasobject:
        return None
    size = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
    if member.file_size < size:
        raise ValueError(f"{label} is shorter than its header says")
    with archive.open(member) as stream:
        if fits:
            return np.lib.format.read_array(stream, allow_pickle=False)
        spool = unpack(stream, member.compress_size, label)
    order: Literal["C", "F"] = "F" if fortran else "C"
    return spool.mapped(dtype, member.file_size - size, shape, order)


def _open_npy(path: Path, label: str) -> ArrayLike:
    try:
        with path.open("rb") as stream:
            shape, fortran, dtype = read_npy_header(stream)
            start = stream.tell()
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which could run a program")
        return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
    except Exception as error:  # numpy raises errors of many types on damaged bytes
        raise DatasetError(
            f"{label} is damaged, or no NumPy array ({error}). Save it again by numpy.save."
        ) from error


def _images_key(arrays: Mapping[str, ArrayLike]) -> str | None:
    fitting = [name for name, array in arrays.items() if is_images(array)]
    known = [n for wanted in _IMAGES for n in fitting if n.lower() == wanted]
    return next(iter(known or sorted(fitting, key=lambda n: -len(arrays[n]))), None)


def _by_split(arrays: Mapping[str, ArrayLike]) -> dict[str | None, dict[str, str]]:
    """Names of images and labels by split, where the arrays' names say so."""
    parts: dict[str | None, dict[str, str]] = {}
    for name in sorted(arrays, key=natural):
        words = name.lower().replace("-", "_").split("_")
        split = next((SPLIT_NAMES[w] for w in words if w in SPLIT_NAMES), None)
        if split is None:
            continue
        rest = {w for w in words if w not in SPLIT_NAMES}
        if is_images(arrays[name]):
            parts.setdefault(split, {})["images"] = name
        elif rest & {*_LABELS}:
            parts.setdefault(split, {})["labels"] = name
        elif rest & {*_NAMES}:
            parts.setdefault(split, {})["names"] = name
    parts = {split: part for split, part in parts.items() if "images" in part}
    return parts if "train" in parts else {}


def _others(arrays: Mapping[str, ArrayLike], images: str, told: list[str]) -> dict[str, Any]:
    """Labels, names and columns beside the images of a file without splits."""
    count, part = len(arrays[images]), {}
    columns = []
    for name, array in arrays.items():
        if name == images or name.lower() in _CLASSES:
            continue
        shape, fits = tuple(array.shape), len(array.shape) > 0 and len(array) == count
        flat = fits and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1))
        wide = fits and len(shape) == 2 and 1 < shape[1] <= _MOST_COLUMNS
        if flat and name.lower() in _LABELS:
            part["labels"] = name
        elif flat and name.lower() in _NAMES:
            part["names"] = name
        elif flat or (wide and name != "latents_classes"):  # dSprites' values as numbers of steps
            columns.append(name)
        else:
            told.append(f"{name} {shape} {array.dtype} is not used.")
    return part | ({"columns": columns} if columns else {})


def _labels(
    arrays: Mapping[str, ArrayLike],
    part: Mapping[str, Any],
    count: int,
    classes: list[str] | None,
) -> tuple[list[str | None], list[Column]]:
    """The class of each image, and columns."""
    nothing: list[str | None] = [None] * count
    columns = [c for name in part.get("columns", ()) for c in _columns(arrays, name, count)]
    if "labels" not in part:
        return nothing, columns
    values = np.asarray(arrays[part["labels"]])
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (count,):
        return nothing, columns + _columns(arrays, part["labels"], count)
    if values.dtype.kind in "SU":
        return [*_texts(values)], columns
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        return nothing, [*columns, as_column("label", values, count)]
    numbers = values.astype(np.int64).tolist()
    if classes and 0 <= min(numbers, default=0) <= max(numbers, default=0) < len(classes):
        return [classes[i] for i in numbers], columns
    return [str(i) for i in numbers], columns


def _columns(arrays: Mapping[str, ArrayLike], name: str, count: int) -> list[Column]:
    """The columns of an array `(N,)` or `(N, K)`."""
    values = np.asarray(arrays[name])
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.ndim == 1 or values.shape[1] == 1:
        return [_column(name, values.reshape(-1), count)]
    width = values.shape[1]
    given = next((_texts(arrays[k]) for k in (f"{name}_names", "latents_names", "factor_names")
                  if k in arrays and len(arrays[k]) == width), None)  # fmt: skip
    titles = given or _FACTORS.get((name, width)) or [f"{name} {j}" for j in range(width)]
    return [_column(titles[j], values[:, j], count) for j in range(width)]


def _column(name: str, values: np.ndarray, count: int) -> Column:
    if values.dtype.kind in "iu" and len(values) and set(np.unique(values).tolist()) == {0, 1}:
        values = values.astype(bool)
    return as_column(name, values, count)


def _joined(name: str, parts: list[Column]) -> Column:
    """A column of all splits."""
    if len(parts) == 1:
        return parts[0]
    if all(part.kind != "category" for part in parts):
        kind = "yes/no" if all(part.kind == "yes/no" for part in parts) else "number"
        return Column(name, kind, np.concatenate([part.values for part in parts]))
    texts = [
        part.categories[int(v)] if v >= 0 else "" for part in parts for v in part.values.tolist()
    ]
    return as_column(name, np.array(texts), len(texts))


def _texts(array: ArrayLike) -> list[str]:
    values = np.asarray(array).reshape(-1).tolist()
    return [shown(v.decode("utf-8", "surrogateescape")) if isinstance(v, bytes) else str(v)
            for v in values]  # fmt: skip

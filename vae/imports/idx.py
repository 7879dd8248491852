"""IDX files, as MNIST and its variants come: `train-images-idx3-ubyte`, also packed with gzip."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import IO

import numpy as np

from ..datasets.base import DatasetError
from .array_files import source_of_arrays
from .source import Source, shown
from .spool import unpack

__all__ = ["is_idx", "read_idx", "read_idx_files"]

_FILE = re.compile(r"(.*?)(train|t10k|test|val)?-?(images|labels)[-.]idx([13])-ubyte(\.gz)?", re.I)
_SPLITS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}


def is_idx(name: str) -> bool:
    """Whether a file has a name as IDX files have."""
    return _FILE.fullmatch(name) is not None


def read_idx(file: Path) -> np.ndarray:
    """Reads the array of an IDX file, `(N,)` or `(N, H, W)` uint8.

    Raises:
        DatasetError: if it is damaged, or of another type.
    """
    label = shown(file.name)
    with file.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    if packed:
        with gzip.open(file, "rb") as stream:
            spool = unpack(stream, file.stat().st_size, label)
        return _parse(spool.file, label)
    with file.open("rb") as stream:
        return _parse(stream, label)


def read_idx_files(files: list[Path], label: str) -> Source:
    """Reads images and labels of MNIST, EMNIST or a set like them.

    Args:
        files: IDX files of one set.
        label: description in messages.

    Raises:
        DatasetError: if they are of several sets, damaged, or images are missing.
    """
    sets: dict[str, dict[str, Path]] = {}
    for file in files:
        found = _FILE.fullmatch(file.name)
        if found:
            split = _SPLITS[(found[2] or "train").lower()]
            kind = found[3].lower()
            sets.setdefault(found[1].strip("-_. "), {})[f"{split}_{kind}"] = file
    if len(sets) > 1:
        raise DatasetError(
            f"{label} holds several sets: {', '.join(sorted(sets))}. Give the file of the images "
            "of one, such as the training images."
        )
    (name, parts), *_ = sets.items()
    arrays = {key: read_idx(file) for key, file in parts.items()}
    notices = []
    if "emnist" in (name + label).lower():  # each of its images is stored column by column
        for key in arrays:
            if key.endswith("_images"):
                arrays[key] = arrays[key].transpose(0, 2, 1)
        notices.append("EMNIST stores images column by column: they were turned upright.")
    if len([key for key in arrays if key.endswith("_images")]) == 1:  # no split of its author
        arrays = {key.partition("_")[2]: array for key, array in arrays.items()}
    return source_of_arrays(arrays, label, notices)


def _parse(stream: IO[bytes], label: str) -> np.ndarray:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != 8 or head[3] not in (1, 3):
        raise DatasetError(
            f"{label} begins with {head.hex(' ') or 'nothing'}; expected an IDX file of bytes: "
            "00 00 08 03 for images, 00 00 08 01 for labels. Fetch it again."
        )
    shape = tuple(int.from_bytes(stream.read(4), "big") for _ in range(head[3]))
    start, count = stream.tell(), int(np.prod(shape, dtype=np.float64))
    stream.seek(0, 2)
    if stream.tell() - start != count:
        raise DatasetError(
            f"{label} is damaged: {stream.tell() - start:,} bytes follow a header that says "
            f"{' × '.join(map(str, shape))}. Fetch it again."
        )
    return np.memmap(stream, np.uint8, "r", start, shape)

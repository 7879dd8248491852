"""MATLAB files, as Street View House Numbers comes: `X` `(H, W, C, N)` and `y` `(N, 1)`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..in_progress import temporary_folder
from .array_files import source_of_arrays
from .hdf5 import read_hdf5
from .reader_process import read_apart
from .source import Source

__all__ = ["read_mat_files"]


def read_mat_files(files: dict[str, Path], label: str) -> Source:
    """Reads images and labels of MATLAB files.

    Args:
        files: files by split, `train` and `test`; or one file under any key.
        label: description in messages.

    Raises:
        DatasetError: if a file is damaged or holds no images.
    """
    arrays: dict[str, np.ndarray] = {}
    for split, file in files.items():
        if len(files) == 1 and _is_hdf5(file):
            return read_hdf5(file, label)
        prefix = f"{split}_" if len(files) > 1 else ""
        arrays |= {f"{prefix}{name}": array for name, array in _read(file, label).items()}
    return source_of_arrays(arrays, label)


def _read(file: Path, label: str) -> dict[str, np.ndarray]:
    with temporary_folder() as folder:
        arrays = _load(file, label, folder)
    for name, array in list(arrays.items()):
        if array.ndim == 2 and array.shape[0] == 1:  # MATLAB knows no arrays of one dimension
            arrays[name] = array.reshape(-1)
        if array.ndim == 4 and array.shape[2] in (1, 3):  # MATLAB counts images last
            arrays[name] = array.transpose(3, 0, 1, 2)
    labels = arrays.get("y")
    if labels is not None and labels.size and set(np.unique(labels)) == set(range(1, 11)):
        arrays["y"] = labels % 10  # SVHN's 10 is the digit 0
    return arrays


def _load(file: Path, label: str, folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, read by a process that a damaged one may crash."""
    names = read_apart("matlab_reader.py", file, folder, label, "MATLAB file")
    return {name: np.load(folder / f"{k}.npy") for k, name in enumerate(names)}


def _is_hdf5(file: Path) -> bool:
    with file.open("rb") as stream:
        return b"MATLAB 7.3" in stream.read(128)

"""HDF5 files, as 3D Shapes comes, and newer MATLAB files; they need the package h5py."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..datasets.base import DatasetError
from .array_files import source_of_arrays
from .source import Source
from .spool import check_unpacked

__all__ = ["read_hdf5"]

_MOST, _DEEPEST = 10_000, 20  # groups and arrays, and groups in each other
_LARGEST_CHUNK = 100_000_000  # bytes, all of which are unpacked where one picture is read


def read_hdf5(path: Path, label: str) -> Source:
    """Reads the arrays of an HDF5 file; images stay in the file until they are imported.

    Raises:
        DatasetError: if h5py is not installed, the file is damaged, or it holds no images.
    """
    try:
        import h5py
    except ImportError:
        raise DatasetError(
            f"{label} is an HDF5 file, which needs the package h5py. Install it: "
            'pip install "latent-space-explorer[hdf5]", or pip install h5py'
        ) from None
    arrays: dict[str, Any] = {}

    try:
        for name, found in _stored(h5py.File(path, "r"), h5py, label):
            if found.dtype.kind in "buifSU" and found.shape:
                _check_stored(found, name, path, label)
                arrays[name] = found
    except DatasetError:
        raise
    except Exception as error:  # h5py raises errors of many types on damaged bytes
        raise DatasetError(f"{label} is damaged ({error}). Fetch it again.") from error
    source = source_of_arrays(arrays, label)
    source.pictures.parallel = False
    return source


def _stored(group: Any, h5py: Any, label: str) -> Iterator[tuple[str, Any]]:
    """All arrays by name; links, which may lead to other files, are not followed."""
    waiting, seen = [(group, 0)], 0
    while waiting:
        group, depth = waiting.pop()
        for name in group:
            seen += 1
            if seen > _MOST or depth > _DEEPEST:
                raise DatasetError(
                    f"{label} holds more than {_MOST:,} groups and arrays, or {_DEEPEST} groups "
                    "in each other. Take the images out of it."
                )
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            found = group[name]
            if isinstance(found, h5py.Dataset):
                yield name, found
            elif isinstance(found, h5py.Group):
                waiting.append((found, depth + 1))


def _check_stored(found: Any, name: str, path: Path, label: str) -> None:
    """Refuses an array that lies in other files, or would unpack to far more than pictures do."""
    if found.external or found.is_virtual:
        raise DatasetError(
            f"{name} in {label} lies in other files, which are not read; expected all in one. "
            "Write it again, with the values in it."
        )
    check_unpacked(found.nbytes, path.stat().st_size, f"{name} in {label}")
    chunk = math.prod(found.chunks or ()) * found.dtype.itemsize
    if chunk > _LARGEST_CHUNK:
        raise DatasetError(
            f"{name} in {label} lies in chunks of {chunk:,} bytes; at most {_LARGEST_CHUNK:,} are "
            "read. Write it again in smaller chunks."
        )

"""HDF5 files, as 3D Shapes comes, and newer MATLAB files; they need the package h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..datasets.base import DatasetError
from .array_files import source_of_arrays
from .source import Source

__all__ = ["read_hdf5"]


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

    def add(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset) and found.dtype.kind in "buifSU" and found.shape:
            arrays[name.rpartition("/")[2]] = found

    try:
        file = h5py.File(path, "r")
        file.visititems(add)  # links to other files are not visited
    except Exception as error:  # h5py raises errors of many types on damaged bytes
        raise DatasetError(f"{label} is damaged ({error}). Fetch it again.") from error
    source = source_of_arrays(arrays, label)
    source.pictures.parallel = False
    return source

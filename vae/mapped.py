"""Arrays that lie in files: the system reads what is looked at, and can have it back."""

from __future__ import annotations

import mmap
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["map_array", "map_npy", "read_npy_header", "release"]

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_lock = threading.Lock()
_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def map_array(file: Path, dtype: np.dtype, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    """Maps an array of a file into memory.

    Args:
        file: path of the file.
        dtype: type of its numbers.
        offset: bytes before the first of them.
        shape: of the array, `(…)`; the last axis varies fastest.

    Returns:
        The array, which reads the file when it is looked at. What is written to it, though nobody
        should, does not reach the file, and is lost with `release`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is empty.
        TypeError: if it is too short.
    """
    with file.open("rb") as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    with _lock:
        _mapped.add(content)
    return np.ndarray(shape, dtype, content, offset)


def map_npy(file: Path) -> np.ndarray:
    """Maps the array `(…)` of an NPY file, as `map_array` does.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such file, or one of objects or of arrays in Fortran's order.
        TypeError: if it is too short.
    """
    with file.open("rb") as stream:
        shape, fortran, dtype = read_npy_header(stream)
        offset = stream.tell()
    if fortran or dtype.hasobject:
        raise ValueError(f"it holds {dtype}; expected numbers, row by row")
    return map_array(file, dtype, offset, shape)


def read_npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Reads the head of an NPY file, after which its numbers follow.

    Args:
        stream: the file, at its beginning.

    Returns:
        The shape `(…)`, whether it is in Fortran's order, and the type.

    Raises:
        ValueError: if it is no such file, or of an unknown version.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"it has version {version} of the format; expected (1, 0) or (2, 0)")
    return _HEADERS[version](stream)


def release() -> None:
    """Gives the system back what was read of mapped files; who looks again reads it again.

    The pages count as the process's own as long as they are mapped, although the system could have
    them at any time: 246 MB of the drawn faces' train images once all are encoded.
    """
    if hasattr(mmap, "MADV_DONTNEED"):
        with _lock:
            mapped = list(_mapped)
        for content in mapped:
            content.madvise(mmap.MADV_DONTNEED)

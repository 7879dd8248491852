"""Choosing the reader of a source."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..datasets.archive import open_source as open_files
from ..datasets.base import DatasetError
from .files import read_files
from .source import Source, shown

__all__ = ["label_of", "open_source", "source_stamp"]


def open_source(path: Path, labels: str | Path | None, follow_links: bool) -> Source:
    """Opens a folder or a file of pictures with the reader of its kind.

    Args:
        path: path of the source.
        labels: path of a table that describes the pictures, or None.
        follow_links: whether to follow links in a folder.

    Raises:
        DatasetError: if there is nothing that can be read.
    """
    if not path.exists():
        raise DatasetError(f"There is no folder or file {shown(str(path))}. Check the path.")
    return read_files(path, _read_labels(labels))


def label_of(path: Path) -> str:
    """A path as messages and cards show it: absolute, so that it is found again."""
    return shown(os.path.abspath(path))


def source_stamp(path: Path, labels: str | Path | None, follow_links: bool) -> str:
    """A text that changes whenever a source does, computed without reading its pictures.

    Args:
        path: path of the source.
        labels: path of a table that describes the pictures, or None.
        follow_links: whether links in a folder are followed.
    """
    digest = hashlib.blake2b(f"{os.path.realpath(path)}\n".encode("utf-8", "surrogateescape"))
    for file in (path, Path(labels) if labels else None):
        if file is None:
            continue
        if file.is_file():
            status = file.stat()
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
            continue
        files = open_files(file)
        names = sorted(files.names())
        for name, number in zip(names, _pairs(files.stamp(names)), strict=True):
            digest.update(f"{name}\0{number}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _read_labels(labels: str | Path | None) -> tuple[str, bytes] | None:
    if labels is None:
        return None
    file = Path(labels)
    try:
        if file.stat().st_size > 64 << 20:
            raise DatasetError(f"{file} has more than {64 << 20:,} bytes; tables are smaller.")
        return file.name, file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}).") from error

"""Choosing the reader of a source."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

from ..datasets.archive import Source as Files
from ..datasets.archive import open_source as open_files
from ..datasets.base import DatasetError
from ..datasets.layout import SPLIT_NAMES
from ..datasets.tar import is_tar
from ..files import read_file
from ..in_progress import temporary_folder
from .array_files import read_npy, read_npz
from .cifar import is_cifar, read_cifar
from .files import is_picture, read_files
from .hdf5 import read_hdf5
from .idx import is_idx, read_idx_files
from .matlab import read_mat_files
from .parquet import read_parquet_files
from .source import Source, shown
from .tables import join_table, parse_table

__all__ = ["label_of", "open_source", "source_stamp"]

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_ARRAYS = (".npz", ".npy", ".h5", ".hdf5", ".parquet", ".mat")


def open_source(path: Path, labels: str | Path | None, follow_links: bool) -> Source:
    """Opens a folder or a file of pictures with the reader of its kind.

    Args:
        path: path of the source.
        labels: path of a table that describes the pictures, or None.
        follow_links: whether to follow links in a folder.

    Raises:
        DatasetError: if there is nothing that can be read.
    """
    label, table = label_of(path), _read_labels(labels)
    if not path.exists():
        raise DatasetError(f"There is no folder or file {label}. Check the path.")
    if path.is_file() and not _is_archive(path):
        if path.name.lower().endswith(_ARCHIVES):
            raise DatasetError(f"{label} is damaged, or no zip or tar archive. Pack it again.")
        if is_idx(path.name):
            return _with_labels(read_idx_files(_idx_beside(path), label), table)
        return _with_labels(_read_arrays([path], label), table)
    files = open_files(path, follow_links=follow_links)
    names = sorted(set(files.names()))
    if any(map(is_picture, names)):
        return read_files(files, table)
    if any(map(is_cifar, names)):
        return _with_labels(read_cifar(names, files.open, label), table)
    arrays = [n for n in names if n.lower().endswith(_ARRAYS) or is_idx(n.rpartition("/")[2])]
    if not arrays:
        packed = [path / n for n in names if n.lower().endswith(_ARCHIVES)]
        if path.is_dir() and len(packed) == 1:
            return open_source(packed[0], labels, follow_links)
        return read_files(files, table)  # which says what is there instead
    with temporary_folder() as folder:
        return _with_labels(_read_arrays(_paths(files, arrays, folder), label), table)


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
        files = open_files(file, follow_links=follow_links)
        names = sorted(files.names())
        pairs = _pairs(files.stamp(names))
        lines = [f"{name}\0{pair}\n" for name, pair in zip(names, pairs, strict=True)]
        digest.update("".join(lines).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _is_archive(path: Path) -> bool:
    if path.suffix.lower() in _ARRAYS or is_idx(path.name):
        return False
    return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path) or is_tar(path)


def _read_arrays(paths: list[Path], label: str) -> Source:
    """Reads files of arrays, which are all of one kind."""
    kinds = {p.suffix.lower() if not is_idx(p.name) else "idx" for p in paths}
    if len(kinds) > 1 or (len(paths) > 1 and kinds & {".npz", ".npy", ".h5", ".hdf5"}):
        raise DatasetError(
            f"{label} holds several files of arrays: "
            f"{', '.join(shown(p.name) for p in paths[:5])}. Give the path of one of them."
        )
    (kind,) = kinds
    if kind == "idx":
        return read_idx_files(paths, label)
    if kind == ".parquet":
        return read_parquet_files(paths, label)
    if kind == ".mat":
        return read_mat_files(_by_split(paths, label), label)
    readers = {".npz": read_npz, ".npy": read_npy, ".h5": read_hdf5, ".hdf5": read_hdf5}
    if kind not in readers:
        raise DatasetError(
            f"{label} is of no kind that is read. Give a folder, a zip or tar of pictures, or a "
            ".npy, .npz, HDF5, Parquet or .mat file, or an IDX file named as MNIST's are, such as "
            "train-images-idx3-ubyte."
        )
    return readers[kind](paths[0], label)


def _by_split(paths: list[Path], label: str) -> dict[str, Path]:
    if len(paths) == 1:
        return {"images": paths[0]}
    found: dict[str, Path] = {}
    for path in paths:
        words = path.stem.lower().replace("-", "_").split("_")
        split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
        if split is None or split in found:
            raise DatasetError(
                f"{label} holds several .mat files; expected one for each of train and test."
            )
        found[split] = path
    return found


def _idx_beside(path: Path) -> list[Path]:
    """The IDX files of the same set in the same folder."""
    start = path.name.lower().partition("images")[0].partition("labels")[0]
    for split in ("train", "t10k", "test"):
        start = start.removesuffix("-").removesuffix(split)
    rest = [p for p in sorted(path.parent.iterdir()) if is_idx(p.name) and p != path]
    return [path, *(p for p in rest if p.name.lower().startswith(start or ("train", "t10k")))]


def _paths(files: Files, names: list[str], folder: Path) -> list[Path]:
    """Paths of files, which are copied out of an archive."""
    if files.path.is_dir():
        paths = [files.path / name for name in names]
        if other := next((path for path in paths if not path.is_file()), None):
            raise DatasetError(f"{label_of(other)} is no regular file. Take it out of the folder.")
        return paths
    paths = []
    for name in names:
        file = folder / name.replace("/", "_")
        with files.open(name) as packed:
            file.write_bytes(packed.read())
        paths.append(file)
    return paths


def _with_labels(source: Source, table: tuple[str, bytes] | None) -> Source:
    if table is not None:
        columns, notices = join_table(parse_table(table[1], table[0]), source.names)
        source.columns += columns
        source.notices += notices
    return source


def _read_labels(labels: str | Path | None) -> tuple[str, bytes] | None:
    if labels is None:
        return None
    file = Path(labels)
    try:
        if file.stat().st_size > 64 << 20:
            raise DatasetError(f"{file} has more than {64 << 20:,} bytes; tables are smaller.")
        return file.name, read_file(file, 64 << 20)
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}).") from error

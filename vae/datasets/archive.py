"""Sources of visitors' pictures: a folder, or a zip archive.

Archives are read in place and never unpacked, so the names in them cannot reach outside.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from .base import DatasetError

__all__ = ["MAX_FILE_BYTES", "Source", "open_source"]

MAX_FILE_BYTES = 64 << 20  # unpacked size of one file
MAX_FILES = 1_000_000
MAX_RATIO = 200  # compression ratio of an archive; that of images is about 1, of bombs about 1,000


class Source(Protocol):
    """A source of files, under names with `/` between folders."""

    path: Path

    def names(self) -> list[str]:
        """The names of all files."""

    def sizes(self, names: Sequence[str]) -> list[int]:
        """The sizes of files in bytes; -1 for a missing file."""

    def stamp(self, names: Sequence[str]) -> list[int]:
        """Numbers that change whenever one of the files does, computed without reading them."""

    def open(self, name: str) -> BinaryIO:
        """Opens a file for reading; raises `DatasetError` if it cannot be read."""

    def label(self, name: str) -> str:
        """The description of a file in messages."""


def open_source(path: Path) -> Source:
    """Opens a folder or a zip archive.

    Raises:
        DatasetError: if there is neither, or the archive has unsafe names or sizes.
    """
    return _Zip(path) if path.is_file() else _Folder(path)


class _Folder:
    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise DatasetError(f"There is no folder or archive {path}. Check the path.")
        self.path = path

    def names(self) -> list[str]:
        files = []
        for folder, _, members in os.walk(self.path):
            inside = folder[len(str(self.path)) :].strip(os.sep).replace(os.sep, "/")
            files += [f"{inside}/{member}" if inside else member for member in members]
            if len(files) > MAX_FILES:
                raise DatasetError(f"{self.path} holds more than {MAX_FILES:,} files.")
        return files

    def sizes(self, names: Sequence[str]) -> list[int]:
        return [size for size, _ in map(self._stat, names)]

    def stamp(self, names: Sequence[str]) -> list[int]:
        return [number for name in names for number in self._stat(name)]

    def _stat(self, name: str) -> tuple[int, int]:
        try:
            status = os.stat(f"{self.path}/{name}")
        except OSError:
            return -1, 0
        return status.st_size, status.st_mtime_ns

    def open(self, name: str) -> BinaryIO:
        file = self.path / name
        try:
            size = file.stat().st_size
            if size <= MAX_FILE_BYTES:
                return file.open("rb")
        except OSError as error:
            raise DatasetError(f"{file} cannot be read ({error.strerror}).") from error
        raise DatasetError(
            f"{file} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read. Make it smaller."
        )

    def label(self, name: str) -> str:
        return str(self.path / name)


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._connect()
        members = [m for m in self._archive.infolist() if not m.is_dir()]
        if len(members) > MAX_FILES:
            raise DatasetError(f"{path} holds {len(members):,} files; at most {MAX_FILES:,} fit.")
        for member in members:
            parts = PurePosixPath(member.filename.replace("\\", "/")).parts
            if not parts or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
                raise DatasetError(
                    f"{path} names a file outside itself: {member.filename!r}. It may have been "
                    "made to do harm: don't use it."
                )
            if member.flag_bits & 1:
                raise DatasetError(f"{path} is encrypted. Pack it again without a password.")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DatasetError(
                    f"{member.filename} in {path} is packed in an uncommon way. Pack the archive "
                    "again with the usual method, deflate."
                )
            if member.file_size > MAX_FILE_BYTES:
                raise DatasetError(
                    f"{member.filename} in {path} unpacks to {member.file_size:,} bytes; at most "
                    f"{MAX_FILE_BYTES:,} are read. Make it smaller."
                )
        unpacked, packed = sum(m.file_size for m in members), path.stat().st_size
        if unpacked > MAX_RATIO * max(packed, 100_000):
            raise DatasetError(
                f"{path} would unpack from {packed:,} to {unpacked:,} bytes, far more than images "
                "do. It may have been made to do harm: don't use it."
            )
        self._members = {m.filename.replace("\\", "/"): m for m in members}

    def _connect(self) -> None:
        try:
            self._archive = zipfile.ZipFile(self.path)
        except Exception as error:  # zipfile raises errors of many types on damaged bytes
            raise DatasetError(
                f"{self.path} is not a zip archive that can be read ({error}). Pack it again."
            ) from error
        self._process = os.getpid()

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_archive": None, "_process": None}

    def names(self) -> list[str]:
        return list(self._members)

    def sizes(self, names: Sequence[str]) -> list[int]:
        return [self._members[name].file_size for name in names]

    def stamp(self, names: Sequence[str]) -> list[int]:
        return [self._members[name].CRC for name in names] + self.sizes(names)

    def open(self, name: str) -> BinaryIO:
        if self._process != os.getpid():  # a forked process would share the file position
            self._connect()
        try:
            with self._archive.open(self._members[name]) as stream:
                # Bounded, because the declared size may be false.
                return io.BytesIO(stream.read(MAX_FILE_BYTES + 1))
        except Exception as error:  # zipfile raises errors of many types on damaged bytes
            raise DatasetError(
                f"{self.label(name)} is damaged ({error}). Pack the archive again."
            ) from error

    def label(self, name: str) -> str:
        return f"{name} in {self.path}"

"""Sources of visitors' pictures: a folder, or a zip or tar archive.

Archives are read in place and never unpacked, so the names in them cannot reach outside.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Protocol

from ..files import open_archive, open_regular
from .base import DatasetError
from .tar import TarFiles, is_tar

__all__ = ["MAX_FILE_BYTES", "Source", "open_source"]

MAX_FILE_BYTES = 64 << 20  # unpacked size of one file
MAX_FILES = 1_000_000  # in a folder
MAX_MEMBERS = 210_000  # in an archive; CelebA has 202,599 pictures
_LONGEST_NAME, _DEEPEST = 1_024, 40  # characters, and folders in each other
_LONGEST_NAMES, _MOST_FOLDERS = 40_000_000, 2_500_000  # of all names in an archive together
MAX_RATIO = 200  # compression ratio of an archive; that of images is about 1, of bombs about 1,000


class Source(Protocol):
    """A source of files, under names with `/` between folders."""

    path: Path
    links: Mapping[str, str]  # where links lead, by name, after `names`
    follows: bool  # whether they are followed

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


def open_source(path: Path, *, follow_links: bool | None = None) -> Source:
    """Opens a folder, or a zip or tar archive.

    Args:
        path: path of the folder or archive.
        follow_links: whether links in a folder are followed. None reads as earlier versions did,
            for runs that name a folder: links to files are followed, and names in archives stay
            as they are.

    Raises:
        DatasetError: if there is neither, or the archive has unsafe names or sizes.
    """
    if not path.is_file():
        return _Folder(path, follow_links)
    if follow_links is not None and not zipfile.is_zipfile(path) and is_tar(path):
        return _Tar(path)
    return _Zip(path, decode_names=follow_links is not None)


class _Folder:
    def __init__(self, path: Path, follow_links: bool | None) -> None:
        if not path.is_dir():
            raise DatasetError(f"There is no folder or archive {path}. Check the path.")
        self.path = path
        self._inside = f"{path}/"
        self._follow = follow_links
        self.follows = follow_links is not False
        self.links: Mapping[str, str] = {}

    def names(self) -> list[str]:
        files: list[str] = []
        links: dict[str, str] = {}
        self.links = links
        entered = {os.path.realpath(self.path)}
        for folder, inner, members in os.walk(self.path, followlinks=bool(self._follow)):
            inside = folder[len(str(self.path)) :].strip(os.sep).replace(os.sep, "/")
            if self._follow is not None:
                with os.scandir(folder) as entries:  # which asks for no file's state
                    linked = {entry.name for entry in entries if entry.is_symlink()}
                for name in linked:
                    real = os.path.realpath(os.path.join(folder, name))
                    links[f"{inside}/{name}" if inside else name] = real
                members = self._without_links(folder, inner, members, linked, entered)
            files += [f"{inside}/{member}" if inside else member for member in members]
            if len(files) > MAX_FILES:
                raise DatasetError(f"{self.path} holds more than {MAX_FILES:,} files.")
        return files

    def _without_links(
        self,
        folder: str,
        inner: list[str],
        members: list[str],
        linked: set[str],
        entered: set[str],
    ) -> list[str]:
        """Takes out links that are not followed, or lead in a circle."""
        inner.sort()
        if not self._follow:
            return [name for name in members if name not in linked]
        for name in list(inner):
            real = os.path.realpath(os.path.join(folder, name))
            if real in entered:
                inner.remove(name)
            entered.add(real)
        return members

    def sizes(self, names: Sequence[str]) -> list[int]:
        return [size for size, _ in map(self._stat, names)]

    def stamp(self, names: Sequence[str]) -> list[int]:
        return [number for name in names for number in self._stat(name)]

    def _stat(self, name: str) -> tuple[int, int]:
        try:
            status = os.stat(self._inside + name)
        except OSError:
            return -1, 0
        return status.st_size, status.st_mtime_ns

    def open(self, name: str) -> BinaryIO:
        file = f"{self.path}/{name}"
        try:
            stream = open_regular(Path(file))
            size = os.fstat(stream.fileno()).st_size
            if size <= MAX_FILE_BYTES:
                return stream
            stream.close()
        except OSError as error:
            raise DatasetError(f"{file} cannot be read ({error.strerror}).") from error
        raise DatasetError(
            f"{file} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read. Make it smaller."
        )

    def label(self, name: str) -> str:
        return str(self.path / name)


class _Tar:
    links: Mapping[str, str] = MappingProxyType({})
    follows = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = TarFiles(path, MAX_MEMBERS)
        _check_names(self._files.members, path)
        self._names = {name.removeprefix("./"): name for name in self._files.members}

    def names(self) -> list[str]:
        return list(self._names)

    def sizes(self, names: Sequence[str]) -> list[int]:
        return [self._files.members[self._names[name]][1] for name in names]

    def stamp(self, names: Sequence[str]) -> list[int]:
        status = self.path.stat()
        return [status.st_mtime_ns, status.st_size]

    def open(self, name: str) -> BinaryIO:
        (size,) = self.sizes([name])
        if size > MAX_FILE_BYTES:
            raise DatasetError(
                f"{self.label(name)} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read. "
                "Make it smaller."
            )
        return io.BytesIO(self._files.read(self._names[name]))

    def label(self, name: str) -> str:
        return f"{name} in {self.path}"


def _check_names(names: Collection[str], path: Path) -> None:
    """Refuses names in an archive that lead outside of it, or are too long, or too many."""
    for name in names:
        _check_inside(name, path)
    characters, folders = sum(map(len, names)), sum(name.count("/") for name in names)
    if characters > _LONGEST_NAMES or folders > _MOST_FOLDERS:
        raise DatasetError(
            f"{path} names its files in {characters:,} characters with {folders:,} folders; "
            f"expected at most {_LONGEST_NAMES:,} and {_MOST_FOLDERS:,}. Pack it again with "
            "shorter names."
        )


def _check_inside(name: str, path: Path) -> None:
    """Refuses a name in an archive that leads outside of it."""
    if len(name) > _LONGEST_NAME or name.count("/") + name.count("\\") > _DEEPEST:
        raise DatasetError(
            f"{path} names a file in {len(name):,} characters: {name[:40]!r}…; expected at most "
            f"{_LONGEST_NAME:,}, and at most {_DEEPEST} folders in each other. Pack it again with "
            "shorter names."
        )
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or name[0] in "/\\" or parts[0].endswith(":"):
        raise DatasetError(
            f"{path} names a file outside itself: {name!r}. It may have been made to do harm: "
            "don't use it."
        )


class _Zip:
    links: Mapping[str, str] = MappingProxyType({})
    follows = False

    def __init__(self, path: Path, decode_names: bool) -> None:
        self.path = path
        self._connect()
        members = [m for m in self._archive.infolist() if not m.is_dir() and not _is_link(m)]
        _check_names([member.filename for member in members], path)
        for member in members:
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
        name_of = _decoded_name if decode_names else (lambda member: member.filename)
        self._members = {name_of(m).replace("\\", "/"): m for m in members}

    def _connect(self) -> None:
        try:
            self._archive = open_archive(self.path, MAX_MEMBERS)
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


def _is_link(member: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(member.external_attr >> 16)


def _decoded_name(member: zipfile.ZipInfo) -> str:
    """The name of a member; many programs write UTF-8 without the flag that says so."""
    if member.flag_bits & 0x800 or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return member.filename

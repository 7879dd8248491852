"""Tar archives: which files are in them, and where each of them lies.

Python's own module needs five times the time for each member, and recursion where headers follow
headers: a small archive could cost it minutes, or all of the stack.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import weakref
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .base import DatasetError

__all__ = ["TarFiles", "is_tar"]

_BLOCK = 512  # bytes; all that is in an archive begins at a multiple of it
_EMPTY = bytes(_BLOCK)  # the end of the archive
_ADLER = 65521  # the low half of Adler-32, begun at 0, is the sum of all bytes modulo this
_FILES, _LONG_NAME = b"0\0" + b"7", b"L"
_SAID = b"xXgLK"  # headers of what is said of the next member, or of all
_WITHOUT_CONTENT = b"123456"  # links, devices and folders
_NAME_OR_SIZE = re.compile(rb"(?:\A|\n)\d+ (path|size)=([^\n]*)")
_LARGEST_RECORD, _LARGEST_RECORDS = 1 << 20, 100 << 20  # bytes of what is said, once and in all
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError)
_PACKED: dict[bytes, Callable[..., Any]] = {  # what opens a file that begins so
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, compressed or not; or one that begins so and is damaged."""
    try:
        return _packing(path) is not None
    except _DAMAGED:
        return True


class TarFiles:
    """The files in a tar archive, never links or devices.

    One that is compressed is unpacked into a temporary file first, no further than it is read.

    Args:
        path: path of the archive.
        most: largest number of members.

    Raises:
        DatasetError: if it is damaged, has more members, or unpacks to far more than pictures do.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._there = path, 0
        try:
            kind = _packing(path)
        except _DAMAGED:
            kind = None
        if kind is None:
            raise DatasetError(f"{path} is damaged. Pack the archive again.")
        if kind is open:
            self._stream: BinaryIO = path.open("rb")
            weakref.finalize(self, self._stream.close)
            self._there = path.stat().st_size
            self._find(most, iter(()))
        else:
            from ..imports.spool import Spool, fill

            self._spool = Spool()
            self._stream = self._spool.file
            with kind(path, "rb") as packed:
                self._find(most, fill(self._spool, packed, path.stat().st_size, str(path)))

    def _find(self, most: int, further: Iterator[int]) -> None:
        """Finds the members, in an archive of which more may come."""
        self._further = further
        try:
            self.members = dict(_members(self._block, most))
        except DatasetError:
            raise
        except (ValueError, OSError) as error:
            raise DatasetError(
                f"{self._path} is damaged ({error}). Pack the archive again."
            ) from error

    def _block(self, start: int, count: int) -> bytes:
        """So many bytes, or fewer at the end."""
        while self._there < start + count and (there := next(self._further, 0)):
            self._there = there
        if start >= self._there:  # however far away
            return b""
        self._stream.seek(start)
        return self._stream.read(count)

    members: dict[str, tuple[int, int]]
    """Where each file begins, and how many bytes it has, by name."""

    def read(self, name: str) -> bytes:
        """The content of a file, from any thread."""
        start, size = self.members[name]
        return os.pread(self._stream.fileno(), size, start)


def _members(
    read: Callable[[int, int], bytes], most: int
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, first byte and size of each file in an archive.

    Args:
        read: gives so many bytes from a place on, or fewer at the end.
        most: largest number of members.

    Raises:
        ValueError: if it is damaged, or has more of anything than is read.
    """
    start, count, headers, said = 0, 0, 0, 0
    name, size = None, None  # that were said of the next member
    while (block := read(start, _BLOCK)) and block != _EMPTY:
        kind, short_name, length = _header(block)
        start += _BLOCK
        headers += 1
        if kind in _SAID:
            said += length
            if length > _LARGEST_RECORD or said > _LARGEST_RECORDS:
                raise ValueError(
                    f"{length:,} bytes are said of a member, or {said:,} in all; at most "
                    f"{_LARGEST_RECORD:,} are read, and {_LARGEST_RECORDS:,} in all"
                )
            record = read(start, length)
            if kind == _LONG_NAME:
                name = record.partition(b"\0")[0]
            elif kind in b"xX":
                found = dict(_NAME_OR_SIZE.findall(record))
                name = found.get(b"path", name)
                size = _whole(found[b"size"], 10) if b"size" in found else size
        else:
            count += 1
            length = length if size is None else size
            name = short_name if name is None else name
            if kind in _FILES and not name.endswith(b"/"):
                yield name.decode("utf-8", "surrogateescape"), (start, length)
            length = 0 if kind in _WITHOUT_CONTENT else length
            name, size = None, None
        if count > most or headers > 2 * most:
            raise ValueError(f"it has more than {most:,} members")
        if length and not read(start + length - 1, 1):
            raise ValueError("it ends amid a member")
        start += -(-length // _BLOCK) * _BLOCK


def _header(block: bytes) -> tuple[bytes, bytes, int]:
    """Kind and name of a member, and how many bytes follow."""
    if len(block) < _BLOCK:
        raise ValueError("it ends amid a header")
    rest = block[:148] + b" " * 8 + block[156:]
    stated, added = _whole(block[148:156], 8), zlib.adler32(rest, 0) & 0xFFFF
    if stated % _ADLER != added:
        signed = sum(rest) - 256 * sum(byte > 127 for byte in rest)
        if stated != signed:
            raise ValueError("a header is none, by its checksum")
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    return block[156:157], name, _whole(block[124:136], 8)


def _whole(field: bytes, base: int) -> int:
    """A whole number: in digits, or, where the first bit says so, in bytes."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    if digits and not (digits.isdigit() and len(digits) < 20):
        raise ValueError(f"{digits[:20]!r} is no number of bytes")
    return int(digits or b"0", base)


def _packing(path: Path) -> Callable[..., Any] | None:
    """What opens a file so that a tar archive is read from it; of one, the first block is read.

    Raises:
        EOFError: if it is packed and damaged; also zlib's and lzma's own errors.
    """
    with path.open("rb") as stream:
        start = stream.read(6)
    kind = next((kind for mark, kind in _PACKED.items() if start.startswith(mark)), open)
    try:
        with kind(path, "rb") as stream:
            block = stream.read(_BLOCK)
        if block != _EMPTY:
            _header(block)
    except (ValueError, OSError):
        return None
    return kind

"""Files: written whole or not at all, and never over somebody else's; read within bounds."""

from __future__ import annotations

import errno
import lzma
import os
import re
import stat
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "DAMAGED_ARCHIVE",
    "OutputError",
    "QuotaError",
    "check_output_file",
    "check_output_folder",
    "explain_refusal",
    "is_full",
    "is_unfinished",
    "new_archive",
    "open_archive",
    "open_regular",
    "read_file",
    "refusals_as",
    "remove_unfinished",
    "write_file",
]

DAMAGED_ARCHIVE = (
    *(OSError, EOFError, KeyError, RuntimeError),  # no such member, or one with a password
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
"""What `zipfile` raises where an archive is damaged, or packed in a way that it does not know."""

_LARGEST_END = 1 << 17  # bytes in which what ends a zip archive begins
_LARGEST_ENTRY = 400  # bytes of an entry in its directory, of all on average
_BINARY = getattr(os, "O_BINARY", 0)
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}\.unfinished")


class OutputError(ValueError):
    """A path that must not be written to; the message says what is there and what to do."""


class QuotaError(OSError):
    """More would be kept than whoever runs the app allows; the message says so."""


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full, a quota used up, or a file too large."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return isinstance(error, OSError) and error.errno in full


def explain_refusal(error: OSError) -> str:
    """A sentence on what the operating system refused, and on what to do."""
    if isinstance(error, QuotaError):
        return str(error)
    if is_full(error):
        return "The disk is full. Free some space, then try again."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"{error.filename or 'A file'} cannot be changed ({error.strerror}). Whoever runs the "
            "app can allow it, or set LATENT_DATA to another folder."
        )
    return f"{error.filename or 'A file'} cannot be used ({error.strerror or error})."


@contextmanager
def refusals_as(kind: type[ValueError]) -> Iterator[None]:
    """Raises what the operating system refuses, in the block or function, as an error of a kind.

    Args:
        kind: error whose message is for visitors.
    """
    try:
        yield
    except OSError as error:
        raise kind(explain_refusal(error)) from error


def open_regular(file: Path) -> BinaryIO:
    """Opens a file for reading; a pipe or a device, on which one could wait for ever, is refused.

    Raises:
        OSError: if it cannot be opened, or is no regular file.
    """
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", str(file))


def read_file(file: Path, most: int = 10_000_000) -> bytes:
    """Reads a file of at most so many bytes.

    Raises:
        OSError: if it cannot be read, is no regular file, or has more bytes.
    """
    with open_regular(file) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EINVAL, f"it has more than {most:,} bytes", str(file))
    return content


def write_file(file: Path, content: bytes) -> None:
    """Writes a file under a temporary name and renames it; its folder is created if missing.

    A process that is killed meanwhile leaves the temporary file, which `remove_unfinished`
    removes.

    Raises:
        OutputError: if the path names a folder.
    """
    if file.is_dir():
        raise OutputError(f"{file} is a folder; expected the name of a file.")
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.unfinished")
    try:
        with temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_archive(file: str | Path) -> Iterator[zipfile.ZipFile]:
    """Opens a new zip archive for writing; the file appears when it is complete.

    Args:
        file: path of a new file, whose folder is created if missing.

    Raises:
        OutputError: if the file exists already, or nothing can be written.
    """
    file = check_output_file(file)
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.unfinished")
    with refusals_as(OutputError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                yield archive
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def open_archive(file: str | Path | BinaryIO, most: int = 1_000) -> zipfile.ZipFile:
    """Opens a zip archive for reading, if it has not too many members: each takes memory and time.

    Args:
        file: path of the archive, or the archive itself.
        most: largest number of members.

    Raises:
        OSError: if it cannot be read; also the others of `DAMAGED_ARCHIVE`.
    """
    if not isinstance(file, str | Path):
        _check_members(file, most)
        return zipfile.ZipFile(file)
    with open(file, "rb") as stream:
        _check_members(stream, most)
    return zipfile.ZipFile(file)


def _check_members(stream: BinaryIO, most: int) -> None:
    """Counts the entries of the directory, which lies before what ends the archive.

    What the end says of their number may be false; where the directory begins, it says in one of
    two records. Of all that look like one, that counts by which the directory is longest.
    """
    size = stream.seek(0, os.SEEK_END)
    tail = _LARGEST_END
    stream.seek(max(size - tail, 0))
    end = stream.read()
    places = [(b"PK\5\6", 12, 4), (b"PK\6\6", 40, 8)]
    for mark, at, width in places:
        for found in re.finditer(re.escape(mark), end):
            start = found.start() + at
            stated = end[start : start + width]
            if stated != b"\xff\xff\xff\xff":  # the other record says it
                tail = max(tail, _LARGEST_END + int.from_bytes(stated, "little"))
    tail = min(tail, size)
    if tail > (most_bytes := _LARGEST_END + most * _LARGEST_ENTRY):
        raise zipfile.BadZipFile(
            f"its directory has {tail:,} bytes; at most {most_bytes:,} are read"
        )
    stream.seek(size - tail)
    count, before = 0, b""
    while part := stream.read(1 << 20):
        count += (before + part).count(b"PK\1\2")
        before = part[-3:]
    if count > most:
        raise zipfile.BadZipFile(f"it has {count:,} members; at most {most:,} are read")
    stream.seek(0)


def is_unfinished(file: Path) -> bool:
    """Whether a file is a temporary file that `write_file` left when its process was killed."""
    return _UNFINISHED.fullmatch(file.name) is not None and file.is_file()


def remove_unfinished(folder: Path, *, but: str = "") -> None:
    """Removes the temporary files that `write_file` left in a folder when its process was killed.

    Args:
        folder: folder that this program created.
        but: name of a file that another process may be writing at this moment.
    """
    for file in folder.glob(".*.unfinished"):
        if is_unfinished(file) and not (but and file.name.startswith(f".{but}.")):
            file.unlink(missing_ok=True)


def check_output_folder(
    folder: str | Path, own: Callable[[Path], bool] = lambda folder: False
) -> Path:
    """Refuses a folder in which files of somebody else could be overwritten; writes nothing.

    Args:
        folder: folder in which several files are to be written.
        own: predicate that is true for a folder that may be written to although it is not empty.

    Raises:
        OutputError: if the name is empty, or names a file or a folder that is neither empty nor
            `own`.
    """
    _check_named(folder)
    folder = Path(folder)
    _check_above(folder)
    if not os.path.lexists(folder):
        return folder
    if not folder.is_dir():
        raise OutputError(f"{folder} is not a folder. Name a new or an empty one.")
    names = sorted(file.name for file in folder.iterdir())
    if not names or own(folder):
        return folder
    if "model.safetensors" in names:
        raise OutputError(
            f"{folder} holds a model already, which would be overwritten. Name a new folder."
        )
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    raise OutputError(
        f"{folder} holds something else: {', '.join(names[:3])}{more}. Name a new or an empty "
        "folder."
    )


def check_output_file(file: str | Path, own: Callable[[Path], bool] = lambda file: False) -> Path:
    """Refuses a path at which a file of somebody else would be overwritten; writes nothing.

    Args:
        file: path of the file that is to be written.
        own: predicate that is true for an existing file that may be replaced.

    Raises:
        OutputError: if the name is empty, or names a folder, an existing file that is not `own`,
            or a file of a model.
    """
    _check_named(file)
    file = Path(file)
    _check_above(file)
    if file.is_dir():
        raise OutputError(f"{file} is a folder. Name a file in it.")
    if os.path.lexists(file) and not own(file):
        raise OutputError(f"{file} exists already and is kept. Name a new file.")
    return file


def _check_named(path: str | Path) -> None:
    if not str(path).strip():
        raise OutputError("There is no name to write to: it is empty. Name a new folder or file.")


def _check_above(path: Path) -> None:
    above = next((p for p in path.parents if os.path.lexists(p)), Path())
    if not above.is_dir():
        raise OutputError(f"{above} is not a folder, so nothing can lie in it. Name another path.")

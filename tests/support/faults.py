"""A disk that is full or must not be written to, for as long as a block lasts."""

from __future__ import annotations

import errno
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["full_disk", "read_only", "tree"]

_CHANGES = {  # audit events, and which of their arguments are paths, each with its folder's number
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.utime": ((0, 3),),
    "os.truncate": ((0, None),),
    "os.symlink": ((1, 2),),
}
_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_closed: list[Path] = []
_hooked: list[bool] = []


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file of this process, and of those it starts, gets more than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in a folder can be written, made, renamed or removed by this process.

    Permissions would not do where the tests run as root, and mounts are not allowed everywhere.
    """
    if not _hooked:
        sys.addaudithook(_refuse)  # there is no way to remove it
        _hooked.append(True)
    _closed.append(folder.resolve())
    try:
        yield
    finally:
        _closed.pop()


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder but locks and tickets, which mean nothing once nobody has them."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".lock" and file.parent.name != "queue"
    }


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not _closed:
        return
    if event == "open":
        path, _, flags = arguments
        if flags & _TO_WRITE and not isinstance(path, int):
            _check(path, None)
    for place, folder in _CHANGES.get(event, ()):
        _check(arguments[place], None if folder is None else arguments[folder])


def _check(path: Any, folder: int | None) -> None:
    if isinstance(path, int):
        return
    name = os.fsdecode(path)
    if folder is not None and folder >= 0:
        name = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
    place = Path(os.path.realpath(os.path.dirname(name)))
    if any(closed == place or closed in place.parents for closed in _closed):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

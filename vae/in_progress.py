"""What is being made, file or folder: it is removed at the end, or after its process was killed.

A locked file beside it says that somebody is at work on it. Left behind and locked by nobody, it
says that the process was killed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .locations import data_folder

__all__ = ["in_progress", "remove_abandoned", "remove_leftovers", "temporary_folder"]

_OURS = re.compile(r"\..*[0-9a-f]{16}\.[a-z]+")


@contextmanager
def in_progress(place: Path) -> Iterator[Path]:
    """Holds a place while a file or a folder is made there, and removes what is there at the end.

    Args:
        place: path that does not exist, in an existing folder; a name with a dot, at least 16
            hexadecimal digits that nobody else draws, and a suffix. What is complete is renamed.

    Yields:
        The place.

    Raises:
        OSError: if nothing can be written there.
    """
    lock = FileLock(f"{place}.lock")
    with lock:
        try:
            yield place
        finally:
            _remove(place)
            Path(lock.lock_file).unlink(missing_ok=True)


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Removes what `in_progress` held in processes that were killed.

    Args:
        folder: folder of this program, which may not exist.
        pattern: names within it, as for `Path.glob`.
    """
    found = set(folder.glob(pattern))
    found |= {lock.with_suffix("") for lock in folder.glob(f"{pattern}.lock")}
    for place in found:
        lock = FileLock(f"{place}.lock")
        if not _OURS.fullmatch(place.name):
            continue
        with contextlib.suppress(Timeout), lock.acquire(timeout=0):  # or somebody is at work
            _remove(place)
            Path(lock.lock_file).unlink(missing_ok=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for what is large and soon gone, in the data folder if that can be written to."""
    with contextlib.ExitStack() as held:
        try:
            place = _temporary()
            place.mkdir(parents=True, exist_ok=True)
            folder = held.enter_context(in_progress(place / f".{uuid.uuid4().hex}.temporary"))
            folder.mkdir()
        except OSError:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        yield folder


def remove_leftovers() -> None:
    """Removes what imports of datasets and models left whose process was killed.

    Raises:
        OSError: if the data folder cannot be written to.
    """
    for name in ("datasets", "checkpoints"):
        remove_abandoned(data_folder() / name, ".*.importing")
    remove_abandoned(_temporary(), ".*.temporary")


def _temporary() -> Path:
    return data_folder() / "temporary"


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)

"""Files that are made for a visitor to download, until they are a day old."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from vae import in_progress
from vae.locations import data_folder

__all__ = ["address_of", "make_file", "remove_abandoned", "served_file"]

_KEPT = 24 * 3600.0  # seconds
_SURE = 3600.0  # seconds in which a file stays even where others need the room
_MOST_TOGETHER = 20_000_000_000  # bytes
_TOKEN = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


def make_file(name: str, make: Callable[[Path], object]) -> Path:
    """Makes a file of that name, under a token that nobody guesses.

    Args:
        name: name of the file.
        make: writes it to a path.

    Returns:
        Its path, once it is complete.

    Raises:
        OSError: if nothing can be written.
    """
    _clean()
    token = secrets.token_hex(16)
    _place().mkdir(parents=True, exist_ok=True)
    with in_progress.in_progress(_place() / f".{token}.making") as unfinished:
        unfinished.mkdir()
        make(unfinished / name)
        unfinished.rename(_place() / token)
    return _place() / token / name


def remove_abandoned() -> None:
    """Removes exports that were killed with an earlier process of the app."""
    in_progress.remove_abandoned(_place(), ".*.making")


def address_of(file: Path) -> str:
    """The address of such a file within the app."""
    return f"/live/downloads/{file.parent.name}/{quote(file.name)}"


def served_file(token: str, name: str) -> Path | None:
    """The file of an address; None where there is none."""
    if not _TOKEN.fullmatch(token) or not _NAME.fullmatch(name):
        return None
    file = _place() / token / name
    return file if file.is_file() else None


def _place() -> Path:
    return data_folder() / "outgoing"


def _clean() -> None:
    """Forgets files of more than a day, and the oldest where all together are too large."""
    together = 0
    for made, folder in sorted(_by_age(), reverse=True):
        together += sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        age = time.time() - made
        if age > _KEPT or (age > _SURE and together > _MOST_TOGETHER):
            shutil.rmtree(folder, ignore_errors=True)


def _by_age() -> Iterator[tuple[float, Path]]:
    for folder in _place().glob("*/"):
        if _TOKEN.fullmatch(folder.name):
            with contextlib.suppress(OSError):  # removed meanwhile
                yield folder.stat().st_mtime, folder

"""Files that a browser has sent, until they are imported: a folder for each visit's upload."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vae import in_progress
from vae.locations import data_folder

__all__ = [
    "LARGEST",
    "MOST_FILES",
    "arrived",
    "clean",
    "counted",
    "files_in",
    "folder_of",
    "is_given",
    "new_token",
    "part_of",
    "remove",
    "remove_abandoned",
    "room",
    "safe_path",
    "source_in",
]

LARGEST = 2_000_000_000  # bytes of one upload
MOST_FILES = 50_000
_MOST_TOGETHER = 8_000_000_000  # bytes of all that wait here
_SPARE = 1_000_000_000  # bytes of the disk that are left alone
_KEPT = 24 * 3600.0  # seconds
_SURE = 3600.0  # seconds in which an upload stays even where others need the room
_MOST_TOKENS = 10_000
_TOKEN = re.compile(r"[0-9a-f]{32}")
_TABLES = (".csv", ".tsv", ".txt")
_LONGEST, _DEEPEST = 200, 8  # of a part of a path, in bytes; of parts
_REST = 20  # times as long as counting took, until files are counted again


_given: dict[str, None] = {}  # tokens, the oldest first


def new_token() -> str:
    """A name that nobody guesses for an upload."""
    token = secrets.token_hex(16)
    _given[token] = None
    for old in list(_given)[:-_MOST_TOKENS]:
        _given.pop(old, None)
    return token


def is_given(token: str) -> bool:
    """Whether the app gave a token to a visitor, or has an upload under it: nobody makes one up.

    So what one visit can bring is bounded by the few tokens that it has.
    """
    folder = folder_of(token)
    return token in _given or (folder is not None and folder.is_dir())


def folder_of(token: str) -> Path | None:
    """The folder of an upload, which may not exist; None for what is no token."""
    return data_folder() / "incoming" / token if _TOKEN.fullmatch(token) else None


def safe_path(name: str) -> Path | None:
    """A file's name, perhaps with folders, as a relative path; None for one that leads away."""
    parts = name.replace("\\", "/").split("/")
    for part in parts:
        fits = 0 < len(part.encode("utf-8", "surrogatepass")) <= _LONGEST
        if not fits or part.startswith(".") or not part.isprintable() or ":" in part:
            return None
    return Path(*parts) if len(parts) <= _DEEPEST else None


def files_in(token: str) -> list[tuple[str, int]]:
    """Names and bytes of the files of an upload that have arrived as a whole."""
    folder = folder_of(token)
    if folder is None or not folder.is_dir():
        return []
    return sorted((f.relative_to(folder).as_posix(), f.stat().st_size) for f in _whole(folder))


@dataclass
class _Tally:
    """Files and bytes of a folder, and until when nobody counts them again."""

    files: int
    bytes: int
    until: float


_tallies: dict[Path, _Tally] = {}
_counting = threading.Lock()


def _tally(folder: Path) -> _Tally:
    """What lies in a folder, and below.

    Each file that comes asks for it, and counting takes longer the more there are. So it takes a
    twentieth of the time; what comes meanwhile is added (`arrived`).
    """
    with _counting:
        start, known = time.monotonic(), _tallies.get(folder)
        if known is not None and start < known.until:
            return known
        sizes = []
        for file in folder.rglob("*"):
            with contextlib.suppress(OSError):  # removed meanwhile
                status = file.stat()
                if stat.S_ISREG(status.st_mode):
                    sizes.append(status.st_size)
        end = time.monotonic()
        _tallies[folder] = _Tally(len(sizes), sum(sizes), end + _REST * (end - start))
        return _tallies[folder]


def counted(token: str) -> tuple[int, int]:
    """About how many files and bytes of an upload have arrived, those on their way included."""
    folder = folder_of(token)
    if folder is None or not folder.is_dir():
        return 0, 0
    tally = _tally(folder)
    return tally.files, tally.bytes


def arrived(token: str, size: int) -> None:
    """Says that a file of so many bytes has arrived."""
    with _counting:
        for folder in (folder_of(token), data_folder() / "incoming"):
            if folder is not None and (tally := _tallies.get(folder)) is not None:
                tally.files += 1
                tally.bytes += size


def source_in(token: str) -> tuple[Path, Path | None] | None:
    """What is imported of an upload, and a table beside it: an archive, or the folder of all.

    Returns:
        None where nothing has arrived.
    """
    folder, names = folder_of(token), [name for name, _ in files_in(token)]
    if folder is None or not names:
        return None
    tables = [name for name in names if name.lower().endswith(_TABLES)]
    others = [name for name in names if name not in tables]
    if len(others) == 1 and "/" not in others[0]:
        return folder / others[0], folder / tables[0] if len(tables) == 1 else None
    return folder, None


def room() -> int:
    """Bytes that may still arrive, 0 or more."""
    place = data_folder() / "incoming"
    place.mkdir(parents=True, exist_ok=True)
    return max(
        0, min(_MOST_TOGETHER - _tally(place).bytes, shutil.disk_usage(place).free - _SPARE)
    )


def remove(token: str) -> None:
    """Forgets an upload."""
    folder = folder_of(token)
    if folder is not None:
        _remove(folder)


def part_of(target: Path) -> Path:
    """Where a file lies until it has arrived as a whole; held by `vae.in_progress`."""
    return target.with_name(f".{secrets.token_hex(8)}.part")


def remove_abandoned() -> None:
    """Removes parts of uploads that were killed with an earlier process of the app."""
    in_progress.remove_abandoned(data_folder() / "incoming", "*/**/.*.part")


def clean() -> None:
    """Forgets uploads that nobody has touched for a day, or for an hour where there is no room."""
    for touched, folder in sorted(_by_age()):
        age = time.time() - touched
        if age > _KEPT or (age > _SURE and room() < LARGEST):
            _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with _counting:
        _tallies.clear()


def _by_age() -> Iterator[tuple[float, Path]]:
    """When each upload was last touched."""
    for folder in (data_folder() / "incoming").glob("*/"):
        if _TOKEN.fullmatch(folder.name):
            with contextlib.suppress(OSError):  # removed meanwhile
                yield folder.stat().st_mtime, folder


def _whole(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.is_file() and not file.name.startswith("."):
            yield file

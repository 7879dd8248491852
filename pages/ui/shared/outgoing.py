"""Files that are made for a visitor to download, until they are a day old."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from pathlib import Path
from urllib.parse import quote

from vae.locations import data_folder

__all__ = ["address_of", "new_file", "served_file"]

_KEPT = 24 * 3600.0  # seconds
_TOKEN = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


def new_file(name: str) -> Path:
    """A place for a file of that name, under a token that nobody guesses."""
    _clean()
    folder = _place() / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder / name


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
    for folder in _place().glob("*/"):
        if _TOKEN.fullmatch(folder.name) and time.time() - folder.stat().st_mtime > _KEPT:
            shutil.rmtree(folder, ignore_errors=True)

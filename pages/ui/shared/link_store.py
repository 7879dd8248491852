"""What does not fit a link, kept in the data folder under a short id, within bounds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

from vae.files import read_file, write_file
from vae.locations import data_folder

__all__ = ["LARGEST", "MOST_KEPT", "keep", "kept"]

MOST_KEPT = 1_000  # the one that was used longest ago goes first
LARGEST = 65_536  # bytes of one


def keep(text: str) -> str | None:
    """Keeps a text.

    Returns:
        Its id, the same for the same text; None for a text that is too long to be kept.
    """
    content = text.encode()
    if len(content) > LARGEST:
        return None
    name = hashlib.sha256(content).hexdigest()[:16]
    file = _folder() / name
    if not file.exists():
        write_file(file, content)
        by_age = sorted(_folder().iterdir(), key=lambda f: f.stat().st_mtime, reverse=True)
        for old in by_age[MOST_KEPT:]:
            old.unlink(missing_ok=True)
    return name


def kept(name: str) -> str | None:
    """The text of an id; None where there is none, or none any more."""
    if not re.fullmatch("[0-9a-f]{16}", name):
        return None
    try:
        text = read_file(_folder() / name, LARGEST).decode()
        with contextlib.suppress(OSError):  # one that somebody else may only read
            os.utime(_folder() / name)
        return text
    except (OSError, UnicodeDecodeError):
        return None


def _folder() -> Path:
    return data_folder() / "links"

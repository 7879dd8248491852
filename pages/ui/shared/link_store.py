"""What does not fit a link, kept in the data folder under a short id."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from vae.files import write_file
from vae.locations import data_folder

__all__ = ["MOST_KEPT", "keep", "kept"]

MOST_KEPT = 1_000  # the one that was kept longest ago goes first


def keep(text: str) -> str:
    """Keeps a text.

    Returns:
        Its id, the same for the same text.
    """
    content = text.encode()
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
        return (_folder() / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _folder() -> Path:
    return data_folder() / "links"

"""How much disk something takes, in words."""

from __future__ import annotations

from pathlib import Path

__all__ = ["folder_size", "size_words"]


def size_words(size: float) -> str:
    """Bytes as visitors read them."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

"""How much disk something takes, in words."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import streamlit as st

from vae.files import QuotaError
from vae.locations import data_folder
from vae.quota import kept_bytes, quota

__all__ = ["folder_size", "show_room", "size_words"]


def size_words(size: float) -> str:
    """Bytes as visitors read them."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def show_room() -> None:
    """Says how much all that is kept takes, how much it may take, and what is free."""
    try:
        most = quota()
    except QuotaError as problem:
        st.error(str(problem))
        return
    allowed = "" if most == math.inf else f" of {size_words(most)} that may be kept here"
    words = f"Models, datasets and runs take {size_words(kept_bytes())}{allowed}"
    place = data_folder()
    if place.is_dir():
        words += f"; {size_words(shutil.disk_usage(place).free)} of the disk are free"
    st.caption(f"{words}.")


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

"""Long lists of the library, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

__all__ = ["choose_page"]

_EACH = 8

Item = TypeVar("Item")


def choose_page(items: Sequence[Item], key: str) -> Sequence[Item]:
    """The items of the page that is chosen; asks for it where there is more than one.

    Args:
        items: all items of a list.
        key: key of the field.
    """
    pages = -(-len(items) // _EACH)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page, 1 to {pages}", 1, pages, key=key, width=140))
    return items[(page - 1) * _EACH : page * _EACH]

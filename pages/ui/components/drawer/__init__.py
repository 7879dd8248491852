"""Closes the drawer of a narrow screen once a page has been chosen; Streamlit leaves it open."""

from __future__ import annotations

from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages

__all__ = ["close_drawer"]

_DRAWER = Component("drawer", Path(__file__).with_name("drawer.js"), messages.DrawerData)


def close_drawer(page: str) -> None:
    """Closes the drawer, on a narrow screen, when the page is another than before.

    Args:
        page: its address.
    """
    _DRAWER.show({"page": page}, key="drawer")

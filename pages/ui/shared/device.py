"""What the visitor's browser runs on."""

from __future__ import annotations

import streamlit as st

__all__ = ["on_a_phone"]


def on_a_phone() -> bool:
    """Whether the browser calls itself a mobile one: its pages are narrow, and it has no keys."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")

"""Addresses of the app."""

from __future__ import annotations

import streamlit as st

__all__ = ["base_path"]


def base_path() -> str:
    """The app's base path without a slash at its end: "" for an app at the root."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""

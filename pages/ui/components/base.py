"""Components of our own: a page's part that runs in the browser and may answer to Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["component"]

_COMMON = Path(__file__).with_suffix(".js")


def component(name: str, *files: Path, isolate_styles: bool = True) -> Callable[..., Any]:
    """Declares a component.

    Args:
        name: by which Streamlit knows it.
        *files: its scripts, after `base.js`; HTML and CSS lie beside the last one.
        isolate_styles: whether it lives in a shadow root.

    Returns:
        A function that shows it: `data` is a dict that JSON can hold, all else is Streamlit's.
    """

    def read(*paths: Path) -> str:
        return "\n".join(path.read_text(encoding="utf-8") for path in paths)

    last = files[-1]
    mount = st.components.v2.component(
        name,
        html=read(last.with_suffix(".html")),
        css=read(last.with_suffix(".css")),
        js=read(_COMMON, *files),
        isolate_styles=isolate_styles,
    )

    def show(*, data: dict[str, Any], **options: Any) -> Any:
        # In a dict Streamlit would look for data frames, and import pandas for it.
        return mount(data=[data], **options)

    return show

"""Long computations with a bar that shows how far they have come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

__all__ = ["with_progress"]


def with_progress(text: str, compute: Callable[[Callable[[float], None]], Any]) -> Any:
    """Runs something long that tells how far it is, and shows that meanwhile."""
    bar = st.progress(0.0, text)
    try:
        return compute(lambda part: bar.progress(min(part, 1.0), text))
    finally:
        bar.empty()

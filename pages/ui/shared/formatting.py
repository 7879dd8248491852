"""How names, numbers and times are written."""

from __future__ import annotations

import numpy as np

from pages.ui.shared.foreign_text import plain

__all__ = [
    "figure_of",
    "mention",
    "milliseconds",
    "nats",
    "option",
    "time_words",
    "verbatim",
    "words",
]


def verbatim(name: str) -> str:
    """A name as `st.selectbox` and `st.multiselect` show it."""
    return plain(name, "text", longest=200)


def words(name: str) -> str:
    """An identifier as a visitor reads it: `long_hair` is "Long hair"."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def mention(name: str) -> str:
    """An identifier within a sentence: `long_hair` is "long hair", and never Markdown."""
    return plain(words(name).lower())


def option(name: str) -> str:
    """An identifier as `st.selectbox` and `st.multiselect` show it, which read no Markdown."""
    return plain(words(name), "text")


def nats(value: float) -> str:
    """A number of nats as it is shown, with a true minus sign."""
    digits = 1 if abs(value) < 1_000 else 0
    return f"{value:,.{digits}f}".replace("-", "−")


def figure_of(value: float) -> str:
    """Three figures, with commas instead of powers of ten."""
    if value == 0:
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    rounded = round(value, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{rounded:,.{digits}f}".replace("-", "−")


def milliseconds(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def time_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3_600:.1f} hours"

"""Addresses of the app, and what they say: anybody can write anything into a link.

Values are checked when a page first reads them. What cannot be used is named in a notice, taken
out of the address, and kept from Streamlit, whose own reading fails on some of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

import streamlit as st

from pages.ui.shared import visitor
from pages.ui.shared.foreign_text import plain

__all__ = [
    "base_path",
    "bind_choice",
    "bind_number",
    "numbers_text",
    "read",
    "read_choice",
    "read_number",
    "read_numbers",
    "write",
    "write_numbers",
]

T = TypeVar("T")
_MOST_NAMED = 6  # options that a notice lists


def base_path() -> str:
    """The app's base path without a slash at its end: "" for an app at the root."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def read(name: str, parse: Callable[[str], T | None], expected: str) -> T | None:
    """Reads a value from the address.

    What cannot be used is named, but only when the page first reads it: from then on its widgets
    write the address, and an option of the last model is nobody's mistake.

    Args:
        name: of the query parameter.
        parse: gives the value of a text, or None where it makes no sense.
        expected: what would make sense, for the notice.

    Returns:
        The value; None where the address has none, several, or none that can be used.
    """
    address = visitor.current().address
    place = (address.page, name)
    first, found = place not in address.read, st.query_params.get_all(name)
    address.read.add(place)
    value = parse(found[0]) if len(found) == 1 and found[0] else None
    if first and found and value is None:
        address.refused.add(place)
        del st.query_params[name]
        if any(found):  # an empty one asks for nothing
            _notice(name, ", ".join(found), expected)
    return value


def read_number(
    name: str, default: float, low: float, high: float, *, whole: bool = False
) -> float | int:
    """Reads a number from the address.

    Args:
        name: of the query parameter.
        default: taken where the address has none, or none that can be used.
        low: the smallest that can be used.
        high: the largest.
        whole: refuses fractions, and gives an int.
    """

    def parse(text: str) -> float | int | None:
        value = _number(text)
        if not low <= value <= high or (whole and value != int(value)):
            return None
        return int(value) if whole else value

    value = read(name, parse, f"a {'whole ' * whole}number from {low:,} to {high:,}")
    return default if value is None else value


def read_numbers(name: str, count: int, low: float, high: float) -> tuple[float, ...] | None:
    """Reads so many numbers with commas between them, each in low…high; None without them."""

    def parse(text: str) -> tuple[float, ...] | None:
        values = tuple(map(_number, text.split(",")))
        usable = len(values) == count and all(low <= value <= high for value in values)
        return values if usable else None

    several = f"{count} numbers with commas between them," if count > 1 else "a number"
    return read(name, parse, f"{several} from {low:,} to {high:,}")


def read_choice(name: str, options: Sequence[str], default: str) -> str:
    """Reads one of several options, as they are shown; the default without one."""
    listed = ", ".join(options[:_MOST_NAMED]) + ", …" * (len(options) > _MOST_NAMED)
    value = read(name, lambda text: text if text in options else None, f"one of {listed}")
    return default if value is None else value


def write(name: str, text: str | None) -> None:
    """Writes a text into the address, where it is not there already; None removes it."""
    if text is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != text:
        st.query_params[name] = text


def write_numbers(name: str, values: Sequence[float] | None) -> None:
    """Writes numbers into the address, so that a link leads to the same place; None removes them.

    Args:
        name: of the query parameter.
        values: three digits after the decimal point are kept.
    """
    write(name, None if values is None else numbers_text(values))


def numbers_text(values: Sequence[float]) -> str:
    """Numbers as `read_numbers` reads them, with three digits after the decimal point."""
    return ",".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in values)


def bind_number(
    name: str, low: float, high: float, *, whole: bool = False
) -> Literal["query-params"] | None:
    """Checks a number in the address; what a widget of that key takes as its `bind`."""
    read_number(name, low, low, high, whole=whole)
    if isinstance(st.session_state.get(name), str):
        del st.session_state[name]  # chosen under this name on another page
    return _bind(name)


def bind_choice(name: str, options: Iterable[str]) -> Literal["query-params"] | None:
    """The same for a widget with options, as they are shown; a toggle has "true" and "false"."""
    read_choice(name, list(options), "")
    return _bind(name)


def _bind(name: str) -> Literal["query-params"] | None:
    # Streamlit keeps the address that a visitor came with, and would read from it again.
    address = visitor.current().address
    return None if (address.page, name) in address.refused else "query-params"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _notice(name: str, found: str, expected: str) -> None:
    st.toast(
        f"This link says {plain(name)} = “{plain(found, longest=40)}”; expected "
        f"{plain(expected, longest=200)}. It is left out.",
        icon=":material/link_off:",
        duration="long",
    )

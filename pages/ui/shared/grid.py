"""Tables on a page, which visitors may take along as CSV: no text in them begins a formula."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.shared.tables import safe_cell

__all__ = ["show_table"]

_NUMBER = re.compile(r"[+-]\d[\d.,]*( ?%| \w+)?", re.ASCII)


def show_table(
    table: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]],
    place: DeltaGenerator | None = None,
    **how: Any,
) -> None:
    """Shows a table without row numbers.

    Streamlit's own button writes as CSV what is shown, so that what a spreadsheet would take for a
    formula gets its apostrophe here.

    Args:
        table: a mapping of each row, or columns by name.
        place: where it is shown; None for the place where the page has come to.
        how: further arguments of `st.dataframe`.
    """
    if isinstance(table, Mapping):
        safe: Any = {
            safe_cell(name): [_safe(cell) for cell in cells] for name, cells in table.items()
        }
    else:
        safe = [{safe_cell(name): _safe(cell) for name, cell in row.items()} for row in table]
    (st if place is None else place).dataframe(safe, hide_index=True, **how)


def _safe(cell: object) -> object:
    return cell if isinstance(cell, str) and _NUMBER.fullmatch(cell) else safe_cell(cell)

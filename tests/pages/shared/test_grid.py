"""No table that a page shows becomes formulas when it is taken along as CSV."""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st

from pages.ui.shared.grid import show_table

PAGES = Path(__file__).resolve().parents[3] / "pages"
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-1,2*3")
TEXTS = ("", "cat", "a=b", "-0.5", "+0.25", "+1.5 %", "-3 dB")


@pytest.mark.parametrize("by_rows", [True, False])
def test_formulas_get_an_apostrophe_and_figures_stay(monkeypatch, by_rows):
    shown = []
    monkeypatch.setattr(st, "dataframe", lambda data, **how: shown.append(data))
    cells = [*FORMULAS, *TEXTS, -1.5, None]
    show_table([{"=a": cell, "b": 1} for cell in cells] if by_rows else {"=a": cells})
    column = pd.DataFrame(shown[0]).iloc[:, 0].tolist()
    assert column[: len(FORMULAS)] == [f"'{text}" for text in FORMULAS]
    assert column[len(FORMULAS) : -1] == [*TEXTS, -1.5]
    assert pd.DataFrame(shown[0]).columns[0] == "'=a"


def test_all_pages_show_their_tables_so():
    grid = PAGES / "ui" / "shared" / "grid.py"
    others = [
        f"{file.relative_to(PAGES)}:{node.lineno}"
        for file in PAGES.rglob("*.py")
        if file != grid
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("dataframe", "data_editor")
    ]
    assert others == []

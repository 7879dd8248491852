"""Curves of a run: what their axes show."""

from __future__ import annotations

import pytest

from pages.ui.train.plots import compared_figure, curve_figure

ROWS = [
    {"epoch": k / 4, "reconstruction": -500 / (k + 1) - 90, "kl": 16 - 15 / (k + 1)}
    | {"heldout_reconstruction": -300 / (k + 1) - 95, "heldout_kl": 1 + k / 3}
    for k in range(40)
]  # fmt: skip


@pytest.mark.parametrize("term", ["reconstruction", "kl"])
def test_no_held_out_curve_is_cut_nor_the_rise_of_the_kl(term):
    figures = [
        (curve_figure(ROWS, term, None, 10), ("held-out", "training")[: 1 + (term == "kl")]),
        (compared_figure({"a run": ROWS}, term), ("a run",)),
    ]
    for figure, whole in figures:
        low, high = figure.layout.yaxis.range
        for curve in figure.data:
            if curve.name in whole:
                assert low <= min(curve.y) and max(curve.y) <= high
        assert (low == 0) == (term == "kl")

"""Disentanglement scores of a card as pages show them."""

from __future__ import annotations

import pytest

from pages.ui.shared.disentanglement import axes_in_words

NAMES = ("mig", "sap", "disentanglement", "completeness", "informativeness", "beta_vae")
SCORES = dict.fromkeys(NAMES, 0.25) | {
    "factors": ["smile", "a*b"],
    "importance": [[0.9, 0.1], [0.5, 0.6], [0, 1], [0, 0]],
}


def card(**changes):
    return {"metrics": {"disentanglement": SCORES | changes}}


def test_an_axis_is_named_after_the_factor_it_serves_most():
    words = axes_in_words(card(), [0, 1, 3, 9])
    assert "z1: smile, 90 %" in words and "z2: a\\*b, 55 %" in words
    assert "z4: no single factor" in words and "z10" not in words
    assert "MIG 0.25" in words


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"metrics": 3},
        {"metrics": {"disentanglement": None}},
        card(mig="high"),
        card(mig=float("nan")),
        card(factors=["smile"]),
        card(importance=[["x", "y"]]),
        card(importance=[1, [2]]),
    ],
)
def test_what_is_absent_or_damaged_is_not_shown(damaged):
    assert axes_in_words(damaged, [0]) == ""

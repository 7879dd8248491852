"""Numbers of nats as they are shown: true to the last digit, and adding up."""

from __future__ import annotations

import math

import pytest

from pages.ui.shared.formatting import bounds_in_words, nats
from vae.bounds import Bounds, Estimate


def number(text: str) -> float:
    return float(text.split("±")[0].replace("−", "-").replace(",", "").strip("≥ "))


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-161.849, 0.003, "−161.8"),
        (-161.849, 0.05, "−161.8"),
        (-161.849, 0.051, "−161.8 ± 0.1"),
        (-73.62, 0.31, "−73.6 ± 0.4"),
        (29161.4, 0.4, "29,161"),
        (29161.4, 1.3, "29,161 ± 2"),
        (-0.04, 0.0, "0.0"),
        (-0.0, 0.0, "0.0"),
        (-1234.5, 0.0, "−1,234"),
    ],
)
def test_the_error_decides_what_is_printed(value, error, text):
    assert nats(value, error) == text


@pytest.mark.parametrize("elbo", [-153.949, -85.366, 29161.5, -999.96, -1003.2, 0.04])
@pytest.mark.parametrize("kl", [7.049, 7.051, 68.5, 0.0])
@pytest.mark.parametrize("error", [0.0, 0.3, 2.0])
def test_what_is_printed_adds_up(elbo, kl, error):
    shown = bounds_in_words(Bounds(kl, Estimate(elbo, error)))
    found = {name: number(text) for name, text in shown.items()}
    assert found["Reconstruction"] - found["KL"] == pytest.approx(found["ELBO"], abs=1e-6)
    unit = 0.1 if abs(elbo) < 1_000 else 1
    assert found["Reconstruction"] == pytest.approx(elbo + kl, abs=unit)
    assert found["ELBO"] == pytest.approx(elbo, abs=unit / 2 + 1e-9)
    assert all(("±" in shown[name]) == (error > unit / 2) for name in ("ELBO", "Reconstruction"))
    assert "±" not in shown["KL"]


@pytest.mark.parametrize("above", [-5.0, -0.3, -0.01, 0.0, 0.04, 0.3, 2.0, 80.0])
@pytest.mark.parametrize("error", [0.0, 0.2, 0.31, 0.32, 1.0])
@pytest.mark.parametrize("elbo", [-85.366, 29161.5])
def test_no_elbo_stands_above_the_evidence(elbo, above, error):
    found = Bounds(7.0, Estimate(elbo, 0.01), Estimate(elbo + above, error))
    shown = bounds_in_words(found)
    assert number(shown["Log evidence"]) >= number(shown["ELBO"])
    assert shown["Log evidence"].startswith("≥") == (
        error**2 > 1 / 10
    )  # an effective sample size below ten


def test_few_draws_prove_a_bound_alone():
    found = Bounds(7.0, Estimate(-120.0, 0.01), Estimate(-80.0, 0.9))
    shown = bounds_in_words(found)["Log evidence"]
    assert shown == "≥ −83"
    least = found.evidence.value - number(shown)
    assert math.exp(-least) <= 0.05  # Markov's inequality


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_called_so(value):
    for found in (
        Bounds(7.0, Estimate(value, 0.1)),
        Bounds(7.0, Estimate(-80.0, 0.1), Estimate(value, 1.0)),
        Bounds(value, Estimate(-80.0, 0.1)),
    ):
        assert set(bounds_in_words(found).values()) == {"not finite"}

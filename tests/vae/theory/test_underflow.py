"""Products and means of likelihoods in floating point."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vae.theory.underflow import average_likelihood, running_products


def test_products_of_probabilities_vanish_and_sums_of_logs_do_not():
    log_p = np.log(np.full(784, 0.5))
    ends = {d: running_products(log_p, d)[-1] for d in (np.float16, np.float32, np.float64)}
    assert ends[np.float16] == 0 and ends[np.float32] == 0
    assert ends[np.float64] == pytest.approx(0.5**784)
    assert running_products(np.tile(log_p, 5), np.float64)[-1] == 0
    assert np.isfinite(log_p.sum())
    first = int((running_products(log_p, np.float32) == 0).argmax())
    smallest = math.log(np.finfo(np.float32).smallest_subnormal)
    assert first * math.log(0.5) == pytest.approx(smallest, rel=0.05)


def test_densities_above_one_overflow_instead():
    log_p = np.full(784, 3.0)
    for dtype in (np.float16, np.float32, np.float64):
        assert running_products(log_p, dtype)[-1] == np.inf
    assert log_p.sum() == 3 * 784


def test_averages_of_likelihoods_need_log_sum_exp():
    log_p = np.array([-800.0, -801.0, -805.0])
    naive, stable = average_likelihood(log_p, np.float64)
    assert naive == -math.inf
    exact = -800 + math.log((1 + math.exp(-1) + math.exp(-5)) / 3)
    assert stable == pytest.approx(exact)
    naive, stable = average_likelihood(log_p + 790, np.float64)
    assert naive == pytest.approx(stable) == pytest.approx(exact + 790)

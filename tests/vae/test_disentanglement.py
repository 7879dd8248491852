"""Scores of representations of which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vae import load_dataset
from vae.datasets import Dataset, Images
from vae.disentanglement import (
    Factor,
    as_report,
    beta_vae_score,
    dci,
    factors_of,
    importance_scores,
    measure,
    mig,
    sap,
)

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (2_000, 3)).astype(float)
FACTORS = [Factor(f"bit {k}", BITS[:, k], False) for k in range(3)]


def test_where_each_dimension_is_a_factor_all_are_one():
    codes = BITS + 1e-3 * RNG.standard_normal(BITS.shape)
    assert mig(codes, FACTORS) == pytest.approx(1, abs=0.02)
    assert sap(codes, FACTORS) == pytest.approx(0.5, abs=0.05)  # chance is half for a bit
    disentanglement, completeness, informativeness, importance = dci(codes, FACTORS)
    assert min(disentanglement, completeness, informativeness) > 0.99
    np.testing.assert_allclose(importance, np.eye(3), atol=0.01)
    assert beta_vae_score(codes, FACTORS, points=200) == 1


def test_a_factor_that_two_dimensions_share_leaves_no_gap():
    codes = np.repeat(BITS, 2, axis=1) + 1e-3 * RNG.standard_normal((2_000, 6))
    assert mig(codes, FACTORS) == pytest.approx(0, abs=0.02)
    assert sap(codes, FACTORS) == pytest.approx(0, abs=0.02)


def test_noise_scores_nothing():
    codes = RNG.standard_normal((2_000, 3))
    assert mig(codes, FACTORS) < 0.02 and sap(codes, FACTORS) < 0.05
    assert dci(codes, FACTORS)[2] < 0.6  # a coin is guessed half of the time
    assert beta_vae_score(codes, FACTORS, points=200) < 0.55


def test_mig_of_two_bits_in_one_dimension_by_hand():
    """One dimension holds 2a + b: it knows all of both, log 2 each, and there is no second."""
    codes = np.stack([2 * BITS[:, 0] + BITS[:, 1], RNG.standard_normal(2_000)], 1)
    assert mig(codes, FACTORS[:2]) == pytest.approx(1, abs=0.03)


def test_scores_of_importances_by_hand():
    assert importance_scores(np.eye(2)) == (1, 1)
    assert importance_scores(np.full((2, 2), 0.5)) == pytest.approx((0, 0))
    # The first dimension serves one factor, the second both alike, and has two thirds of all.
    uneven = np.array([[1.0, 0.0], [1.0, 1.0]])
    disentanglement, completeness = importance_scores(uneven)
    assert disentanglement == pytest.approx(1 / 3)
    assert completeness == pytest.approx(1 / 3)  # the first factor has two, the second one
    assert importance_scores(np.zeros((2, 2))) == (0, 0)


def test_a_number_counts_by_its_correlation():
    values = RNG.standard_normal(3_000)
    factors = [Factor("size", values, True), Factor("turn", RNG.standard_normal(3_000), True)]
    codes = np.stack([values, 0.6 * values + 0.8 * RNG.standard_normal(3_000)], 1)
    # 1 − 0.6² for the size, and nothing for the turn.
    assert sap(codes, factors) == pytest.approx((1 - 0.36) / 2, abs=0.03)
    assert dci(codes[:1_000], [Factor("size", values[:1_000], True)])[2] > 0.99


def test_factors_are_those_that_are_known_of_every_image():
    n = 400
    data = Dataset(
        "own",
        "test",
        Images(torch.zeros(n, 1, 8, 8, dtype=torch.uint8)),
        attributes={
            "size": torch.rand(n),
            "always": torch.ones(n, dtype=torch.bool),
            "partly": torch.tensor([float("nan")] + [1.0] * (n - 1)),
            "left": torch.arange(n) % 2 == 0,
        },
        numbers=frozenset({"size"}),
    )
    found = factors_of(data, np.arange(n))
    assert [(f.name, f.is_number) for f in found] == [("size", True), ("left", False)]
    assert measure(np.zeros((n, 2)), found[:1]) is None
    assert as_report(None) == {"disentanglement": None}


def test_drawn_faces_know_theirs():
    data = load_dataset("faces")
    factors = factors_of(data, np.arange(1_500))
    assert len(factors) == 11
    factors = factors[:3]
    codes = np.stack([f.values for f in factors], 1)
    scores = measure(codes, factors)
    assert scores.mig > 0.7 and scores.disentanglement > 0.95 and scores.beta_vae > 0.95
    report = as_report(scores)["disentanglement"]
    assert len(report["importance"]) == len(report["factors"]) == len(factors)

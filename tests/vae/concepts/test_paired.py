"""Steps that depend on where they start."""

from __future__ import annotations

import numpy as np
import pytest

from vae.concepts.paired import fit_paired_step

RNG = np.random.default_rng(0)


def test_an_affine_step_is_recovered():
    z = RNG.standard_normal((500, 6)) * [3, 1, 1, 0.5, 1, 1]
    weight, bias = RNG.standard_normal((6, 6)) / 3, RNG.standard_normal(6)
    step = fit_paired_step(z[:400], z[:400] + z[:400] @ weight + bias)
    np.testing.assert_allclose(step.at(z[400:]), z[400:] @ weight + bias, atol=0.02)


def test_noise_leaves_the_mean_difference():
    z = RNG.standard_normal((300, 8))
    moved = z + 2 + 3 * RNG.standard_normal(z.shape)
    step = fit_paired_step(z, moved)
    constant = (moved - z).mean(0)
    new = RNG.standard_normal((200, 8))
    assert np.abs(step.at(new) - constant).mean() < 0.5 * np.abs(constant).mean()


def test_pairs_must_match():
    with pytest.raises(ValueError, match="pairs"):
        fit_paired_step(np.zeros((3, 2)), np.zeros((4, 2)))

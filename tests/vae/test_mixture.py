"""A mixture of Gaussians over codes: its draws, its density, which covariances it takes."""

from __future__ import annotations

import numpy as np
import pytest

from vae.mixture import fit_mixture

RNG = np.random.default_rng(0)


def clusters(n: int, slant: float, seed: int = 0) -> np.ndarray:
    """Two clusters ten apart, each drawn out along a diagonal by `slant`."""
    rng = np.random.default_rng(seed)
    at = np.where(rng.random(n) < 0.5, -5.0, 5.0)[:, None] * [1, 0]
    return at + rng.standard_normal((n, 2)) + slant * rng.standard_normal((n, 1))


@pytest.mark.parametrize("kind", ["diag", "full"])
def test_held_out_codes_choose_the_covariance(kind):
    codes = clusters(600, 4.0) if kind == "full" else RNG.standard_normal((300, 15))
    mixture = fit_mixture(codes, parts=2)
    assert mixture.covariance == kind
    draws = mixture.sample(4_000, seed=1)
    assert np.allclose(draws.mean(0), codes.mean(0), atol=0.4)
    assert np.allclose(np.cov(draws.T), np.cov(codes.T), atol=0.2 * np.cov(codes.T).max())


def test_the_density_integrates_to_one_and_is_low_between_clusters():
    mixture = fit_mixture(clusters(600, 0.5), parts=2)
    at = np.linspace(-14, 14, 141)
    plane = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
    assert np.exp(mixture.log_density(plane)).sum() * 0.04 == pytest.approx(1, abs=0.01)
    between, inside = mixture.log_density(np.array([[0.0, 0.0], [5.0, 0.0]]))
    assert inside - between > 4


def test_variances_count_and_a_seed_gives_the_same_draws():
    codes = np.zeros((300, 2))
    mixture = fit_mixture(codes, np.full((300, 2), 4.0), parts=1)
    draws = mixture.sample(3_000, seed=2)
    assert draws.std(0) == pytest.approx([2, 2], rel=0.15)
    assert (mixture.sample(3_000, seed=2) == draws).all()


def test_equal_and_few_codes_are_no_failure():
    for codes in (np.ones((50, 3)), np.ones((2, 3)), np.arange(6.0).reshape(3, 2)):
        assert np.isfinite(fit_mixture(codes).sample(5)).all()
    with pytest.raises(ValueError, match="two codes"):
        fit_mixture(np.ones((1, 3)))

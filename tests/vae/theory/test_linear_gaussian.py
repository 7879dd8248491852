"""Closed forms against torch's distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from vae.theory.linear_gaussian import LinearGaussian


@pytest.mark.parametrize(("slope", "sigma", "x"), [(1.5, 0.7, 2.0), (-0.3, 1.4, -1.0)])
def test_in_the_linear_gaussian_model_the_exact_posterior_leaves_no_gap(slope, sigma, x):
    model = LinearGaussian(slope, sigma)
    mean, width = model.posterior(x)
    reconstruction, kl = model.elbo(x, mean, width)
    assert reconstruction - kl == pytest.approx(model.log_evidence(x), abs=1e-9)
    assert model.gap(x, mean, width) == pytest.approx(0, abs=1e-9)
    for m, s in ((0.0, 1.0), (1.3, 0.2)):
        reconstruction, kl = model.elbo(x, m, s)
        assert reconstruction - kl + model.gap(x, m, s) == pytest.approx(model.log_evidence(x))
        assert model.gap(x, m, s) > 0


def test_the_linear_gaussian_model_is_probabilistic_pca():
    model = LinearGaussian(1.2, 0.5)
    joint = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, 1.2], [1.2, 1.69]]))
    for x in (-2.0, 0.4):
        marginal = Normal(0.0, math.sqrt(1.69)).log_prob(torch.tensor(x)).item()
        assert model.log_evidence(x) == pytest.approx(marginal, abs=1e-6)
        mean, width = model.posterior(x)
        z = torch.tensor(0.7)
        conditional = joint.log_prob(torch.tensor([0.7, x])) - marginal
        assert Normal(mean, width).log_prob(z).item() == pytest.approx(
            conditional.item(), abs=1e-5
        )

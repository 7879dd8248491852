"""Quadrature held against other ways of computing the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from vae import VAE, VAEConfig, elbo, log_evidence
from vae.theory.exact import (
    decode_grid,
    exact_elbo,
    log_posterior,
    posterior_gap,
    true_posterior,
)


def q_of(model, x):
    posterior = model.encoder(x[None])
    return posterior.mean[0], posterior.base_dist.scale[0]


def test_quadrature_agrees_with_a_finer_lattice_and_with_sampling(model, grid, images):
    generator = torch.Generator().manual_seed(0)
    fine = decode_grid(model, steps=201)
    log_joint = fine.log_likelihood(images) + model.prior.log_prob(fine.codes)
    summed = log_joint.logsumexp(1) + 2 * math.log(fine.step)
    sampled = log_evidence(model, images, samples=20_000, generator=generator)
    for k, x in enumerate(images):
        found = true_posterior(grid, x)
        assert found.log_evidence == pytest.approx(summed[k].item(), abs=1e-2)
        assert found.log_evidence == pytest.approx(sampled[k].item(), abs=1.0)
        assert found.mass.sum() == pytest.approx(1, abs=1e-5)
        assert found.density.sum() * grid.step**2 == pytest.approx(1, abs=1e-5)


def test_a_peak_between_the_codes_of_the_lattice_is_found():
    torch.manual_seed(0)
    config = VAEConfig(
        (1, 8, 8), latent_dim=2, likelihood="gaussian_fixed", channels=(), hidden=(16,), sigma=0.01
    )
    model = VAE(config).eval().requires_grad_(False)
    x = model.decoder(torch.tensor([[0.43, -0.27]])).mean[0]
    near = log_posterior(model, x, (0.23, 0.63, -0.47, -0.07), 0.0, steps=161)  # all its mass
    summed = np.logaddexp.reduce(near.ravel()) + 2 * math.log(0.4 / 160)
    for steps in (61, 91):
        found = true_posterior(decode_grid(model, steps=steps), x).log_evidence
        assert found == pytest.approx(summed, abs=0.05)


def test_the_gap_is_the_distance_of_q_from_the_true_posterior(model, grid, images):
    for x in images:
        evidence = true_posterior(grid, x).log_evidence
        own = q_of(model, x)
        for mean, sigma in (own, (torch.tensor([0.3, -0.2]), torch.tensor([0.5, 0.8]))):
            reconstruction, kl = exact_elbo(model, x, mean, sigma, nodes=24)
            gap = posterior_gap(model, x, mean, sigma, evidence, steps=61)
            assert gap > 0
            assert reconstruction - kl + gap == pytest.approx(evidence, abs=0.02 + 0.01 * gap)


def test_the_exact_elbo_is_the_mean_of_the_sampled_one(model, images):
    reconstruction, kl = exact_elbo(model, images[0], *q_of(model, images[0]))
    many = elbo(
        model, images[:1].expand(20_000, -1, -1, -1), generator=torch.Generator().manual_seed(0)
    )
    assert kl == pytest.approx(many.kl[0].item(), rel=1e-5)
    error = many.reconstruction.std().item() / math.sqrt(20_000)
    assert abs(reconstruction - many.reconstruction.mean().item()) < 4 * error + 1e-3


def test_the_window_integrates_to_one_where_it_holds_all(model, grid, images):
    evidence = true_posterior(grid, images[0]).log_evidence
    bounds = (-4.5, 4.5, -4.5, 4.5)
    density = np.exp(log_posterior(model, images[0], bounds, evidence, steps=181))
    assert density.sum() * (9 / 180) ** 2 == pytest.approx(1, abs=0.01)
    rows = log_posterior(model, images[0], (-1, 1, 2, 3), evidence, steps=5)
    z = torch.tensor([[-1.0, 3.0]])  # the first column, the last row
    joint = model.decoder(z).log_prob(images[0]) + model.prior.log_prob(z)
    assert rows[-1, 0] == pytest.approx(joint.item() - evidence, abs=1e-3)


def test_a_lattice_needs_two_dimensions():
    with pytest.raises(ValueError, match="3 latent dimensions"):
        decode_grid(VAE(VAEConfig((1, 8, 8), latent_dim=3, channels=(), hidden=(4,))))


def test_closed_form_kl_of_the_exact_elbo(model, images):
    mean, sigma = torch.tensor([0.4, -1.0]), torch.tensor([0.3, 1.7])
    _, kl = exact_elbo(model, images[0], mean, sigma)
    written = 0.5 * (mean**2 + sigma**2 - (sigma**2).log() - 1).sum().item()
    assert kl == pytest.approx(written, rel=1e-5)
    assert kl == pytest.approx(
        kl_divergence(Independent(Normal(mean, sigma), 1), model.prior).item(), rel=1e-6
    )

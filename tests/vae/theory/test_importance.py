"""The importance-weighted bound against the evidence."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from vae import VAE, VAEConfig, log_evidence
from vae.theory.exact import (
    decode_grid,
    exact_elbo,
    true_posterior,
    uncovered_posterior_mass,
)
from vae.theory.importance import expected_bound, log_weights, running_bound


def test_the_bound_rises_in_expectation_and_never_above_the_evidence(model, grid, images):
    x = images[2]
    generator = torch.Generator().manual_seed(0)
    found = log_weights(model, x, 60_000, generator)
    evidence = true_posterior(grid, x).log_evidence
    levels = [expected_bound(found, k) for k in (1, 3, 10, 30, 100, 300)]
    for (low, _), (high, error) in pairwise(levels):
        assert high > low - 3 * error
    assert levels[-1][0] > levels[0][0]
    assert all(value <= evidence + 4 * error for value, error in levels)
    q = model.encoder(x[None]).base_dist
    reconstruction, kl = exact_elbo(model, x, q.loc[0], q.scale[0])
    assert levels[0][0] == pytest.approx(reconstruction - kl, abs=4 * levels[0][1])


def test_one_run_of_the_bound_may_fall(model, images):
    run = running_bound(log_weights(model, images[0], 500, torch.Generator().manual_seed(0)))
    assert (run.diff() < 0).any()
    direct = torch.logsumexp(
        log_weights(model, images[0], 500, torch.Generator().manual_seed(0)), 0
    )
    assert run[-1].item() == pytest.approx(direct.item() - math.log(500), abs=1e-4)


def test_where_q_misses_a_mode_its_samples_stay_short():
    """A decoder that does not tell z from −z has two modes; q, made narrow, sits on one."""

    class Even(torch.nn.Module):
        def forward(self, z):
            return z.abs()

    torch.manual_seed(3)
    model = VAE(
        VAEConfig((1, 8, 8), latent_dim=2, likelihood="gaussian_fixed", channels=(), hidden=(16,))
    )
    for parameter in model.decoder.parameters():
        parameter.data.mul_(2.5)
    model.decoder.network = torch.nn.Sequential(Even(), *model.decoder.network)
    last = model.encoder.network[-1]
    last.weight.data.zero_()
    at = torch.tensor([1.1, 0.9])
    last.bias.data = torch.cat([at, torch.full((2,), -6.0)])
    model.eval().requires_grad_(False)
    x = model.decoder(at[None]).mean[0]
    grid = decode_grid(model, steps=91)
    evidence = true_posterior(grid, x).log_evidence
    missed = uncovered_posterior_mass(grid, x[None], radius=6)
    assert missed.item() > 0.5  # three of the four mirror images
    short = running_bound(log_weights(model, x, 2_000, torch.Generator().manual_seed(0)))[-1]
    mixture = log_evidence(
        model, x[None], samples=4_000, generator=torch.Generator().manual_seed(0)
    )
    assert evidence - short.item() > 0.5
    assert abs(evidence - mixture.item()) < 0.5 * (evidence - short.item())

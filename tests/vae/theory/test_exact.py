"""What the Learn pages claim, held against other ways of computing it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from vae import VAE, VAEConfig, elbo, log_evidence
from vae.theory.exact import (
    LinearGaussian,
    average_likelihood,
    decode_grid,
    exact_elbo,
    expected_bound,
    gradient_norms,
    log_posterior,
    log_weights,
    missed_mass,
    posterior_gap,
    running_bound,
    running_products,
    true_posterior,
)


@pytest.fixture(scope="module")
def model() -> VAE:
    """A small decoder whose pictures differ from place to place, with a q that fits badly."""
    torch.manual_seed(0)
    built = VAE(VAEConfig((1, 8, 8), latent_dim=2, channels=(), hidden=(16,)))
    for parameter in built.decoder.parameters():
        parameter.data.mul_(3.0)
    return built.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def grid(model):
    return decode_grid(model, steps=37)


@pytest.fixture(scope="module")
def images(model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn((3, 2), generator=generator)
    return torch.bernoulli(model.decoder(z).mean, generator=generator)


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
    reconstruction, kl = exact_elbo(model, x, *q_of(model, x))
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
    assert missed_mass(grid, x[None], radius=6).item() > 0.5  # three of the four mirror images
    short = running_bound(log_weights(model, x, 2_000, torch.Generator().manual_seed(0)))[-1]
    mixture = log_evidence(
        model, x[None], samples=4_000, generator=torch.Generator().manual_seed(0)
    )
    assert evidence - short.item() > 0.5
    assert abs(evidence - mixture.item()) < 0.5 * (evidence - short.item())


def test_a_lattice_needs_two_dimensions():
    with pytest.raises(ValueError, match="3 latent dimensions"):
        decode_grid(VAE(VAEConfig((1, 8, 8), latent_dim=3, channels=(), hidden=(4,))))


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


def test_the_kl_sends_the_decoder_exactly_nothing(model, images):
    norms = gradient_norms(model, images, torch.randn(len(images), 2))
    assert norms["kl", "decoder"] == 0
    assert min(v for k, v in norms.items() if k != ("kl", "decoder")) > 0
    assert not any(p.requires_grad for p in model.parameters()), "the model is left as it was"


def test_gradient_norms_agree_with_a_finite_difference(model, images):
    """A step of the encoder's last bias along the gradient raises the KL as the norm says."""
    norms = gradient_norms(model, images, torch.zeros(len(images), 2))

    def kl_at(bias):
        kept = model.encoder.network[-1].bias.data.clone()
        model.encoder.network[-1].bias.data = bias
        value = kl_divergence(model.encoder(images), model.prior).mean().item()
        model.encoder.network[-1].bias.data = kept
        return value

    bias = model.encoder.network[-1].bias.data.clone()
    step = 1e-2
    slopes = [
        (kl_at(bias + step * e) - kl_at(bias - step * e)) / (2 * step)
        for e in torch.eye(len(bias))
    ]
    assert 0 < math.hypot(*slopes) <= norms["kl", "encoder"] * 1.01


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


def test_closed_form_kl_of_the_exact_elbo(model, images):
    mean, sigma = torch.tensor([0.4, -1.0]), torch.tensor([0.3, 1.7])
    _, kl = exact_elbo(model, images[0], mean, sigma)
    written = 0.5 * (mean**2 + sigma**2 - (sigma**2).log() - 1).sum().item()
    assert kl == pytest.approx(written, rel=1e-5)
    assert kl == pytest.approx(
        kl_divergence(Independent(Normal(mean, sigma), 1), model.prior).item(), rel=1e-6
    )

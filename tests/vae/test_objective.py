import math

import numpy as np
import pytest
import torch
from exact_models import linear_gaussian
from torch.distributions import Independent, Normal

from vae import VAE, VAEConfig, elbo, load_checkpoint, load_dataset, log_evidence
from vae.checkpoint import load_codes
from vae.objective import kl_per_dimension, objective


@pytest.fixture(name="linear_gaussian")
def known():
    return linear_gaussian()


def test_elbo_with_the_exact_posterior_is_the_evidence_on_average(linear_gaussian):
    model, x, evidence = linear_gaussian
    q, prior = model.encoder(x), model.prior
    z = q.rsample((4_000,))
    reconstruction = torch.stack([model.decoder(d).log_prob(x) for d in z])
    kl = elbo(model, x).kl
    torch.testing.assert_close(reconstruction.mean(0) - kl, evidence, atol=0.15, rtol=0)
    # The bound is tight draw by draw once the KL is read at the same draw.
    pointwise = reconstruction[0] - (q.log_prob(z[0]) - prior.log_prob(z[0]))
    torch.testing.assert_close(pointwise, evidence)


@pytest.mark.parametrize("proposal", ["mixture", "posterior"])
def test_log_evidence_approaches_the_closed_form(linear_gaussian, proposal):
    model, x, evidence = linear_gaussian
    estimate = log_evidence(model, x, 400, proposal, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(estimate, evidence, atol=0.3, rtol=0)
    assert (elbo(model, x).elbo <= evidence + 6).all()


def test_log_evidence_does_not_depend_on_chunks(linear_gaussian):
    model, x, _ = linear_gaussian
    whole, parts = (
        log_evidence(model, x[:2], 3_000, generator=torch.Generator().manual_seed(0), chunk=c)
        for c in (3_000, 7)
    )
    torch.testing.assert_close(whole, parts, atol=0.1, rtol=0)


@pytest.mark.parametrize("samples", [1, 3, 6])
def test_the_mean_weight_is_unbiased_for_every_number_of_samples(linear_gaussian, samples):
    """Weights of a mixture are wrong if they count components that no draw came from."""
    model, x, evidence = linear_gaussian
    source = torch.Generator().manual_seed(0)
    many = x[:1].expand(500, -1, -1, -1)
    weights = (log_evidence(model, many, samples, generator=source) - evidence[0]).exp()
    error = weights.std() / math.sqrt(len(weights))
    assert abs(weights.mean() - 1) <= 4 * error + 1e-6
    assert error < 0.1


def test_kl_is_the_written_formula_and_its_monte_carlo_estimate():
    torch.manual_seed(0)
    model = VAE(VAEConfig((1, 8, 8), 3)).double()
    x = torch.rand(5, 1, 8, 8).double()
    q = model.encoder(x)
    mu, variance = q.mean, q.variance
    written = 0.5 * (variance + mu**2 - 1 - variance.log()).sum(-1)
    torch.testing.assert_close(elbo(model, x).kl, written)
    torch.testing.assert_close(kl_per_dimension(q).sum(-1), written)
    z = q.sample((200_000,))
    sampled = (q.log_prob(z) - model.prior.log_prob(z)).mean(0)
    torch.testing.assert_close(sampled, written, atol=0.02, rtol=0)


def test_gradients_of_the_kl_are_those_of_its_values():
    torch.manual_seed(0)
    mean, sigma = torch.randn(4, 3).double(), torch.rand(4, 3).double() + 0.05

    def kl(mean, sigma):
        return kl_per_dimension(Independent(Normal(mean, sigma), 1))

    inputs = (mean.requires_grad_(True), sigma.requires_grad_(True))
    assert torch.autograd.gradcheck(kl, inputs)
    assert torch.autograd.gradgradcheck(kl, inputs)


def test_elbo_keeps_its_meaning_whatever_is_optimised():
    torch.manual_seed(0)
    model = VAE(VAEConfig((1, 8, 8), 3))
    x, eps = model.observe(torch.rand(5, 1, 8, 8)), torch.randn(5, 3)
    plain = objective(model, x, eps)
    for beta in (0.0, 4.0):
        other = objective(model, x, eps, beta=beta)
        torch.testing.assert_close(other.reconstruction, plain.reconstruction)
        torch.testing.assert_close(other.kl, plain.kl)
        expected = (plain.reconstruction - beta * plain.kl).mean()
        torch.testing.assert_close(other.value, expected)
    floor = objective(model, x, eps, free_bits=100.0)
    torch.testing.assert_close(floor.value, plain.reconstruction.mean() - 300)


def test_log_evidence_agrees_with_quadrature_on_digits():
    model, codes = load_checkpoint("digits"), load_codes("digits")
    x = load_dataset("digits", "test").images[:24]
    np.testing.assert_array_equal(codes["index"][:24], np.arange(24))
    assert (codes["log_evidence_error"] < 0.01).all()  # by quadrature, which sampling is not
    truth = torch.from_numpy(codes["log_evidence"][:24])
    estimate = log_evidence(model, x, 300, generator=torch.Generator().manual_seed(0))
    assert (estimate - truth).mean().abs() <= 0.5
    bound = torch.stack([elbo(model, x).elbo for _ in range(20)]).mean(0)
    assert (bound <= truth + 0.5).all()


def test_autoencoder_has_neither_elbo_nor_evidence():
    model = VAE(VAEConfig((1, 8, 8), 3, variational=False))
    for measure in (elbo, log_evidence):
        with pytest.raises(ValueError, match="standard autoencoder"):
            measure(model, torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize("arguments", [{"proposal": "prior"}, {"samples": 0}])
def test_log_evidence_refuses_what_it_cannot_do(arguments):
    with pytest.raises(ValueError, match="expected"):
        log_evidence(VAE(VAEConfig((1, 8, 8), 3)), torch.rand(2, 1, 8, 8), **arguments)


@pytest.mark.parametrize("variational", [True, False])
def test_full_variance_weighting_makes_the_gradient_by_the_mean_that_of_a_fixed_sigma(variational):
    torch.manual_seed(0)
    model = VAE(VAEConfig((1, 8, 8), 3, "gaussian", variational=variational, channels=(4,)))
    last = model.decoder.network[-1]
    torch.nn.init.normal_(last.weight)  # deviations that differ from pixel to pixel
    seen = {}
    last.register_forward_hook(lambda *found: seen.update(raw=found[-1]))
    x, eps = torch.rand(1, 1, 8, 8), torch.randn(1, 3)

    def factors(weighting):
        value = objective(model, x, eps, beta=0.0, variance_weighting=weighting).value
        (gradient,) = torch.autograd.grad(value, seen["raw"])
        mean = torch.sigmoid(seen["raw"][:, :1])
        return (gradient[:, :1] / (mean * (1 - mean) * (x - mean))).detach().flatten()

    even, likely = factors(1.0), factors(0.0)
    torch.testing.assert_close(even / even.mean(), torch.ones(64), atol=1e-3, rtol=0)
    assert likely.max() > 2 * likely.min()

import math

import pytest
import torch
from linear_model import linear_model, network
from torch import nn
from torch.distributions import kl_divergence

from vae.config import LIKELIHOODS
from vae.theory.gradients import (
    ESTIMATORS,
    estimate_gradients,
    gradient_norms,
    pathwise_gradient,
)


@pytest.fixture
def linear():
    return linear_model()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_draw_passes_its_gradient_on_and_finite_differences_agree(likelihood):
    model, x = network(likelihood)
    mean, sigma, noise = torch.randn(3), torch.rand(3) + 0.1, torch.randn(3)
    found = pathwise_gradient(model, x[0], mean, sigma, noise)
    torch.testing.assert_close(found.z, (mean + sigma * noise).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.wrt_mean, found.wrt_z)
    torch.testing.assert_close(found.wrt_sigma, found.wrt_z * noise.double())
    assert found.wrt_z.abs().max() > 1e-3
    assert found.disagreement < 1e-5
    part = pathwise_gradient(model, x[0], mean, sigma, noise, dimensions=(2, 0))
    torch.testing.assert_close(part.finite_mean, found.finite_mean[[2, 0]])
    torch.testing.assert_close(part.finite_sigma, found.finite_sigma[[2, 0]])
    assert model.decoder(torch.zeros(1, 3)).mean.dtype == torch.float32, "the model is left alone"


def test_the_gradient_of_a_linear_model_is_the_written_one(linear):
    model, x, (w, b, s) = linear
    z = torch.tensor([0.3, -1.1]).double()
    found = pathwise_gradient(model, x[0], z, torch.ones(2), torch.zeros(2))
    torch.testing.assert_close(found.wrt_z, w.T @ (x[0].flatten() - w @ z - b) / s**2)
    assert found.wrt_sigma.abs().max() == 0, "without noise, sigma moves nothing"


def test_every_estimator_is_right_on_average(linear):
    model, x, (w, b, s) = linear
    q = model.encoder(x)
    sigma = q.base_dist.scale
    noise = torch.randn(5_000, 5, 2, generator=torch.Generator().manual_seed(1)).double()
    by_mean = (x.flatten(1) - q.mean @ w.T - b) @ w / s**2
    by_sigma = -sigma * (w**2).sum(0) / s**2
    for name in ESTIMATORS:
        found = estimate_gradients(model, x, noise, name)
        for estimates, truth in ((found.mean, by_mean), (found.sigma, by_sigma)):
            error = estimates.std(0) / len(noise) ** 0.5
            assert ((estimates.mean(0) - truth).abs() < 5 * error + 1e-9).all(), name


def test_the_gradient_tells_more_than_the_value(linear):
    model, x, _ = linear
    noise = torch.randn(2_000, 5, 2, generator=torch.Generator().manual_seed(1)).double()
    variance = {e: estimate_gradients(model, x, noise, e).variance() for e in ESTIMATORS}
    assert (variance["score_function"] > 10 * variance["reparameterised"]).all()
    assert (variance["score_function"] > variance["score_function_baseline"]).all()
    assert (variance["score_function_baseline"] > variance["reparameterised"]).all()


def test_a_constant_added_to_the_likelihood_hurts_the_score_function_alone(linear):
    model, x, _ = linear
    noise = torch.randn(500, 5, 2, generator=torch.Generator().manual_seed(1)).double()
    before = {e: estimate_gradients(model, x, noise, e).variance() for e in ESTIMATORS}
    decoder = model.decoder

    class Shifted(nn.Module):
        def forward(self, z):
            p = decoder(z)
            original = p.log_prob
            p.log_prob = lambda value: original(value) - 1_000
            return p

    model.decoder = Shifted()
    after = {e: estimate_gradients(model, x, noise, e).variance() for e in ESTIMATORS}
    assert (after["score_function"] > 2 * before["score_function"]).all()
    for name in ("reparameterised", "score_function_baseline"):
        torch.testing.assert_close(after[name], before[name])


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_detached_draw_leaves_the_encoder_the_kl_alone(likelihood):
    model, x = network(likelihood)
    found = gradient_norms(model, x, torch.randn(4, 3))
    assert found["reconstruction, detached", "encoder"] == 0
    assert found["reconstruction", "encoder"] > 0 < found["kl", "encoder"]
    assert found["reconstruction, detached", "decoder"] == found["reconstruction", "decoder"] > 0


def test_an_unknown_estimator_is_refused():
    model, x = network("bernoulli")
    with pytest.raises(ValueError, match="expected one of repara"):
        estimate_gradients(model, x, torch.randn(2, 4, 3), "magic")


def test_the_kl_sends_the_decoder_exactly_nothing(model, images):
    norms = gradient_norms(model, images, torch.randn(len(images), 2))
    assert norms["kl", "decoder"] == 0
    nothing = {("kl", "decoder"), ("reconstruction, detached", "encoder")}
    assert min(v for k, v in norms.items() if k not in nothing) > 0
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
    gradients = [
        (kl_at(bias + step * e) - kl_at(bias - step * e)) / (2 * step)
        for e in torch.eye(len(bias))
    ]
    assert 0 < math.hypot(*gradients) <= norms["kl", "encoder"] * 1.01

import math

import pytest
import torch
from torch.distributions import ContinuousBernoulli as Clamped

from vae import list_checkpoints, load_checkpoint, load_dataset
from vae.checkpoint import load_card
from vae.config import LIKELIHOODS
from vae.likelihoods import (
    Bernoulli,
    ContinuousBernoulli,
    likelihood,
    observe,
    training_target,
)

LOGITS = [-60.0, -30.0, -3.0, -0.1001, -0.0999, -1e-4, 0.0, 1e-4, 0.05, 0.1, 2.0, 30.0, 60.0]


def grid(n=400_001):
    return torch.linspace(0, 1, n, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bernoulli_agrees_with_torch_in_value_and_gradients(dtype):
    places = [*LOGITS, -5000.0, -100.0, 100.0, 5000.0]
    logits = torch.tensor(places, dtype=dtype).repeat(2).requires_grad_(True)
    x = torch.tensor([0.0, 1.0], dtype=dtype).repeat_interleave(len(places))
    weight = torch.arange(1.0, len(x) + 1, dtype=dtype)
    found = []
    for kind in (Bernoulli, torch.distributions.Bernoulli):
        log_p = kind(logits=logits).log_prob(x)
        (gradient,) = torch.autograd.grad((weight * log_p).sum(), logits, create_graph=True)
        (curvature,) = torch.autograd.grad(gradient.sum(), logits)
        found.append((log_p, gradient, curvature))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=len(x) * torch.finfo(dtype).eps)


def test_gradients_of_the_likelihoods_are_those_of_their_values():
    torch.manual_seed(0)
    logits = (3 * torch.randn(4, 5).double()).requires_grad_(True)
    x = torch.rand(5).double().requires_grad_(True)  # one image for every row

    def log_p(logits, x):
        return ContinuousBernoulli(logits, validate_args=False).log_prob(x)

    assert torch.autograd.gradcheck(log_p, (logits, x))
    assert torch.autograd.gradgradcheck(log_p, (logits, x))


def test_bernoulli_refuses_grey():
    with pytest.raises(ValueError, match="support"):
        Bernoulli(logits=torch.zeros(2)).log_prob(torch.tensor([0.5, 1.0]))


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_is_a_density_with_the_stated_moments(logit):
    x, cb = grid(), ContinuousBernoulli(torch.tensor(logit, dtype=torch.float64))
    density = cb.log_prob(x).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=1e-6)
    mean = torch.trapezoid(density * x, x)
    assert cb.mean.item() == pytest.approx(mean.item(), abs=1e-6)
    variance = torch.trapezoid(density * (x - mean) ** 2, x)
    assert cb.variance.item() == pytest.approx(variance.item(), abs=1e-6)


def test_continuous_bernoulli_agrees_with_torch_where_torch_does_not_clamp():
    logits = torch.linspace(-2, 2, 41, dtype=torch.float64)
    logits = logits[logits.abs() > 0.01]
    ours, theirs = ContinuousBernoulli(logits), Clamped(logits=logits)
    x = torch.rand(len(logits), dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.mean, theirs.mean)


def test_continuous_bernoulli_reaches_black_where_torch_stays_grey():
    assert ContinuousBernoulli(torch.tensor(-30.0)).mean.item() == pytest.approx(1 / 30, abs=1e-6)
    assert ContinuousBernoulli(torch.tensor(-5000.0)).mean < 1e-3


@pytest.mark.parametrize("logit", [-8.0, -0.05, 0.0, 0.05, 3.0, 40.0])
def test_continuous_bernoulli_samples_have_its_moments(logit):
    torch.manual_seed(0)
    cb = ContinuousBernoulli(torch.tensor(logit, requires_grad=True))
    x = cb.rsample((200_000,))
    assert 0 <= x.min() and x.max() <= 1
    assert x.mean().item() == pytest.approx(cb.mean.item(), abs=3e-3)
    assert x.var().item() == pytest.approx(cb.variance.item(), rel=0.03)
    (gradient,) = torch.autograd.grad(x.mean(), cb.logits)
    assert gradient.item() == pytest.approx(cb.variance.item(), rel=0.05)  # dE[x]/dλ = Var[x]


def test_log_prob_refuses_values_outside_the_unit_interval():
    with pytest.raises(ValueError, match="support"):
        ContinuousBernoulli(torch.zeros(2)).log_prob(torch.tensor([0.5, 1.5]))


def test_densities_are_the_written_formulas():
    torch.manual_seed(0)
    raw, x = torch.randn(3, 2, 4, 4, dtype=torch.float64), torch.rand(3, 1, 4, 4).double()
    one, two = raw[:, :1], raw[:, 1:]
    black = (x > 0.5).double()
    p = torch.sigmoid(one)
    written = {
        "bernoulli": black * p.log() + (1 - black) * (1 - p).log(),
        "continuous_bernoulli": x * p.log()
        + (1 - x) * (1 - p).log()
        + (2 * torch.atanh(1 - 2 * p) / (1 - 2 * p)).log(),
        "gaussian_fixed": -0.5 * math.log(2 * math.pi * 0.01) - (x - p) ** 2 / 0.02,
    }
    sigma = 0.02 + torch.sigmoid(two)
    written["gaussian"] = -(
        0.5 * math.log(2 * math.pi) + 0.5 * (sigma**2).log() + (x - p) ** 2 / (2 * sigma**2)
    )
    for name, formula in written.items():
        seen = black if name == "bernoulli" else x
        density = likelihood(name, raw if name == "gaussian" else one, 0.02, 0.1)
        torch.testing.assert_close(density.log_prob(seen), formula.flatten(1).sum(1))


@pytest.mark.parametrize("name", [name for name in LIKELIHOODS if name != "gaussian_fixed"])
def test_no_pixel_has_more_nats_than_a_grey_value_that_is_known(name):
    """Else a model would be rewarded for exactly black pixels above all else."""
    extreme = torch.tensor([-1e7, -300.0, 0.0, 300.0, 1e7])
    raw = extreme.reshape(1, -1, 1, 1).expand(1, -1, 2, 2)
    raw = torch.cat([raw, -raw.abs()], 1) if name == "gaussian" else raw
    p = likelihood(name, raw, 1 / 64, 0.1)
    for grey in (0.0, 1.0):
        x = torch.full(p.mean.shape, grey)
        assert p.base_dist.log_prob(x).max() <= math.log(255) + 1e-4
    assert (p.mean - (raw[:, :5] > 0).float())[:, [0, 4]].abs().max() <= 1 / 255 + 1e-6


def test_of_every_shipped_model_other_pixels_count_as_well():
    """The share of log p(x|z) that exactly black and white pixels have is at most nine tenths."""
    for place in list_checkpoints():
        model = load_checkpoint(place.folder)
        name = str(load_card(place.folder)["dataset"])
        if model.config.likelihood == "bernoulli" or not model.config.variational:
            continue
        x = model.observe(load_dataset(name).images[:100])
        nats = model.decoder(model.encoder(x).mean).base_dist.log_prob(x)
        extreme = nats[(x == 0) | (x == 1)].sum() / nats.sum()
        assert extreme <= 0.9, f"{place.name}: {extreme:.2f}"


def test_what_each_likelihood_sees_of_a_grey_image():
    x, noise = torch.full((1, 1, 400, 400), 0.3), torch.rand(1, 1, 400, 400)
    assert torch.equal(observe("bernoulli", x), torch.zeros_like(x))
    assert torch.equal(observe("gaussian", x), x)
    drawn = training_target("bernoulli", x, noise)
    assert set(drawn.unique().tolist()) == {0, 1} and abs(drawn.mean() - 0.3) < 0.01
    spread = training_target("gaussian", x, noise) - x
    assert spread.abs().max() <= 0.5 / 255 + 1e-6 and spread.std() > 0.25 / 255
    assert torch.equal(training_target("continuous_bernoulli", x, noise), x)

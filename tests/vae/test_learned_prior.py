"""The learned prior: a mixture of posteriors of learned images, checked by quadrature."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.distributions import Independent, Normal

from vae import VAE, ConfigError, VAEConfig, elbo, load_checkpoint, log_evidence, save_checkpoint
from vae.bounds import estimate_elbo, estimate_evidence
from vae.codes import encode
from vae.objective import kl_to_prior, objective
from vae.theory.annealing import annealed_log_weights
from vae.training.config import TrainingConfig
from vae.training.loop import train
from vae.training.start import start_at_images

COMPONENTS = 5


def small(d: int = 2, likelihood: str = "bernoulli") -> VAE:
    torch.manual_seed(2)
    networks = {"channels": (), "hidden": (12,), "prior_components": COMPONENTS}
    model = VAE(VAEConfig((1, 8, 8), d, likelihood, **networks)).eval().requires_grad_(False)
    for parameter in model.encoder.parameters():
        parameter.mul_(1.5)
    model.prior_logits.mul_(3)
    return model


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(4))


def lattice(model: VAE, x: torch.Tensor | None = None) -> tuple[torch.Tensor, float]:
    """Codes of a lattice that covers the prior, or else q of an image, and the area of a cell."""
    parts = model.prior.component_distribution if x is None else model.encoder(x)
    low = (parts.mean - 6 * parts.stddev).amin(0)
    high = (parts.mean + 6 * parts.stddev).amax(0)
    step = 0.06
    axes = [torch.arange(a, b, step) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    return torch.cartesian_prod(*axes), step**2


def test_the_prior_is_a_density_and_the_mean_of_its_posteriors():
    model = small()
    codes, cell = lattice(model)
    density = model.prior.log_prob(codes).exp()
    assert density.sum().item() * cell == pytest.approx(1, abs=1e-3)
    q = model.encoder.of_observed(model.prior_logits.sigmoid())
    torch.testing.assert_close(density, q.log_prob(codes[:, None]).exp().mean(1))


def test_draws_have_the_moments_of_the_prior():
    model = small(3)
    z = model.draw_prior(40_000, torch.Generator().manual_seed(0))
    error = model.prior.stddev / math.sqrt(len(z))
    assert ((z.mean(0) - model.prior.mean).abs() < 4 * error).all()
    torch.testing.assert_close(z.std(0), model.prior.stddev, rtol=0.05, atol=0)


def test_the_kl_is_estimated_without_bias():
    model = small()
    x = images(3)
    posterior = model.encoder(x)
    draws = posterior.sample((20_000,))
    found = kl_to_prior(model, posterior, draws)
    error = (posterior.log_prob(draws) - model.prior.log_prob(draws)).std(0) / math.sqrt(20_000)
    for k, image in enumerate(x.split(1)):
        codes, cell = lattice(model, image)
        log_q = model.encoder(image).log_prob(codes)
        exact = (log_q.exp() * (log_q - model.prior.log_prob(codes))).sum() * cell
        assert abs(found[k] - exact) < 4 * error[k] + 2e-3


@pytest.mark.parametrize("d", [2, 5])
def test_the_elbo_agrees_with_plain_draws(d):
    model, x = small(d), images(1)
    many = elbo(model, x.expand(20_000, -1, -1, -1))
    found = estimate_elbo(model, x[0])
    error = math.hypot(found.elbo.error, (many.elbo.std() / math.sqrt(20_000)).item())
    assert abs(found.elbo.value - many.elbo.mean().item()) < 4 * error
    kl_error = (many.kl.std() / math.sqrt(20_000)).item()
    assert abs(found.kl - many.kl.mean().item()) < 4 * kl_error + 0.05


def test_the_evidence_agrees_with_quadrature_and_lies_above_the_elbo():
    model = small()
    codes, cell = lattice(model)
    for x in images(2):
        joint = model.decoder(codes).log_prob(model.observe(x)) + model.prior.log_prob(codes)
        exact = (joint.double().logsumexp(0) + math.log(cell)).item()
        found = estimate_evidence(model, x)
        assert abs(found.value - exact) < 4 * found.error + 0.01
        simple = log_evidence(model, x[None], 20_000)[0].item()
        assert simple == pytest.approx(exact, abs=0.1)
        assert estimate_elbo(model, x).elbo.value < exact
        weights = annealed_log_weights(model, x, chains=20, temperatures=60)
        annealed = weights.logsumexp(0).item() - math.log(len(weights))
        assert annealed == pytest.approx(exact, abs=0.5)


def test_the_encoders_of_images_and_of_the_prior_train_together():
    model = small().requires_grad_(True)
    x = images(6).round()
    objective(model, x, torch.randn(6, 2)).value.backward()
    assert model.prior_logits.grad.abs().sum() > 0
    before = model.prior.mean.detach().clone()
    with torch.no_grad():
        model.prior_logits += 1
    assert not torch.allclose(model.prior.mean, before)


def test_a_prior_is_remembered_only_while_its_weights_stay():
    model = small()
    first = model.prior
    assert model.prior is first
    other = copy.deepcopy(model)
    other.load_state_dict({k: v + 0.5 for k, v in model.state_dict().items()})
    assert not torch.allclose(other.prior.mean, first.mean)
    assert other.double().prior.mean.dtype == torch.float64


def test_training_starts_at_images_and_makes_the_prior_suit_the_codes(tmp_path):
    config = VAEConfig((1, 8, 8), 2, channels=(), hidden=(12,), prior_components=COMPONENTS)
    torch.manual_seed(0)
    model = VAE(config)
    pixels = (images(40) * 255).to(torch.uint8)
    start_at_images(model, pixels)
    wanted = pixels[[0, 9, 19, 29, 39]].float() / 255
    torch.testing.assert_close(model.prior_logits.sigmoid().detach(), wanted.clamp(0.05, 0.95))
    reports = list(train(model, pixels, TrainingConfig(epochs=30, batch_size=10)))
    assert reports[-1].elbo > reports[0].elbo
    save_checkpoint(model, tmp_path / "model")
    loaded = load_checkpoint(tmp_path / "model")
    torch.testing.assert_close(loaded.prior.mean, model.prior.mean.detach(), rtol=0, atol=0.02)
    kept = loaded.prior_logits.clone()
    start_at_images(loaded, pixels)
    assert torch.equal(loaded.prior_logits, kept), "a trained prior is left as it is"
    codes = encode(loaded, pixels.float() / 255)
    with torch.no_grad():
        q = loaded.encoder(pixels[:1].float() / 255)
        many = kl_to_prior(loaded, q, q.sample((5_000,))).item()
    assert codes["kl"][0] == pytest.approx(many, abs=1)


def test_impossible_settings_are_refused():
    for fields in ({"prior_components": 1}, {"prior_components": 4, "variational": False}):
        with pytest.raises(ConfigError, match=r"prior_components is .*expected"):
            VAEConfig((1, 8, 8), 2, **fields)
    training = train(small(), images(8), TrainingConfig(epochs=1, free_bits=0.1))
    with pytest.raises(ConfigError, match=r"free_bits is 0\.1, but the prior is learned"):
        next(training)


def test_the_closed_form_stays_where_the_prior_is_standard():
    model = VAE(VAEConfig((1, 8, 8), 3, channels=(), hidden=()))
    q = Independent(Normal(torch.ones(1, 3), torch.full((1, 3), 0.5)), 1)
    exact = 3 * (0.5 * (1 + 0.25 - 1) - math.log(0.5))
    assert kl_to_prior(model, q, torch.zeros(1, 3)).item() == pytest.approx(exact)

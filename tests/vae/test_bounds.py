"""Estimates with standard errors: exact where theory is, honest where they are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from exact_models import linear_gaussian
from soak import always

from vae import VAE, VAEConfig, bounds, elbo, load_checkpoint, load_dataset, save_checkpoint
from vae.__main__ import main
from vae.bounds import Bounds, Estimate, estimate_elbo, estimate_evidence
from vae.checkpoint import CheckpointError, load_codes, save_codes
from vae.codes import add_bounds, encode
from vae.theory import exact
from vae.theory.exact import decode_grid, true_posterior


def deep(likelihood: str = "gaussian", d: int = 6) -> VAE:
    torch.manual_seed(2)
    config = VAEConfig((1, 8, 8), d, likelihood, channels=(), hidden=(16,))
    model = VAE(config).eval().requires_grad_(False)
    for parameter in model.decoder.parameters():
        parameter.mul_(1.5)
    return model


@torch.no_grad()
def plain_draws(model: VAE, x: torch.Tensor, count: int, seed: int = 3) -> Estimate:
    """The ELBO as the mean of so many plain draws."""
    posterior = model.encoder(x[None])
    noise = torch.randn(count, model.latent_dim, generator=torch.Generator().manual_seed(seed))
    z = posterior.mean + posterior.base_dist.scale * noise
    found = model.decoder(z).log_prob(model.observe(x[None])).double()
    kl = elbo(model, x[None]).kl.item()
    return Estimate(found.mean().item() - kl, found.std().item() / math.sqrt(count))


def test_where_all_is_gaussian_both_are_exact():
    model, x, evidence = linear_gaussian()
    for image, log_p in zip(x[:4], evidence, strict=False):
        found, sampled = estimate_elbo(model, image), estimate_evidence(model, image)
        assert found.elbo.error < 1e-6 and found.elbo.value == pytest.approx(log_p.item())
        assert abs(sampled.value - log_p.item()) < 4 * sampled.error + 1e-6
        assert sampled.error < 0.05


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "continuous_bernoulli"])
def test_the_elbo_is_the_mean_of_draws_and_its_error_is_true(likelihood):
    model = deep(likelihood)
    x = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1))
    found = estimate_elbo(model, x)
    many = plain_draws(model, x, 20_000)
    assert abs(found.elbo.value - many.value) < 4 * math.hypot(found.elbo.error, many.error)
    assert found.elbo.error < 2 * many.error, "of ten times as many draws, on a rough function"
    assert found.kl == pytest.approx(elbo(model, x[None]).kl.item())


def test_an_error_covers_what_another_rotation_gives():
    """Of many images, the estimates of few rules lie within their errors of those of many."""
    model, source = deep(), torch.Generator().manual_seed(4)
    off = []
    for seed in range(20):
        x = torch.rand(1, 8, 8, generator=source)
        few, many = estimate_elbo(model, x, decodes=0).elbo, plain_draws(model, x, 4_000, seed)
        off.append((few.value - many.value) / math.hypot(few.error, many.error))
    assert 0.5 < np.std(off) < 1.6 and abs(np.mean(off)) < 0.5


def test_in_the_plane_both_agree_with_quadrature():
    model = deep("bernoulli", 2)
    lattice = decode_grid(model, steps=61)
    for seed in range(2):
        x = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(seed)).round()
        truth = true_posterior(lattice, x).log_evidence
        found, sampled = estimate_elbo(model, x), estimate_evidence(model, x, decodes=4_000)
        assert abs(sampled.value - truth) < 4 * sampled.error + 0.01
        many = plain_draws(model, x, 20_000)
        assert found.elbo.value == pytest.approx(many.value, abs=4 * many.error + 0.01)
        assert found.elbo.value < truth


@always("row", [32, 104], [32])
def test_a_mode_of_which_q_knows_nothing_is_found(row):
    """Without it the first is 3 nats too low and the other 27, each with an error below 0.1."""
    x = load_dataset("digits", "test").images[row]
    model = load_checkpoint("digits")
    exact = true_posterior(decode_grid(model), x).log_evidence
    found = estimate_evidence(model, x, decodes=500)
    assert abs(found.value - exact) < 4 * found.error + 0.01
    assert found.effective_sample_size > 50


def test_the_evidence_of_a_face_is_found_where_q_alone_misses_hundreds_of_nats():
    model = load_checkpoint("checkpoints/faces")
    x = load_dataset("faces", "test").images[0]
    found, bound = estimate_evidence(model, x), estimate_elbo(model, x, decodes=0)
    assert not found.is_lower_bound
    assert found.value > bound.elbo.value + 500


def test_few_heavy_weights_make_a_lower_bound():
    assert Estimate(-80.0, 0.9).is_lower_bound and not Estimate(-80.0, 0.1).is_lower_bound
    model = deep("gaussian", 30)
    model.decoder.network[-2].weight.mul_(6)
    found = estimate_evidence(model, torch.rand(1, 8, 8), decodes=0)
    assert math.isfinite(found.value) and found.error >= 0


def test_without_a_curvature_q_has_to_do(monkeypatch):
    def not_finite(log_joint, z):
        raise torch.linalg.LinAlgError("the input contains non-finite values")

    x = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1))
    known = estimate_evidence(deep("bernoulli"), x)
    monkeypatch.setattr(bounds, "_root", not_finite)
    found = estimate_evidence(deep("bernoulli"), x, decodes=10_000)
    assert abs(found.value - known.value) < 4 * math.hypot(found.error, known.error)


def test_the_same_image_has_the_same_figures():
    model = deep()
    first, second = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert estimate_elbo(model, first) == estimate_elbo(model, first.clone())
    assert estimate_evidence(model, first) == estimate_evidence(model, first.clone())
    assert estimate_elbo(model, first) != estimate_elbo(model, second)
    assert isinstance(estimate_elbo(model, first), Bounds)


def test_a_standard_autoencoder_has_neither():
    model = VAE(VAEConfig((1, 8, 8), 2, variational=False))
    for estimate in (estimate_elbo, estimate_evidence):
        with pytest.raises(ValueError, match="standard autoencoder"):
            estimate(model, torch.rand(1, 8, 8))


def test_who_waits_no_longer_ends_an_estimate():
    def gone() -> None:
        raise InterruptedError

    for estimate in (estimate_elbo, estimate_evidence):
        with pytest.raises(InterruptedError):
            estimate(deep(), torch.rand(1, 8, 8), tell=gone)


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(1)
    model = VAE(VAEConfig((1, 28, 28), 2, channels=(8,), hidden=(16,)))
    folder = save_checkpoint(model, tmp_path / "plane", {"dataset": "digits", "split": "test"})
    model = load_checkpoint(folder)
    images = load_dataset("digits", "test").images
    codes = encode(model, images, limit=5) | {"tsne": np.random.rand(5, 2)}
    save_codes(folder, codes)
    return folder


def test_the_command_adds_bounds_and_goes_on_where_it_ended(checkpoint, monkeypatch):
    monkeypatch.setattr(exact, "_NEGLIGIBLE", ())  # a lattice is fine enough for so flat a model
    before = load_codes(checkpoint)
    assert main(["bounds", str(checkpoint), "--images", "2", "--quadrature"]) == 0
    half = load_codes(checkpoint)
    assert half["elbo_error"][1] >= 0 > half["elbo_error"][2]
    assert half["elbo"][4] == before["elbo"][4]
    half["elbo"][0] = -1
    save_codes(checkpoint, half)
    assert main(["bounds", str(checkpoint), "--decodes", "500", "--elbo-only"]) == 0
    elbo = load_codes(checkpoint)
    assert (elbo["elbo_error"] >= 0).all()
    assert np.array_equal(elbo["log_evidence_error"], half["log_evidence_error"])
    assert main(["bounds", str(checkpoint), "--decodes", "500"]) == 0
    whole = load_codes(checkpoint)
    assert whole["elbo"][0] == -1, "what is known is left as it is"
    assert (whole["log_evidence_error"] >= 0).all()
    assert (whole["log_evidence"][1:] > whole["elbo"][1:]).all()
    for name in ("mean", "variance", "index", "tsne", "kl"):
        assert np.array_equal(whole[name], before[name])


def test_the_command_says_what_it_cannot_do(checkpoint, capsys):
    (checkpoint / "codes.safetensors").unlink()
    assert main(["bounds", str(checkpoint)]) == 2
    assert "codes.safetensors" in capsys.readouterr().err
    with pytest.raises(CheckpointError):
        add_bounds(load_checkpoint(checkpoint), checkpoint, load_dataset("digits", "test"))

"""Annealed importance sampling against a closed form, and against the estimates of the cards."""

from __future__ import annotations

import math

import pytest
import torch
from exact_models import linear_gaussian

from vae import VAE, VAEConfig, load_checkpoint, load_dataset
from vae.bounds import estimate_evidence
from vae.theory.annealing import annealed_log_weights


def estimate(log_w: torch.Tensor) -> float:
    return log_w.logsumexp(0).item() - math.log(len(log_w))


def test_it_finds_the_evidence_of_a_linear_gaussian_model_from_the_prior_alone():
    model, x, evidence = linear_gaussian()
    model.encoder = None  # it must not be asked
    shares: list[float] = []
    for image, log_p in zip(x[:1], evidence, strict=False):
        found = estimate(annealed_log_weights(model, image, 32, 120, progress=shares.append))
        assert found == pytest.approx(log_p.item(), abs=0.25)
    assert shares[-1] == 1 and sorted(shares) == shares


def test_a_standard_autoencoder_has_none():
    with pytest.raises(ValueError, match="standard autoencoder"):
        annealed_log_weights(VAE(VAEConfig((1, 8, 8), 2, variational=False)), torch.rand(1, 8, 8))


@pytest.mark.soak
def test_evidence_in_16_dimensions_is_within_half_a_nat_of_it():
    model = load_checkpoint("checkpoints/digits-16")
    off = []
    for image in load_dataset("digits").images[:8]:
        annealed = estimate(annealed_log_weights(model, image, 16, 2_000))
        off.append(estimate_evidence(model, image, decodes=500).value - annealed)
    assert abs(sum(off) / len(off)) <= 0.5 and max(map(abs, off)) <= 1.5

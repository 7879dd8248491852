"""Measures of samples, on clouds of which the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vae import VAE, VAEConfig, load_dataset
from vae.classifier import load_classifier
from vae.sample_quality import MEASURES, compare_samples, measure_samples


def test_they_tell_blur_from_collapse():
    torch.manual_seed(0)
    real, same = torch.randn(2, 400, 4)
    alike = compare_samples(real, same)
    assert min(alike.precision, alike.recall, alike.coverage) > 0.8
    assert alike.density == pytest.approx(1, abs=0.15)
    one_mode = compare_samples(real, 0.02 * torch.randn(400, 4))
    assert one_mode.precision > 0.9 and one_mode.recall < 0.2 and one_mode.coverage < 0.2
    assert compare_samples(real, 4 * torch.randn(400, 4)).precision < 0.5
    far = compare_samples(real, real + 50)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_a_constant_wins_precision_and_loses_coverage():
    torch.manual_seed(1)
    real = torch.randn(300, 8)
    constant = compare_samples(real, real.mean(0).expand(300, -1))
    assert constant.precision == 1 and constant.recall == 0
    honest = compare_samples(real, torch.randn(300, 8)).coverage
    assert honest > 0.85
    one = compare_samples(real, (real.mean(0) + 1.2).expand(300, -1))
    assert one.coverage < honest


def test_density_counts_neighbourhoods():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    # With one neighbour the radii are 1, 1, 1 and 8.
    found = compare_samples(real, torch.tensor([[0.5], [30.0]]), k=1, wide=1)
    assert found.precision == 0.5  # 0.5 lies in the balls of 0 and 1, 30 in none
    assert found.density == 1.0  # two balls over two samples and k = 1
    assert found.coverage == 0.5  # of 0 and 1


def test_intervals_come_from_five_seeds():
    data = load_dataset("digits")
    model = VAE(VAEConfig((1, 28, 28), 2, channels=(), hidden=(8,))).eval()
    x = model.observe(data.images[:220])

    class Draws:
        def sample(self, count: int, seed: int) -> np.ndarray:
            return np.random.default_rng(seed).standard_normal((count, 2))

    seeds: list[int] = []
    report = measure_samples(
        model,
        load_classifier("digits"),
        data,
        x,
        {"learned": Draws(), "mixture": None},
        progress=lambda done, of: seeds.append(done),
    )
    assert seeds == [1, 2, 3, 4, 5]
    for measure in MEASURES:
        assert set(report[measure]) == {"held_out", "reconstructions", "learned", "prior"}
        for name, (low, high) in report[f"{measure}_interval"].items():
            assert low <= report[measure][name] <= high and math.isfinite(high)
    assert report["precision"]["held_out"] > report["precision"]["prior"]
    assert report["sample_recall"] == report["recall"]["prior"]


def test_too_few_images_are_not_measured():
    data = load_dataset("digits")
    model = VAE(VAEConfig((1, 28, 28), 2, channels=(), hidden=(8,))).eval()
    report = measure_samples(model, load_classifier("digits"), data, data.images[:150], {})
    assert set(report.values()) == {None}

"""What passes for a reconstruction: the discriminator, the ways of making codes, the figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vae import VAE, VAEConfig, load_dataset
from vae.code_distribution import CodeDistribution
from vae.codes import FittedGaussian, encode
from vae.realism import WAYS, crossfades, make_codes, measure_realism, train_discriminator

RNG = np.random.default_rng(0)


def test_cross_fades_hold_both_of_two_different_images():
    x = torch.eye(5)[:, None, None, :]
    mixed = crossfades(x, 200, torch.Generator().manual_seed(0))
    assert ((mixed > 0).sum((1, 2, 3)) == 2).all()
    assert mixed[mixed > 0].min() >= 0.3 and mixed.max() <= 0.7


def test_a_discriminator_tells_digits_it_has_not_seen_from_their_cross_fades():
    x = load_dataset("digits").images[:400]
    judge = train_discriminator(x[:300], steps=60)
    fades = crossfades(x[300:], 100, torch.Generator().manual_seed(1))
    assert judge.predictions(x[300:]).float().mean() > 0.9
    assert judge.predictions(fades).float().mean() < 0.2


def test_every_way_makes_codes_and_averages_go_through_the_distribution():
    codes = RNG.standard_normal((60, 5)).astype(np.float32)
    sources = {
        "gaussian": FittedGaussian.fit(codes, np.ones_like(codes)),
        "learned": CodeDistribution(np.zeros(5, np.float32), np.eye(5, dtype=np.float32)),
    }
    made, ends = make_codes(codes, **sources, mixture=sources["learned"], count=40)
    assert tuple(made) == WAYS and all(z.shape == (40, 5) for z in made.values())
    assert (ends[:, 0] != ends[:, 1]).all()
    np.testing.assert_allclose(made["line"], codes[ends].mean(1), atol=1e-6)
    plain, _ = make_codes(codes, variational=False, count=40)
    assert set(WAYS) - set(plain) == {"prior", "gaussian", "mixture", "learned", "learned_path"}
    length = {k: np.linalg.norm(z, axis=1).mean() for k, z in made.items()}
    assert np.linalg.norm(plain["corners"], axis=1).mean() < 0.7 * length["corners"]


def test_a_deep_models_map_keeps_the_rest_of_a_pin_and_a_flat_ones_does_not():
    for scale, kept in ((np.ones(8), True), (np.array([9, 9, *6 * [0.1]]), False)):
        codes = (RNG.standard_normal((80, 8)) * scale).astype(np.float32)
        made, ends = make_codes(codes, count=30)
        off = np.abs(made["map"] - codes[ends[:, 0]])
        distance = np.linalg.norm(made["map"], axis=1) / np.linalg.norm(codes, axis=1).mean()
        assert (off.max() > 0.5) == kept and distance.mean() > 0.8


@pytest.mark.parametrize("variational", [True, False])
def test_figures_are_shares_with_their_intervals(variational):
    model = VAE(VAEConfig((1, 28, 28), 4, channels=(), hidden=(16,), variational=variational))
    codes = encode(model, load_dataset("digits").images, limit=240, bound=False)["mean"]
    shares = []
    figures = measure_realism(model, codes, seeds=(0, 1), steps=3, progress=shares.append)
    assert figures["realism"].keys() == figures["realism_interval"].keys() > {"line", "crossfades"}
    assert ("prior" in figures["realism"]) == variational
    for name, (low, high) in figures["realism_interval"].items():
        assert 0 <= low <= figures["realism"][name] <= high <= 1
    assert figures["shared_kept"] is None
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    json.dumps(figures, allow_nan=False)
    few = measure_realism(model, codes[:100])
    assert few == dict.fromkeys(("realism", "realism_interval", "shared_kept"))

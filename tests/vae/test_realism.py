"""What passes for a reconstruction: the discriminator, the ways of making codes, the figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vae import VAE, VAEConfig, load_dataset
from vae.code_distribution import CodeDistribution
from vae.codes import FittedGaussian, encode
from vae.projection import fit_pca
from vae.realism import (
    MAPS,
    WAYS,
    choose_map,
    crossfades,
    make_codes,
    measure_realism,
    share_by_zone,
    train_discriminator,
)

RNG = np.random.default_rng(0)


def test_cross_fades_hold_both_of_two_different_images():
    x = torch.eye(5)[:, None, None, :]
    mixed = crossfades(x, 200, torch.Generator().manual_seed(0))
    assert ((mixed > 0).sum((1, 2, 3)) == 2).all()
    assert mixed[mixed > 0].min() >= 0.3 and mixed.max() <= 0.7


def test_a_discriminator_tells_digits_it_has_not_seen_from_their_cross_fades():
    x = load_dataset("digits").images[:400]
    judge = train_discriminator(x[:300], steps=40)
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
    ways = [name for name in WAYS if name != "map"]
    assert list(made) == [*ways, *(f"map_{name}" for name in MAPS)] and all(
        z.shape == (40, 5) for z in made.values()
    )
    assert (ends[:, 0] != ends[:, 1]).all()
    np.testing.assert_allclose(made["line"], codes[ends].mean(1), atol=1e-6)
    plain, _ = make_codes(codes, variational=False, count=40)
    missing = {"prior", "gaussian", "mixture", "learned", "learned_path", "map_likely"}
    assert set(made) - set(plain) == missing
    length = {k: np.linalg.norm(z, axis=1).mean() for k, z in made.items()}
    assert np.linalg.norm(plain["corners"], axis=1).mean() < 0.7 * length["corners"]


def test_places_on_the_map_keep_what_is_shown_and_take_the_rest_from_elsewhere():
    codes = RNG.standard_normal((80, 8)).astype(np.float32)
    learned = CodeDistribution(np.zeros(8, np.float32), np.eye(8, dtype=np.float32))
    made, ends = make_codes(codes, learned=learned, count=30)
    shown = fit_pca(codes, 2).components
    for name in MAPS:
        place = made[f"map_{name}"] @ shown.T
        np.testing.assert_allclose(place, codes[ends[:, 0]] @ shown.T, atol=1e-4)
    rest = np.eye(8) - shown.T @ shown
    np.testing.assert_allclose(made["map_pinned"] @ rest, codes[ends[:, 1]] @ rest, atol=1e-4)
    assert np.ptp(made["map_mean"] @ rest, axis=0).max() < 1e-4


def test_a_map_opens_as_its_depth_says_unless_something_else_passes_more_often():
    assert choose_map({}, deep=True) == "pinned" and choose_map({}, deep=False) == "mean"
    shares = {"mean": 0.6, "pinned": 0.92, "likely": 0.97}
    assert choose_map(shares, deep=True) == "pinned"
    assert choose_map(shares, deep=False) == "likely"


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
    assert few.keys() == figures.keys() and set(few.values()) == {None}


def test_zones_say_how_well_a_likelihood_foretells_what_passes():
    held_out = np.arange(100.0)

    class Line:
        """A code's log density is its number."""

        def __init__(self):
            self.held_out = held_out

        def log_density(self, z):
            return z[:, 0]

    codes = np.array([[-5.0], [0.5], [2.0], [4.5], [50.0], [99.5]])
    passes = np.array([False, False, True, False, True, True])
    found = share_by_zone(Line(), codes, passes, fewest=1)
    assert found["outside"] == 0  # −5
    assert found["edge"] == 0.5  # 0.5 and 2
    assert found["inside"] == pytest.approx(2 / 3)
    assert found["auc"] == pytest.approx(8 / 9)  # one of nine pairs stands the wrong way round
    assert share_by_zone(Line(), codes, passes)["outside"] is None, "a single code"
    assert share_by_zone(Line(), codes[4:], passes[4:], fewest=1) == {
        "inside": 1.0, "edge": None, "outside": None, "auc": None,
    }  # fmt: skip

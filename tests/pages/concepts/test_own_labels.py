"""Concepts of labels of one's own: from train images, of every kind, without what is missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from pages.ui.components import pickers
from pages.ui.shared import cache, concepts, labels
from vae import VAE, VAEConfig, load_dataset, save_checkpoint
from vae.codes import encode
from vae.concepts.attributes import attribute_table, number_table
from vae.concepts.vectors import adjusted_vectors
from vae.imports import import_images


@pytest.fixture
def space(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    n = 80
    known = {
        "C++": rng.random(n) > 0.5,
        "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(40, 10, n)),
        "mood": rng.choice(["happy", "sad", ""], n),
        "same": np.ones(n, bool),
    }
    pixels = rng.integers(0, 256, (n, 8, 8), np.uint8)
    found = import_images(pixels, "mine", attributes=known)
    torch.manual_seed(0)
    model = VAE(VAEConfig((1, 8, 8), latent_dim=4, channels=(), hidden=(8,)))
    card = {"dataset": found.reference, "split": "test"}
    save_checkpoint(model, tmp_path / "checkpoints" / "own", card)
    return cache.latent_space("own")


def test_vectors_come_from_train_images_alone(space):
    train = load_dataset("mine", "train")
    codes = encode(space.model, train.images, bound=False)["mean"]
    values = attribute_table(train) | number_table(train)
    values.pop("same")
    expected = adjusted_vectors(codes, values)
    made = concepts.concepts(space)
    assert {c.target or c.concept.about["target"] for c in made.values()} == set(expected)
    for concept in made.values():
        name = concept.concept.about["target"]
        assert np.allclose(concept.vector, expected[name], atol=1e-5)
        assert concept.concept.about["from"] == "train images" and not concept.rows


def test_numbers_are_in_standard_deviations_and_judged_by_no_label(space):
    made = concepts.concepts(space)
    age = made["Age, one standard deviation"]
    assert age.target is None and age.concept.estimator == "regression on the number"
    assert made["Mood=happy"].target == "mood=happy"
    known = np.isfinite(labels.table(space)["mood=happy"])
    with_it, without = labels.held_out(space, "mood=happy", everyone=True)
    assert len(with_it) + len(without) == known.sum() < len(space)


def test_pictures_are_filtered_by_what_is_known_of_them(space):
    def page():
        from pages.ui.components import pickers
        from pages.ui.shared import cache

        space = cache.latent_space("own")
        pickers.tick_real(space, key="it", label="Images", ticked=(), on_tick=print)

    shown = []
    at = AppTest.from_function(page, default_timeout=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickers, "choose_pictures", lambda pictures, **_: shown.append(pictures))
        at.run()
        assert not at.exception
        mood = space.columns["mood"]
        sad = np.array([mood.categories[k] == "sad" for k in mood.values])
        known = mood.values >= 0
        assert not known.all()
        for side, expected in (("with", sad & known), ("without", ~sad & known)):
            for other in ("with", "without"):
                at.multiselect(key=f"it-{other}").set_value(["mood=sad"] if other == side else [])
            assert not at.run().exception
            rows = {int(picture.key) for picture in shown[-1]}
            assert rows == set(np.flatnonzero(expected).tolist()) and rows

"""Cards, codes and pages hold the figures that `evaluate` computes, for every shipped model."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pages.ui.shared import cache
from pages.ui.shared.classifier import predictions
from vae import elbo
from vae.bounds import estimate_evidence
from vae.checkpoint import load_card
from vae.codes import decode
from vae.concepts.attributes import attribute_table
from vae.evaluation import attribute_survival
from vae.training.heldout import ACTIVE

VARIATIONAL = ("digits", "digits-16", "fashion", "faces", "glyphs")
CLOSE = 5  # standard errors


def sampling_error(values: np.ndarray, whole: int) -> float:
    """The standard error of the mean of the first of `whole` values."""
    return float(values.std() * math.sqrt((1 - len(values) / whole) / len(values)))


@pytest.mark.parametrize("name", VARIATIONAL)
def test_pages_average_to_the_card(name):
    space, card = cache.latent_space(name), load_card(name)["metrics"]
    error = sampling_error(space.kl, card["n"])
    assert space.kl.mean() == pytest.approx(card["kl"], abs=CLOSE * error + 0.001)
    error = math.hypot(sampling_error(space.elbo, card["n"]), card.get("elbo_error") or 5)
    assert space.elbo.mean() == pytest.approx(card["elbo"], abs=CLOSE * error)
    assert (space.mean.var(0, ddof=1) > ACTIVE).sum() == card["active_units"]
    known = [space.bounds(row) for row in range(200)]
    if all(bounds and bounds.evidence for bounds in known) and "evidence_elbo" in card:
        evidence = np.mean([bounds.evidence.value for bounds in known])
        assert evidence == pytest.approx(card["log_evidence"], abs=0.2)


@pytest.mark.parametrize("name", [*VARIATIONAL, "digits-autoencoder", "faces-autoencoder"])
def test_what_survives_is_counted_alike(name):
    space, rows = cache.latent_space(name), np.arange(60)
    seen = predictions(space, rows)
    counted = attribute_survival(
        space.classifier, decode(space.model, space.mean[rows]), space.dataset
    )
    if space.classifier.exclusive:
        assert counted["class"] == pytest.approx(seen[rows, space.class_of[rows]].mean())
        return
    table = attribute_table(space.dataset, space.index)
    for column, attribute in enumerate(space.classifier.names):
        has = table[attribute][rows] > 0.5
        if has.any():
            assert counted[attribute] == pytest.approx(seen[has, column].mean())


@pytest.mark.parametrize("name", VARIATIONAL)
def test_a_click_shows_the_bounds_of_the_objective(name):
    space, row = cache.latent_space(name), 7
    shown, x = space.bounds(row), space.image(row)[None]
    assert shown is not None, "computed once, with the codes"
    generator, model = torch.Generator().manual_seed(0), space.model
    with torch.no_grad():
        drawn = torch.cat([elbo(model, x, generator=generator).elbo for _ in range(60)]).numpy()
    error = math.hypot(drawn.std() / math.sqrt(len(drawn)), shown.elbo.error)
    assert shown.elbo.value == pytest.approx(drawn.mean(), abs=CLOSE * error)
    if shown.evidence is not None:
        found = estimate_evidence(model, x[0], decodes=500)
        error = math.hypot(found.error, shown.evidence.error)
        assert shown.evidence.value == pytest.approx(found.value, abs=CLOSE * error + 0.05)

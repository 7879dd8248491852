"""What the concepts page says of an edit: of its picture, and of others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pages.ui.concepts import verdict
from pages.ui.concepts.edit import Edit
from pages.ui.shared import cache, concepts
from pages.ui.shared.inside import judge_edited
from pages.ui.shared.pins import real_pin
from vae.codes import FittedGaussian
from vae.concepts.edits import EditReport, Effect

pytestmark = pytest.mark.usefixtures("models")


def seen(before: bool, after: bool, other: bool = False) -> EditReport:
    was, now = {"hat": float(before), "smile": 0.0}, {"hat": float(after), "smile": float(other)}
    return EditReport(was, now, 1.0, 0.5, 0.5, 0, 1.0)


@pytest.mark.parametrize(
    ("report", "kind", "words"),
    [
        (seen(False, True), "good", "Success: "),
        (seen(False, True, other=True), "fair", "also changes for “smile”"),
        (seen(False, False), "bad", "does not predict"),
        (seen(True, True), "good", "before the edit as well"),
        (replace(seen(False, True), before={}, after={}), "open", "covers these images"),
    ],
)
def test_the_verdict_on_a_picture_follows_the_classifier(report, kind, words):
    space = cache.latent_space("tiny-faces")
    hat = concepts.concepts(space)["Hat"]
    act = Edit(space, real_pin(space, 0), [hat], np.ones(1))
    found, sentence = verdict.of_picture(act, report)
    assert found == kind
    assert words in sentence
    still = Edit(space, act.pin, [hat], np.zeros(1))
    assert verdict.of_picture(still, report)[0] == "open"


@pytest.mark.parametrize(
    ("works", "leak", "unusual", "kind", "words"),
    [
        (0.99, 0.01, 0.5, "good", "99%"),
        (None, None, 0.5, "open", "inside the data"),
        (0.99, 0.4, 0.5, "fair", "40%"),
        (0.7, 0.0, 0.5, "fair", "70%"),
        (0.3, 0.0, 0.5, "bad", "30%"),
        (0.99, 0.0, 0.999, "fair", "outside the data: farther"),
    ],
)
def test_the_verdict_on_others_follows_the_figures(monkeypatch, works, leak, unusual, kind, words):
    space = cache.latent_space("tiny-faces")
    act = Edit(space, real_pin(space, 0), [concepts.concepts(space)["Hat"]], np.ones(1))
    effect = None
    if works is not None:
        after = np.arange(100)[:, None] < [100 * works, 100 * leak]
        effect = Effect(("hat", "smile"), np.zeros_like(after), after)
    monkeypatch.setattr(FittedGaussian, "unusualness", lambda _, z: np.array([unusual]))
    found, sentence = verdict.of_others(act, effect, judge_edited(space, act.edited))
    assert found == kind
    assert words in sentence

"""The verdict that the browser gives on an edit, held against the library's for many codes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pages.ui.concepts import verdict
from pages.ui.concepts.edit import Edit
from pages.ui.shared import cache, concepts
from pages.ui.shared.pins import real_pin
from vae.codes import decode
from vae.concepts.edits import EditReport

VERDICTS = "cases.map(([values, before, after]) => verdict(judge, values, before, after))"


def compare(run, space, active, cases) -> set[str]:
    """Holds the browser's verdicts to Python's; gives the kinds that came up.

    Each case is strengths `(K,)`, and probabilities before and after the edit by name.
    """
    sent = [
        [values.tolist(), *(list(shares.values()) if shares else None for shares in pair)]
        for values, *pair in cases
    ]
    judge = verdict.rules(space, active)
    found = run("sliders/verdict.js", VERDICTS, judge=judge, cases=sent)
    exclusive = space.classifier is not None and space.classifier.exclusive
    for (values, before, after), (kind, words) in zip(cases, found, strict=True):
        report = EditReport(before, after, 0.0, 0.0, 0.0, 0, 0.0, exclusive)
        edit = Edit(space, real_pin(space, 0), active, values)
        expected, sentence = verdict.of_picture(edit, report)
        assert (kind, words) == (expected, sentence.replace("\\", "")), values
    return {kind for kind, _ in found}


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_it_is_the_librarys_for_many_codes(run, name):
    space, rng = cache.latent_space(name), np.random.default_rng(0)
    known = concepts.concepts(space)
    names = ["Glasses", "Smile", "Sunglasses"] if name == "faces" else ["3", "8"]
    active = [known[name] for name in names]
    codes = space.mean[rng.choice(len(space), 80, replace=False)]
    strengths = rng.choice([-1.0, 0.0, 0.2, 0.25, 0.5, 1.0, 2.0], (len(codes), len(active)))
    vectors = np.stack([concept.vector for concept in active])
    edited = (codes + strengths @ vectors).astype(np.float32)
    judged = (space.classifier.probabilities(decode(space.model, z)) for z in (codes, edited))
    tables = (
        [dict(zip(space.classifier.names, row, strict=True)) for row in shares.tolist()]
        for shares in judged
    )
    cases = list(zip(strengths, *tables, strict=True))
    fair = {"fair"} if name == "faces" else set()  # classes exclude all others
    assert compare(run, space, active, cases) == {"good", "bad", "open"} | fair


def test_it_is_the_librarys_where_the_classifier_tells_little_or_nothing(run):
    space = cache.latent_space("faces")
    known, some = concepts.concepts(space), {"smile": 0.0, "hat": 1.0}
    own = replace(known["Hat"], target=None)
    few = SimpleNamespace(names=("smile", "hat"), exclusive=False)
    for active in ([own], [known["Glasses"]], [known["Glasses"], known["Hat"]]):
        strengths = [np.ones(len(active)), -np.ones(len(active))]
        compare(run, space, active, [(values, {}, {}) for values in strengths])
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(vars(space), "classifier", few)
            compare(run, space, active, [(values, some, some) for values in strengths])

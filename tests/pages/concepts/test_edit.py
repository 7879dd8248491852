"""An edit on the concepts page: computed once, tried on others, brought back."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from concepts_page import VIEWS, acting, fine, visit
from soak import product
from streamlit.testing.v1 import AppTest

from pages.ui.concepts import edit
from pages.ui.concepts.edit import Edit, EditResult
from pages.ui.learn import arithmetic, texts
from pages.ui.shared import cache, concepts, labels
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.visitor import ConceptsState, Visitor
from vae.code_distribution import CodeDistribution, save_code_distribution
from vae.codes import decode
from vae.concepts import evaluation
from vae.concepts.evaluation import EditBench
from vae.concepts.files import Concept
from vae.concepts.vectors import split_by_attribute
from vae.datasets import faces
from vae.flow import VelocityField

pytestmark = pytest.mark.usefixtures("models")


def test_the_edit_is_the_sum_of_what_acts():
    space = cache.latent_space("tiny-faces")
    known = concepts.concepts(space)
    pin = real_pin(space, 3)
    active = [known["Hat"], known["Glasses"], known["Smile"]]
    act = Edit(space, pin, active, np.array([1.0, -0.5, 0.1]))
    vectors = [concept.vector for concept in active]
    expected = pin.z + vectors[0] - 0.5 * vectors[1] + 0.1 * vectors[2]
    assert np.allclose(act.edited, expected, atol=1e-5)
    assert act.targets == {"hat": True, "glasses": False}
    assert act.allowed_changes == {"hat", "glasses", "sunglasses"}
    result = EditResult.of(act)
    assert result.truth.shape == result.reconstruction.shape == space.shape
    assert not torch.equal(result.truth, space.image(3))
    free = Pin(space.name, "sample", pin.z, "a sample")
    assert EditResult.of(Edit(space, free, active, act.strengths)).truth is None


def test_an_edit_that_leaves_the_data_is_shown_brought_back_beside_the_plain_one(models):
    space = cache.latent_space("tiny-faces")
    shutil.copytree(models / "tiny-faces", models / "tiny-learned")
    fitted, d = space.aggregate_posterior, space.mean.shape[1]
    root = np.linalg.cholesky(fitted.covariance).astype(np.float32)
    learned = CodeDistribution(fitted.mean.astype(np.float32), root, VelocityField(d, 8, 1))
    held_out = np.sort(learned.log_density(learned.sample(300)))
    save_code_distribution(models / "tiny-learned", replace(learned, held_out=held_out))
    at = visit(model="tiny-learned")
    metrics = {m.label: m.value for m in at.metric}
    assert "Likelihood percentile" in metrics and "Mahalanobis percentile" not in metrics
    space = cache.latent_space("tiny-learned")
    hat = concepts.concepts(space)["Hat"]
    far = 8 * root[:, 0] / np.linalg.norm(hat.vector)
    hat = replace(hat, concept=replace(hat.concept, vector=far))
    for strength, zone in ((0.0, "inside"), (9.0, "outside")):
        result = EditResult.of(Edit(space, real_pin(space, 3), [hat], np.array([strength])))
        assert result.place.zone == zone
    assert EditResult.of(Edit(space, result.edit.pin, [hat], np.zeros(1))).brought_back is None
    back = result.brought_back
    assert back.place.zone == "inside" and back.report.moved < result.report.moved
    assert not torch.equal(back.picture, result.after)
    shown = AppTest.from_function(_show_after, args=(result,)).run()
    assert list(fine(shown).dataframe[-1].value.columns) == [
        "Figure",
        "Plain edit",
        "Brought back",
    ]


def _show_after(result):
    from pages.ui.concepts import edit_report

    edit_report.show_after(result)


def test_an_edit_is_tried_on_all_when_asked(monkeypatch):
    monkeypatch.setattr(edit, "_MANY", 20)
    at = visit()
    assert any("on 20 held-out" in c.value for c in at.caption)
    everybody = int(at.button(key="effect-all").label.split()[-2])
    fine(at.button(key="effect-all").click().run())
    assert everybody > 20 and any(f"on {everybody} held-out" in c.value for c in at.caption)
    assert "effect-all" not in [b.key for b in at.button]


def release(at: AppTest, strengths: list[float]) -> AppTest:
    """Lets go of the sliders of the concepts that act, as the browser says it."""
    key = "strengths-tiny-faces-" + "-".join(acting(at)) + "-release"
    at.session_state[key] = {"values": {"value": strengths, "count": 1}}
    return fine(at.run())


@product(4, view=list(VIEWS), start=["a face", "a sample"])
def test_a_report_decodes_each_code_once(monkeypatch, view, start):
    space = cache.latent_space("tiny-faces")
    pin = real_pin(space, 3) if start == "a face" else Pin(space.name, "sample", space.mean[3], "")
    drawn, decoded = [], []
    draw = faces.draw

    def counted(person: faces.Person) -> np.ndarray:
        drawn.append(person)
        return draw(person)

    monkeypatch.setattr(faces, "draw", counted)
    at = visit(concept_view=view, visitor=Visitor(concepts=ConceptsState(start=pin)))
    drawn.clear()
    hook = space.model.decoder.register_forward_pre_hook(lambda _, given: decoded.extend(given))
    release(at, [0.8, -0.7])
    hook.remove()
    codes, times = np.unique(torch.cat(decoded).numpy().round(4), axis=0, return_counts=True)
    edited = Edit(space, pin, known(at), np.array([0.8, -0.7])).edited
    for z in (pin.z, edited):
        assert np.abs(codes - z).max(1).min() < 1e-3
    assert times.max() == 1
    assert len(drawn) == (start == "a face")


def known(at: AppTest) -> list:
    by_name = concepts.concepts(cache.latent_space("tiny-faces"))
    return [by_name[name] for name in acting(at)]


def test_page_lesson_and_command_line_measure_an_edit_alike(monkeypatch):
    space = cache.latent_space("tiny-faces")
    undecided = copy.deepcopy(space.classifier)  # half of the reconstructions have each attribute
    undecided.head.bias -= undecided(decode(space.model, space.mean)).median(0).values
    monkeypatch.setattr(LatentSpace, "classifier", property(lambda space: undecided))
    hat = concepts.concepts(space)["Hat"]
    far = Concept("Far", 3 * hat.vector)
    bench = EditBench(space.model, space.classifier, space.dataset, space.mean)
    monkeypatch.setattr(evaluation, "STRENGTHS", np.ones(1))
    names = list(space.classifier.names)
    measured, _ = bench.measure("hat", far.vector, names, np.random.default_rng(0))
    with_it, without = split_by_attribute(
        labels.table(space), "hat", labels.excluded(space, "hat")
    )
    rows = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(without))[1::2])
    assert measured["n"] == len(rows) and measured["leakage"] > 0

    monkeypatch.setattr(Edit, "others", lambda edit: rows)
    monkeypatch.setattr(labels, "held_out", lambda *about: (np.flatnonzero(with_it), rows))
    monkeypatch.setattr(edit, "_MANY", len(space))
    monkeypatch.setitem(texts.numbers("arithmetic"), "tried", len(space))
    act = Edit(space, real_pin(space, 0), [replace(hat, concept=far)], np.ones(1))
    effect = EditResult.of(act).effect
    lesson = arithmetic.outcome(space, "hat", far.vector)
    leaks_into, leakage = effect.leakage(act.allowed_changes)
    found = {
        "page": (effect.n, effect.success(act.targets), leakage, leaks_into),
        "lesson": (lesson.n, lesson.success, lesson.leakage, lesson.leaks_into),
    }
    keys = ("n", "success", "leakage", "leaks_into")
    for name, figures in found.items():
        assert figures == tuple(measured[key] for key in keys), name

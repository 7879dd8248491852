"""The concepts page as a visitor's session runs it, without a browser."""

from __future__ import annotations

import copy
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from soak import product
from streamlit.testing.v1 import AppTest

from pages.ui.concepts import create, edit, files, strength_grid, verdict
from pages.ui.concepts.edit import Edit, EditResult
from pages.ui.learn import arithmetic, texts
from pages.ui.shared import cache, concepts, labels, own_things
from pages.ui.shared.inside import judge_edited
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.visitor import ConceptsState, Visitor
from vae import VAE, VAEConfig, load_checkpoint, save_checkpoint
from vae.classifier import Classifier
from vae.code_distribution import CodeDistribution, save_code_distribution
from vae.codes import FittedGaussian, decode
from vae.concepts import evaluation
from vae.concepts.edits import EditReport, Effect
from vae.concepts.evaluation import EditBench
from vae.concepts.files import Concept, pack, read_vectors
from vae.concepts.vectors import split_by_attribute
from vae.datasets import faces
from vae.flow import VelocityField
from vae.latent import LARGEST_CODE

ROOT = Path(__file__).resolve().parents[3]
VIEWS = ("after", "before", "dose", "grid", "map", "lessons")


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    """A tiny model of digits and one of a few faces, drawn into a cache of their own."""
    from vae.datasets.faces import load

    data = tmp_path_factory.mktemp("data")
    cache.forget()  # all the faces, if another test loaded them
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        patch.setenv("XDG_CACHE_HOME", str(data / "cache"))
        patch.setitem(load.SPLITS, "test", (240, 2))
        tiny.make(data / "checkpoints", ("tiny-plane",))
        torch.manual_seed(0)
        config = VAEConfig((3, 64, 64), latent_dim=6, channels=(4, 4), hidden=(16,))
        save_checkpoint(VAE(config), data / "checkpoints" / "tiny-faces", {"dataset": "faces"})
        classifiers = {
            "faces": Classifier((3, 64, 64), tuple(load.ATTRIBUTES), False).eval(),
            "digits": Classifier((1, 28, 28), tuple("0123456789"), True).eval(),
        }
        known = property(lambda space: classifiers[space.dataset.name].requires_grad_(False))
        patch.setattr(LatentSpace, "classifier", known)
        yield data / "checkpoints"
    cache.forget()


def visit(model: str = "tiny-faces", **state) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "concepts.py", default_timeout=60)
    at.session_state["model"] = model
    for key, value in state.items():
        at.session_state[key.replace("_", "-")] = value
    return fine(at.run())


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [e.message for e in at.exception]
    assert not at.error or at.error[0].icon == ":material/cancel:"  # a verdict, not a failure
    return at


def acting(at: AppTest, model: str = "tiny-faces") -> list[str]:
    return at.session_state[f"concepts-{model}"]


@product(4, model=["tiny-faces", "tiny-plane"], view=list(VIEWS))
def test_every_view_of_every_model(model, view):
    visit(model, concept_view=view)


@product(3, model=["tiny-faces", "tiny-plane"], lesson=["examples", "confounding", "limits"])
def test_every_lesson(model, lesson):
    at = visit(model, concept_view="lessons")
    fine(at.button(key=f"lesson-{lesson}").click().run())
    assert at.session_state["visitor"].concepts.pitfall == lesson


@pytest.mark.parametrize("how", create._WAYS)
def test_every_way_to_make_one_opens(how):
    visit(make_open=True, make_how=how)


@pytest.mark.parametrize("estimator", ["adjusted", "difference", "orthogonal", "probe"])
def test_a_concept_from_labels_gets_the_first_slider(estimator):
    at = visit(make_open=True)
    at.selectbox(key="make-attribute").select("hat")
    at.selectbox(key="make-estimator").select(estimator).run()
    if estimator == "orthogonal":
        at.multiselect(key="make-others").select("smile").run()
    fine(at.button(key="label-make").click().run())
    name = f"Hat ({estimator})"
    assert acting(at)[0] == name
    made = at.session_state["visitor"].vectors["tiny-faces", name]
    assert made.target == "hat" and made.vector.shape == (6,)


def test_a_step_may_depend_on_the_person():
    at = visit(make_open=True)
    at.selectbox(key="make-attribute").select("hat")
    at.selectbox(key="make-estimator").select("dependent").run()
    fine(at.button(key="label-make").click().run())
    space = cache.latent_space("tiny-faces")
    made = at.session_state["visitor"].vectors["tiny-faces", "Hat (dependent)"]
    assert made.paired and len(made.z_with) == len(made.z_without)
    assert np.allclose(made.at(made.z_without).mean(0), made.vector, atol=1e-4)
    steps = made.at(space.mean[:2])
    assert not np.allclose(*steps, atol=1e-6)  # of two people
    act = Edit(space, real_pin(space, 1), [made], np.array([0.5]))
    assert np.allclose(act.edited, space.mean[1] + 0.5 * steps[1])
    [kept] = own_things.read_concepts(space, own_things.write_concepts([made]))
    assert np.allclose(kept.at(space.mean[:2]), steps, atol=1e-6)
    plane = visit(model="tiny-plane", make_open=True)  # digits cannot be drawn again
    assert "Depends on the person" not in plane.selectbox(key="make-estimator").options


def test_without_an_encoder_no_step_depends_on_the_person():
    faces = SimpleNamespace(dataset=SimpleNamespace(name="faces"), encodes=True)
    assert "dependent" in create._estimators(faces)
    faces.encodes = False
    assert "dependent" not in create._estimators(faces)


def test_concepts_of_a_link_that_make_no_sense_are_not_taken():
    space = cache.latent_space("tiny-faces")
    hat = concepts.concepts(space)["Hat"]
    good = json.loads(own_things.write_concepts([hat]))
    for field, value in (
        ("name", 5),
        ("target", [1]),
        ("rows", ["x"]),
        ("vector", "?"),
        ("about", 1),
    ):
        bad = json.dumps([good[0] | {field: value}])
        assert own_things.read_concepts(space, bad) is None, field
    assert own_things.read_concepts(space, "[" * 5_000) is None
    [kept] = own_things.read_concepts(space, json.dumps([good[0] | {"target": "nope"}]))
    assert kept.target is None
    at = visit(own=json.dumps([good[0] | {"name": 5}]))
    assert not at.exception


def test_a_twin_is_drawn_and_encoded_on_the_spot():
    space = cache.latent_space("tiny-faces")
    shown = labels.table(space)
    row = int(np.flatnonzero(~shown["glasses"] & ~shown["sunglasses"])[0])
    halves = create._twins(space, real_pin(space, row), "glasses")
    assert halves["without"].row == row
    assert halves["with"].image.shape == space.shape
    assert not torch.equal(halves["with"].image, space.image(row))
    pairs = {space.name: [(halves["with"], halves["without"], "glasses")]}
    at = visit(
        make_open=True, make_how="pairs", visitor=Visitor(concepts=ConceptsState(pairs=pairs))
    )
    fine(at.button(key="pairs-make").click().run())
    made = at.session_state["visitor"].vectors["tiny-faces", acting(at)[0]]
    assert made.paired and made.target == "glasses" and row in made.rows
    assert np.allclose(made.vector, halves["with"].z - halves["without"].z, atol=1e-5)


def test_two_groups_make_a_concept():
    known = Visitor(groups={("tiny-faces", "A"): [0, 2]})
    at = visit(make_open=True, make_how="groups", visitor=known)
    assert at.button(key="groups-make").disabled
    known.groups["tiny-faces", "B"] = [1]
    at.run()
    fine(at.button(key="groups-make").click().run())
    space = cache.latent_space("tiny-faces")
    made = at.session_state["visitor"].vectors["tiny-faces", "A − B"]
    expected = space.mean[[0, 2]].mean(0) - space.mean[1]
    assert np.allclose(made.vector, expected, atol=1e-5)


def test_sums_make_concepts_and_places_and_mistakes_are_explained():
    at = visit(make_open=True, make_how="sum")
    at.text_input(key="sum").set_value("0.5·hat − long_hair").run()
    fine(at.button(key="sum-make").click().run())
    known = concepts.concepts(cache.latent_space("tiny-faces"))
    made = at.session_state["visitor"].vectors["tiny-faces", acting(at)[0]]
    expected = 0.5 * known["Hat"].vector - known["Long hair"].vector
    assert np.allclose(made.vector, expected, atol=1e-5)

    at.text_input(key="sum").set_value("start + hat").run()
    fine(at.button(key="sum-start").click().run())
    assert at.session_state["visitor"].concepts.start.kind == "generated"

    at.text_input(key="sum").set_value("0.5·hta").run()
    assert not at.exception
    assert any("did you mean hat" in e.value for e in at.error)
    at.text_input(key="sum").set_value("1e38·hat").run()
    assert not at.exception
    assert any("expected at most" in e.value for e in at.error)


@pytest.mark.parametrize("view", VIEWS)
def test_the_largest_vector_breaks_no_view(view):
    space = cache.latent_space("tiny-faces")
    vector = np.full(space.mean.shape[1], LARGEST_CODE, np.float32)
    none = np.empty((0, len(vector)), np.float32)
    made = concepts.NamedConcept(Concept("far", vector), none, none, "hat")
    own = {(space.name, "far"): made}
    at = visit(
        visitor=Visitor(vectors=own), concept_view=view, **{f"concepts-{space.name}": ["far"]}
    )
    shown = [text.value for part in (at.markdown, at.caption, at.metric) for text in part]
    assert not re.search(r"\b(nan|inf)\b", " ".join(shown))


def test_an_export_comes_back_only_to_its_own_model(models, tmp_path):
    space = cache.latent_space("tiny-faces")
    hat = concepts.concepts(space)["Hat"].concept
    content, card = pack([hat], space.model, space.name)
    assert json.loads(card)["vectors"][0]["name"] == "Hat"
    (back,) = files.read(space, content)
    assert np.array_equal(back.vector, hat.vector)
    (tmp_path / "v.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="dimensions"):
        read_vectors(tmp_path / "v.safetensors", load_checkpoint(models / "tiny-plane"))
    with pytest.raises(ValueError) as refused:
        files.read(space, b"nothing of the kind")
    assert "/tmp" not in str(refused.value)


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


def test_ready_made_concepts_are_tested_on_images_they_have_not_seen():
    space = cache.latent_space("tiny-faces")
    for made in concepts.concepts(space).values():
        tested = np.concatenate(labels.held_out(space, made.target))
        assert len(tested) and not made.rows.intersection(tested.tolist())


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


def test_a_sheet_frames_the_unchanged_column_and_a_gif_moves():
    x = torch.rand(6, 3, 64, 64)
    sheet = strength_grid.labelled_sheet(x, ["−1.0", "0", "+1.0"])
    frame = np.asarray(sheet)[..., :3] == strength_grid._GREY
    columns = np.flatnonzero(frame[40:].all(2).mean(0) > 0.9)
    assert len(columns) and columns.min() > 90 and columns.max() < 210
    space = cache.latent_space("tiny-faces")
    starts, vector = space.mean[:2], concepts.concepts(space)["Hat"].vector
    film = Image.open(io.BytesIO(strength_grid._gif(space.model, starts, 9 * vector, -1.0, 1.0)))
    assert film.n_frames > 10
    assert film.size == (192, 96)


def test_an_own_concept_can_be_forgotten():
    at = visit(make_open=True)
    fine(at.button(key="label-make").click().run())
    (name,) = (n for _, n in at.session_state["visitor"].vectors)
    at.session_state["make-how"] = "files"
    at.run()
    fine(at.button(key=f"forget-{name}").click().run())
    assert name not in acting(at)
    assert not at.session_state["visitor"].vectors


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

"""The concepts page as a visitor's session runs it, without a browser."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import tiny
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui.concepts import create, edit_report, views
from pages.ui.concepts.edit import Edit, truth
from pages.ui.shared import cache, classifier, concepts, labels
from pages.ui.shared.pins import Pin, real_pin
from vae import VAE, VAEConfig, load_checkpoint, save_checkpoint
from vae.classifier import Classifier
from vae.concepts.edits import EditReport, Effect
from vae.concepts.files import read_vectors

ROOT = Path(__file__).resolve().parents[3]
VIEWS = ("after", "before", "dose", "grid", "map", "lessons")


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    """A tiny model of digits and one of a few faces, drawn into a cache of their own."""
    from vae.datasets.faces import load

    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        patch.setenv("XDG_CACHE_HOME", str(data / "cache"))
        patch.setitem(load.SPLITS, "test", (240, 2))
        tiny.make(data / "checkpoints", ("tiny-plane",))
        torch.manual_seed(0)
        config = VAEConfig((3, 64, 64), latent_dim=6, channels=(4, 4), hidden=(16,))
        save_checkpoint(VAE(config), data / "checkpoints" / "tiny-faces", {"dataset": "faces"})
        judges = {
            "faces": Classifier((3, 64, 64), tuple(load.ATTRIBUTES), False).eval(),
            "digits": Classifier((1, 28, 28), tuple("0123456789"), True).eval(),
        }
        patch.setattr(
            classifier, "judge", lambda space: judges[space.dataset.name].requires_grad_(False)
        )
        yield data / "checkpoints"
    st.cache_resource.clear()
    st.cache_data.clear()


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


@pytest.mark.parametrize("model", ["tiny-faces", "tiny-plane"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_every_model(model, view):
    visit(model, concept_view=view)


@pytest.mark.parametrize("model", ["tiny-faces", "tiny-plane"])
@pytest.mark.parametrize("lesson", ["examples", "confounding", "limits"])
def test_every_lesson(model, lesson):
    at = visit(model, concept_view="lessons")
    fine(at.button(key=f"lesson-{lesson}").click().run())
    assert at.session_state["lesson"] == lesson


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
    made = at.session_state["vectors"]["tiny-faces", name]["made"]
    assert made.target == "hat" and made.concept.vector.shape == (6,)


def test_a_twin_is_drawn_and_encoded_on_the_spot():
    space = cache.latent_space("tiny-faces")
    shown = labels.table(space)
    row = int(np.flatnonzero(~shown["glasses"] & ~shown["sunglasses"])[0])
    halves = create._twins(space, real_pin(space, row), "glasses")
    assert halves["without"].row == row
    assert halves["with"].image.shape == space.shape
    assert not torch.equal(halves["with"].image, space.image(row))
    at = visit(make_open=True, make_how="pairs", concept_pairs={})
    at.session_state["concept-pairs"] = {
        space.name: [(halves["with"], halves["without"], "glasses")]
    }
    at.run()
    fine(at.button(key="pairs-make").click().run())
    made = at.session_state["vectors"]["tiny-faces", acting(at)[0]]["made"]
    assert made.paired and made.target == "glasses" and row in made.rows
    assert np.allclose(made.concept.vector, halves["with"].z - halves["without"].z, atol=1e-5)


def test_two_groups_make_a_concept():
    at = visit(make_open=True, make_how="groups", groups={("tiny-faces", "A"): [0, 2]})
    assert at.button(key="groups-make").disabled
    at.session_state["groups"] = {("tiny-faces", "A"): [0, 2], ("tiny-faces", "B"): [1]}
    at.run()
    fine(at.button(key="groups-make").click().run())
    space = cache.latent_space("tiny-faces")
    made = at.session_state["vectors"]["tiny-faces", "A − B"]["made"]
    expected = space.mean[[0, 2]].mean(0) - space.mean[1]
    assert np.allclose(made.concept.vector, expected, atol=1e-5)


def test_sums_make_concepts_and_places_and_mistakes_are_explained():
    at = visit(make_open=True, make_how="sum")
    at.text_input(key="sum").set_value("0.5·hat − long_hair").run()
    fine(at.button(key="sum-make").click().run())
    known = concepts.concepts(cache.latent_space("tiny-faces"))
    made = at.session_state["vectors"]["tiny-faces", acting(at)[0]]["made"]
    expected = 0.5 * known["Hat"].concept.vector - known["Long hair"].concept.vector
    assert np.allclose(made.concept.vector, expected, atol=1e-5)

    at.text_input(key="sum").set_value("start + hat").run()
    fine(at.button(key="sum-start").click().run())
    assert at.session_state["concept-start"].kind == "generated"

    at.text_input(key="sum").set_value("0.5·hta").run()
    assert not at.exception
    assert any("did you mean hat" in e.value for e in at.error)


def test_an_export_comes_back_only_to_its_own_model(models, tmp_path):
    space = cache.latent_space("tiny-faces")
    hat = concepts.concepts(space)["Hat"].concept
    content, card = create.pack([hat], space.model, space.name)
    assert json.loads(card)["vectors"][0]["name"] == "Hat"
    (back,) = create._read(space, content)
    assert np.array_equal(back.vector, hat.vector)
    (tmp_path / "v.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="dimensions"):
        read_vectors(tmp_path / "v.safetensors", load_checkpoint(models / "tiny-plane"))
    with pytest.raises(ValueError) as refused:
        create._read(space, b"nothing of the kind")
    assert "/tmp" not in str(refused.value)


def test_the_edit_is_the_sum_of_what_acts():
    space = cache.latent_space("tiny-faces")
    known = concepts.concepts(space)
    pin = real_pin(space, 3)
    active = [known["Hat"], known["Glasses"], known["Smile"]]
    edit = Edit(space, pin, active, np.array([1.0, -0.5, 0.1]))
    vectors = [m.concept.vector for m in active]
    expected = pin.z + vectors[0] - 0.5 * vectors[1] + 0.1 * vectors[2]
    assert np.allclose(edit.edited, expected, atol=1e-5)
    assert edit.wishes == {"hat": True, "glasses": False}
    assert edit.aside == {"hat", "glasses", "sunglasses"}
    drawn, copy = truth(edit)
    assert drawn.shape == copy.shape == space.shape
    assert not torch.equal(drawn, space.image(3))
    free = Pin(space.name, "sample", pin.z, "a sample")
    assert truth(Edit(space, free, active, edit.strengths)) is None


def test_ready_made_concepts_are_tested_on_images_they_have_not_seen():
    space = cache.latent_space("tiny-faces")
    for made in concepts.concepts(space).values():
        tested = np.concatenate(labels.held_out(space, made.target))
        assert len(tested) and not made.rows.intersection(tested.tolist())


def seen(before: bool, after: bool, other: bool = False, unusual: float = 0.5) -> EditReport:
    was, now = {"hat": float(before), "smile": 0.0}, {"hat": float(after), "smile": float(other)}
    return EditReport(was, now, 1.0, 0.5, unusual, 0, 1.0)


@pytest.mark.parametrize(
    ("report", "works", "leak", "kind", "words"),
    [
        (seen(False, True), 0.99, 0.01, "good", "It works here"),
        (seen(False, True), None, None, "good", "It works here"),
        (seen(False, True), 0.99, 0.4, "fair", "40%"),
        (seen(False, True), 0.7, 0.0, "fair", "70%"),
        (seen(False, True), 0.3, 0.0, "bad", "30%"),
        (seen(False, True, other=True), 0.99, 0.0, "fair", "Also changed: “smile”"),
        (seen(False, True, unusual=0.999), 0.99, 0.0, "fair", "left the region"),
        (seen(False, False), 0.99, 0.0, "bad", "does not see"),
        (seen(True, True), 0.99, 0.0, "good", "before, too"),
    ],
)
def test_the_verdict_follows_the_figures(report, works, leak, kind, words):
    space = cache.latent_space("tiny-faces")
    hat = concepts.concepts(space)["Hat"]
    edit = Edit(space, real_pin(space, 0), [hat], np.ones(1))
    effect = None
    if works is not None:
        effect = Effect(200, {"hat": works, "smile": 0.0}, {"hat": works, "smile": leak})
    found, sentence = edit_report.verdict(edit, report, effect)
    assert found == kind
    assert words in sentence
    still = Edit(space, edit.pin, [hat], np.zeros(1))
    assert edit_report.verdict(still, report, effect)[0] == "open"


def test_a_sheet_frames_the_unchanged_column_and_a_gif_moves():
    x = torch.rand(6, 3, 64, 64)
    sheet = views.labelled_sheet(x, ["−1.0", "0", "+1.0"])
    frame = np.asarray(sheet)[..., :3] == views._GREY
    columns = np.flatnonzero(frame[40:].all(2).mean(0) > 0.9)
    assert len(columns) and columns.min() > 90 and columns.max() < 210
    space = cache.latent_space("tiny-faces")
    starts, vector = space.mean[:2], concepts.concepts(space)["Hat"].concept.vector
    film = Image.open(io.BytesIO(views._gif(space.model, starts, 9 * vector, -1.0, 1.0)))
    assert film.n_frames > 10
    assert film.size == (192, 96)


def test_an_own_concept_can_be_forgotten():
    at = visit(make_open=True)
    fine(at.button(key="label-make").click().run())
    (name,) = (n for _, n in at.session_state["vectors"])
    at.session_state["make-how"] = "files"
    at.run()
    fine(at.button(key=f"forget-{name}").click().run())
    assert name not in acting(at)
    assert not at.session_state["vectors"]


def test_an_edit_is_tried_on_all_when_asked(monkeypatch):
    monkeypatch.setattr(edit_report, "_MANY", 20)
    at = visit()
    assert any("on 20 held-out" in c.value for c in at.caption)
    everybody = int(at.button(key="effect-all").label.rpartition(" ")[2])
    fine(at.button(key="effect-all").click().run())
    assert everybody > 20 and any(f"on {everybody} held-out" in c.value for c in at.caption)
    assert "effect-all" not in [b.key for b in at.button]

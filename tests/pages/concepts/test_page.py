"""The concepts page as a visitor's session runs it, without a browser."""

from __future__ import annotations

import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from concepts_page import VIEWS, acting, fine, visit
from PIL import Image
from soak import product

from pages.ui.concepts import create, files, strength_grid
from pages.ui.concepts.edit import Edit
from pages.ui.shared import cache, concepts, labels, own_things
from pages.ui.shared.pins import real_pin
from pages.ui.shared.visitor import ConceptsState, Visitor
from vae import load_checkpoint
from vae.concepts.files import Concept, pack, read_vectors
from vae.latent import LARGEST_CODE

pytestmark = pytest.mark.usefixtures("models")


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


def test_ready_made_concepts_are_tested_on_images_they_have_not_seen():
    space = cache.latent_space("tiny-faces")
    for made in concepts.concepts(space).values():
        tested = np.concatenate(labels.held_out(space, made.target))
        assert len(tested) and not made.rows.intersection(tested.tolist())


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

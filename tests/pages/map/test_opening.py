"""What the map opens on: a real image where averages of codes resemble none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from streamlit.testing.v1 import AppTest

from pages.ui.map import placing
from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import real_pin
from pages.ui.shared.visitor import Visitor
from vae.checkpoint import load_codes
from vae.codes import decode
from vae.projection import fit_pca

ROOT = Path(__file__).resolve().parents[3]
DEEP = "tiny-gaussian"


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints")
        yield data / "checkpoints"


@pytest.fixture(autouse=True)
def high_dimensional(monkeypatch):
    """One tiny model counts as high-dimensional, the others do not."""
    monkeypatch.setattr(LatentSpace, "high_dimensional", property(lambda s: s.name == DEEP))


def visit(model: str = DEEP, query: dict[str, str] | None = None, **state) -> AppTest:
    at = AppTest.from_file(ROOT / "pages/map.py", default_timeout=60)
    for key, value in (query or {}).items():
        at.query_params[key] = value
    for key, value in {"model": model, **state}.items():
        at.session_state[key] = value
    at.run()
    assert not at.exception and not at.error
    return at


def sent(at: AppTest, name: str) -> dict:
    """The data that a component of a page is sent."""
    elements = [element.proto for element in at.get("bidi_component")]
    (proto,) = [element for element in elements if element.component_name == name]
    (data,) = json.loads(proto.json)
    return data


def captions(at: AppTest) -> str:
    return " ".join(c.value for c in at.caption)


def test_it_opens_pinned_on_a_usual_image_and_says_so():
    at = visit()
    (pin,) = at.session_state["visitor"].pins
    assert (pin.kind, pin.row) == ("real", cache.latent_space(DEEP).typical)
    assert at.selectbox(key="keep").value == "pinned"
    (shown,) = sent(at, "latent_map")["pins"]["value"]
    assert "Pinned automatically" in shown["automatic"] and shown["clicked"]
    view = sent(at, "pin_view")
    assert not view["server"] and "ELBO" in {term["name"] for term in view["terms"]}
    assert "Three things to try" in " ".join(m.value for m in at.markdown)
    assert not visit("tiny-plane").session_state["visitor"].pins
    assert visit("tiny-autoencoder").selectbox(key="keep").value == "mean"


def test_a_visitor_who_removes_the_pin_gets_the_mean_and_a_sentence():
    at = visit(pins=True)
    assert placing.NOTHING_PINNED not in captions(at)
    at.button(key="unpin-1").click().run()
    assert placing.NOTHING_PINNED in captions(at)
    at.run()
    assert not at.session_state["visitor"].pins, "it is pinned once"


def test_a_pin_of_the_visitors_takes_the_place_of_the_first_one():
    def script():
        from pages.ui.map import placing
        from pages.ui.shared import cache, visitor
        from pages.ui.shared.pins import real_pin

        space = cache.latent_space("tiny-gaussian")
        placing.pin_first(space)
        visitor.add_pin(real_pin(cache.latent_space("tiny-plane"), 5))
        visitor.add_pin(real_pin(space, 7))
        visitor.add_pin(real_pin(space, 8))

    at = AppTest.from_function(script, default_timeout=60).run()
    assert not at.exception
    assert [p.row for p in at.session_state["visitor"].pins] == [5, 7, 8]
    assert len({p.number for p in at.session_state["visitor"].pins}) == 3


def test_pins_that_a_visitor_brings_stay_as_they_are():
    at = visit(visitor=Visitor(pins=[real_pin(cache.latent_space(DEEP), 3)]))
    assert [p.row for p in at.session_state["visitor"].pins] == [3]
    assert not sent(at, "latent_map")["pins"]["value"][0]["automatic"]


def test_a_link_to_the_mean_wins():
    at = visit(query={"keep": "Mean code"})
    assert at.selectbox(key="keep").value == "mean"


def test_another_model_brings_its_own_default_unless_the_visitor_chose():
    at = visit()
    for model, expected in (("tiny-autoencoder", "mean"), (DEEP, "pinned")):
        at.selectbox(key="model").set_value(model).run()
        assert not at.exception and at.selectbox(key="keep").value == expected
    at = visit("tiny-autoencoder")
    at.selectbox(key="keep").set_value("pinned").run()
    at.selectbox(key="model").set_value(DEEP).run()
    assert at.selectbox(key="keep").value == "pinned"
    at.selectbox(key="keep").set_value("mean").run()
    at.selectbox(key="model").set_value("tiny-autoencoder").run()
    assert at.selectbox(key="keep").value == "mean"


def test_the_usual_image_is_usual_and_given_back_well():
    space = cache.latent_space("digits-16")
    scaled = (space.mean - space.mean.mean(0)) / space.mean.std(0)
    distance = np.linalg.norm(scaled, axis=1)
    rank = np.argsort(np.argsort(distance)) / len(space)
    assert abs(rank[space.typical] - 0.5) < 0.02
    real = space.dataset.images[torch.from_numpy(space.index)]
    error = (decode(space.model, space.mean) - real).square().flatten(1).mean(1).numpy()
    assert error[space.typical] < np.median(error)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("faces", True),
        ("faces-autoencoder", True),
        ("digits-16", True),
        ("fashion", True),
        ("digits", False),
    ],
)
def test_faces_are_high_dimensional_and_what_a_plane_shows_well_is_not(
    monkeypatch, model, expected
):
    monkeypatch.undo()
    codes = load_codes(ROOT / "checkpoints" / model)["mean"]
    space = LatentSpace(
        model, "", None, {}, None, np.arange(len(codes)), codes, codes,
        fit_pca(codes, codes.shape[1]), {}, None, None,
    )  # fmt: skip
    assert space.high_dimensional is expected

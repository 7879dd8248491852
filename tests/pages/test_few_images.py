"""Every page of a model with a single image, with few, or with copies of one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tiny
from soak import product
from streamlit.testing.v1 import AppTest

from pages.ui.shared import cache, scatter
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.visitor import Visitor
from vae.checkpoint import load_codes, save_codes
from vae.concepts.files import Concept
from vae.latent import UNJUDGED

ROOT = Path(__file__).resolve().parents[2]
ROWS = {"one": [0], "three": [0, 1, 2], "copies": [0] * 40}
MODELS = [f"{name}-{rows}" for name in tiny.CONFIGS for rows in ROWS]


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        for name, rows in ROWS.items():
            tiny.make(data / name)
            for model in tiny.CONFIGS:
                codes = load_codes(data / name / model)
                codes = {k: v[rows] for k, v in codes.items() if k != "tsne"}
                codes["index"] = np.arange(len(rows))
                folder = data / "checkpoints" / f"{model}-{name}"
                folder.parent.mkdir(exist_ok=True)
                (data / name / model).rename(folder)
                (folder / "codes.safetensors").unlink()
                save_codes(folder, codes)
        yield


def visit(page: str, model: str, **state) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=60).switch_page(page)
    for key, value in {"model": model, **state}.items():
        at.session_state[key.replace("_", "-")] = value
    at.run()
    assert not at.exception, [e.message for e in at.exception]
    assert not re.search(r"\b(nan|inf|None)\b", " ".join(said(at)))
    return at


def said(at: AppTest) -> list[str]:
    parts = (at.markdown, at.caption, at.warning, at.info, at.error)
    numbers = [f"{m.label} {m.value}" for m in at.metric]
    return [*(text.value for part in parts for text in part), *numbers]


@product(2, model=MODELS)
def test_the_map_opens_and_says_what_cannot_be_judged(model):
    space = cache.latent_space(model)
    place = Pin(model, "generated", space.mean[0] + 0.1, "a place")
    own = Pin(model, "upload", space.mean[0], "mine", image=1 - space.image(0))
    assert any(
        UNJUDGED in text for text in said(visit("map.py", model, visitor=Visitor(pins=[place])))
    )
    assert not visit("map.py", model, visitor=Visitor(pins=[own])).warning
    visit("map.py", model, visitor=Visitor(pins=[real_pin(space, 0)]), card=True)
    for colour in scatter.colours(space):
        for projection in scatter.projections(space):
            figure = cache.map_figure(space, projection, scatter.first_axes(space), colour)
            assert not re.search("NaN|Infinity|nan%", figure)


@product(4, model=MODELS)
def test_interpolate_opens_and_says_what_cannot_be_judged(model):
    at = visit("interpolate.py", model, walk="path", overshoot=True)
    assert any(UNJUDGED in text for text in said(at))
    for view in ({"walk": "corners"}, {"walk": "traversals", "directions": "principal"}):
        visit("interpolate.py", model, **view)


@product(6, model=list(MODELS), view=["after", "before", "grid", "map"])
def test_an_edit_says_what_cannot_be_judged(model, view):
    space = cache.latent_space(model)
    d = space.mean.shape[1]
    concept = Concept("x", np.ones(d, np.float32))
    made = NamedConcept(concept, space.mean[:1], space.mean[-1:] - 1, paired=True)
    state = {
        "visitor": Visitor(vectors={(model, "x"): made}),
        f"concepts-{model}": ["x"],
        "concept-view": view,
    }
    assert any(UNJUDGED in text for text in said(visit("concepts.py", model, **state)))


@product(
    4,
    page=["learn_reparameterisation.py", "learn_amortised.py"],
    model=[m for m in MODELS if "autoencoder" not in m],
)
def test_learn_opens(page, model):
    visit(page, model)

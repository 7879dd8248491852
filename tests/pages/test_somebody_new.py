"""A draw on the map, of a path, and as the start of an edit: one button, its seed in the link."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from starlette.datastructures import QueryParams
from streamlit.testing.v1 import AppTest

from pages.ui.server import map_data
from pages.ui.shared import cache, scatter
from pages.ui.shared.pins import Pin, as_text, drawn_pin, from_text
from pages.ui.shared.samples import figures
from vae.codes import FittedGaussian
from vae.likely_codes import LEVEL, blend

NAMES = ("realism", "precision", "recall")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "checkpoints"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(folder.parent))
        tiny.make_learned(folder, standard=True)
        yield folder


def visit(page: str, query: dict[str, str]) -> AppTest:
    at = AppTest.from_file(ROOT / "pages/router.py", default_timeout=60)
    at.switch_page(page)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def shown(at: AppTest, page: str) -> Pin:
    visitor = at.session_state["visitor"]
    if page == "map.py":
        return visitor.pins[-1]
    if page == "interpolate.py":
        return visitor.paths.ends["tiny-learned"]["A"]
    return visitor.concepts.start


@pytest.mark.parametrize(
    ("page", "name"), [("map.py", "pins"), ("interpolate.py", "a"), ("concepts.py", "person")]
)
def test_each_click_draws_another_and_the_link_shows_the_same(page, name):
    at = visit(page, {"model": "tiny-learned"})
    at.button(key="new").click().run()
    first = shown(at, page)
    at.button(key="new").click().run()
    second, written = shown(at, page), at.session_state["visitor"].address.written
    assert not at.exception and (first.seed, second.seed) == (0, 1)
    assert written[name].split(".")[-1] == "n1"
    again = shown(visit(page, written), page)
    np.testing.assert_array_equal(again.z, second.z)
    assert again.seed == 1 and not np.array_equal(first.z, second.z)
    after = visit(page, {**written, name: "n40"})
    after.button(key="new").click().run()
    assert shown(after, page).seed == 41, "the next seed follows that of the link"


@pytest.mark.parametrize("projection", ["latent", "pca"])
def test_places_of_the_map_are_completed_like_the_last_pin(projection):
    at = visit("map.py", {"model": "tiny-learned", "keep": "likely", "projection": projection})
    assert at.selectbox(key="keep").value == "likely"
    assert (
        "likely" not in visit("map.py", {"model": "tiny-gaussian"}).selectbox(key="keep").options
    )
    space, axes, d = cache.latent_space("tiny-learned"), (2, 0), 5
    asked = {"projection": projection, "x": "2", "y": "0"}
    blocks = {}
    for text in ("", "n3", "7"):
        block = map_data._likely(space, QueryParams(asked | {"pin": text}))
        blocks[text] = np.frombuffer(block, "<f4").reshape(scatter.LATTICE**2, d)
    left, right, bottom, top = scatter.lattice_bounds(space, projection, axes)
    flat = scatter.plane(space, projection, axes)
    shown = np.array([flat["u"], flat["v"]])
    for codes in blocks.values():
        place = (codes - np.array(flat["origin"])) @ shown.T
        assert place[0] == pytest.approx([left, bottom], abs=1e-4)
        assert place[scatter.LATTICE - 1] == pytest.approx([right, bottom], abs=1e-4)
        assert place[-1] == pytest.approx([right, top], abs=1e-4)
    # The flow of this model changes nothing, so the noise of a pin is the pin itself, whitened.
    pin = drawn_pin(space, 3)
    assert (blocks["n3"] - pin.z) @ (np.eye(d) - shown.T @ np.linalg.pinv(shown.T)) == (
        pytest.approx(0, abs=1e-4)
    )
    assert not np.allclose(blocks["n3"], blocks["7"], atol=0.1)
    for bad in ({"pin": "n-3"}, {"x": "9"}, {"projection": "tsne"}):
        assert map_data._likely(space, QueryParams(asked | bad)) is None


def test_the_average_of_a_group_is_pinned_either_way():
    space = cache.latent_space("tiny-learned")
    rows = np.arange(3, 9)
    at = visit("map.py", {"model": "tiny-learned", "group-a": ".".join(map(str, rows))})
    for level in (LEVEL, None):
        at.button(key=f"average-A-{level}").click().run()
        z = at.session_state["visitor"].pins[-1].z
        codes, even = space.mean[rows], np.full(len(rows), 1 / len(rows))
        average = codes.mean(0) if level is None else blend(space.distribution, codes, even)[0]
        np.testing.assert_allclose(z, average, atol=1e-5)


def test_a_draw_says_what_it_is_drawn_from():
    learned, fitted = cache.latent_space("tiny-learned"), cache.latent_space("tiny-gaussian")
    assert drawn_pin(learned, 3).title == "Draw 3 · learned distribution"
    assert drawn_pin(fitted, 3).title == "Draw 3 · fitted Gaussian"
    np.testing.assert_array_equal(drawn_pin(learned, 3).z, learned.distribution.sample(1, 3)[0])
    gaussian = FittedGaussian.fit(fitted.mean, fitted.variance)
    np.testing.assert_allclose(drawn_pin(fitted, 3).z, gaussian.sample(1, 3)[0], rtol=1e-5)


@pytest.mark.parametrize("text", ["n", "n-1", "n1e3", "nAAAA", "n9999999999", "n٣"])
def test_a_seed_that_is_none_is_refused(text):
    assert from_text(cache.latent_space("tiny-learned"), text) is None
    assert as_text(cache.latent_space("tiny-learned"), drawn_pin(
        cache.latent_space("tiny-learned"), 7)) == "n7"  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (
            {
                "realism": {"learned": 0.987},
                "precision": {"learned": 0.96},
                "recall": {"learned": 0.9},
            },
            "99% of its pictures pass for reconstructions; precision 96%, recall 90%.",
        ),
        ({"realism": {"learned": 0.5}}, "50% of its pictures pass for reconstructions."),
        ({"precision": {"learned": 0.5}, "recall": {"prior": 0.5}}, ""),
        ({"realism": {"learned": "0.5"}, "precision": [1]}, ""),
        (None, ""),
    ],
)
def test_what_is_drawn_from_has_the_figures_of_the_card(metrics, said):
    space = replace(cache.latent_space("tiny-learned"), card={"metrics": metrics})
    assert figures(space, "learned") == said

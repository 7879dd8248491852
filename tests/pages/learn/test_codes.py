"""The lesson on where codes live: what its steps show, and of which models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
from streamlit.testing.v1 import AppTest

from pages.ui.learn import codes
from pages.ui.learn.texts import numbers
from pages.ui.shared import cache
from vae.code_distribution import LEVEL
from vae.latent import lerp, slerp
from vae.likely_codes import blend

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints", ("tiny-plane",))
        yield


def visit(query: dict[str, str] | None = None, **state) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120)
    at.switch_page("learn_codes.py")
    for key, value in state.items():
        at.session_state[key] = value
    for key, value in {"answers": "shown", **(query or {})}.items():
        at.query_params[key] = value
    return at.run()


def written(at: AppTest) -> dict[str, str]:
    """What the address says."""
    return at.session_state["visitor"].address.written


@pytest.mark.parametrize("stage", codes.STAGES)
def test_every_step_opens_on_the_faces(stage):
    at = visit({"stage": stage})
    assert not at.exception and not at.error and not at.info
    assert at.title[0].value == "8 · Where codes live"
    assert at.selectbox(key="model").value == "faces"


def test_a_model_that_somebody_chose_stays():
    at = visit({"model": "digits-16"})
    assert at.selectbox(key="model").value == "digits-16"
    at.selectbox(key="model").set_value("digits").run()
    assert not at.exception and at.selectbox(key="model").value == "digits"


def test_a_model_without_a_learned_distribution_says_what_to_do():
    at = visit({"model": "tiny-plane"})
    assert not at.exception and "not been learned" in at.info[0].value
    assert at.code[0].value == "python -m vae fit-codes tiny-plane"


def test_a_link_restores_a_path():
    query = {"stage": "path", "from": "3", "to": "9", "level": "0.7", "at": "0.25"}
    at = visit(query)
    assert not at.exception
    assert [at.number_input(key=k).value for k in ("from", "to")] == [3, 9]
    assert at.select_slider(key="level").value == 0.7
    assert written(at) == query | {"model": "faces"}


def test_what_the_browser_says_is_kept_in_the_address_and_nonsense_is_not():
    def said(value: object) -> dict:
        return {"codes-mean-faces": {"value": {"value": value, "count": 1}}}

    assert written(visit({"stage": "mean"}, **said(7)))["averaged"] == "7"
    assert written(visit({"stage": "mean"}, **said(6.7)))["averaged"] == "7", "a whole number"
    assert written(visit({"stage": "mean"}, **said(99)))["averaged"] == "10"
    for nonsense in ("x", float("nan"), [1], None):
        at = visit({"stage": "mean"}, **said(nonsense))
        assert not at.exception and "averaged" not in written(at)


def test_draws_and_codes_of_many_dimensions_are_as_long_as_each_other():
    space = cache.latent_space("faces")
    found = codes.lengths(space, 0)
    middle = (np.arange(found.draws.shape[1]) + 0.5) * found.high / found.draws.shape[1]
    for counts in (found.draws, found.codes):
        mean = (counts * middle).sum(1) / counts.sum(1)
        assert mean[-1] == pytest.approx(np.sqrt(40), rel=0.05)
        assert (np.diff(mean) > 0).all()
    assert found.draws[0].argmax() <= 1, "in one dimension they gather at 0"
    near = middle < np.sqrt(40) / 2
    assert found.draws[-1][near].sum() == 0 == found.codes[-1][near].sum()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_mean_is_nobody_and_a_blend_is_somebody(seed):
    space = cache.latent_space("faces")
    some = space.mean[codes.shown_codes(space, seed)]
    weights = np.array([[1 / 3] * 3 + [0] * 7, [0.1] * 10])
    assert codes.percentiles(space, weights @ some).max() < 1
    assert codes.percentiles(space, blend(space.distribution, some, weights)).min() > 5


def test_the_path_that_is_shown_first_makes_the_difference_plain():
    space, first = cache.latent_space("faces"), numbers("codes")
    ends = space.mean[[first["from"], first["to"]]]
    middle = np.array([0.5])
    plain = np.concatenate([lerp(*ends, middle), slerp(*ends, middle)])
    assert codes.percentiles(space, plain).max() < 1
    assert codes.percentiles(space, space.distribution.path(*ends, middle, LEVEL))[0] > 5

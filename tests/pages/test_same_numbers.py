"""The same quantity of the same image is the same number on every page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui.shared import cache, estimates
from pages.ui.shared.formatting import bounds_in_words
from vae import load_dataset

ROOT = Path(__file__).resolve().parents[2]


def visit(page: str, model: str = "digits", **query: str) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120)
    at.session_state["model"] = model
    at.query_params.update(query)
    at.switch_page(f"{page}.py")
    at.run()
    assert not at.exception and not at.error
    return at


def number(text: str) -> float:
    """The first number of a text such as −161.8 ± 0.2."""
    return float(re.search(r"[−-]?[\d,.]+", text)[0].replace("−", "-").replace(",", ""))


@pytest.mark.parametrize("image", [pytest.param(7, marks=pytest.mark.soak), 415])
def test_the_map_and_the_lessons_agree_on_an_image(image):
    on_map = {m.label: m.value for m in visit("map", pins=str(image)).metric}
    shown = {name: number(value) for name, value in on_map.items()}
    assert shown["Reconstruction"] - shown["KL"] == pytest.approx(shown["ELBO"], abs=1e-6)
    assert shown["ELBO"] <= shown["Log evidence"]
    lesson = visit("learn_elbo", image=str(image), answers="shown")
    whole = next(m.value for m in lesson.markdown if r"\underbrace" in m.value)
    evidence, elbo, gap = map(float, re.findall(r"underbrace\{(-?[\d.]+)\}", whole))
    assert evidence == pytest.approx(elbo + gap, abs=1e-6)
    assert shown["ELBO"] == pytest.approx(elbo, abs=0.1), "to the last digit that both show"
    terms = visit("learn_terms", image=str(image), answers="shown")
    sums = (m.value for m in terms.markdown if r"\underbrace" in m.value)
    whole, reconstruction, kl = map(float, re.findall(r"underbrace\{(-?[\d.]+)\}", next(sums)))
    assert whole == pytest.approx(reconstruction + kl, abs=1e-6)
    assert (whole, kl) == pytest.approx((shown["ELBO"], -shown["KL"]), abs=0.1)
    if not on_map["Log evidence"].startswith("≥"):
        assert shown["Log evidence"] == pytest.approx(evidence, abs=0.1)


@pytest.mark.parametrize("model", [pytest.param("faces", marks=pytest.mark.soak), "digits-16"])
def test_the_lesson_on_inference_compares_with_the_elbo_on_the_map(model):
    on_map = {m.label: m.value for m in visit("map", model, pins="7").metric}
    query = {"from": "real", "image": "7", "steps": "50", "answers": "shown"}
    assert searched(visit("learn_amortised", model, **query))[0] == on_map["ELBO"]


def test_a_picture_of_ones_own_has_the_elbo_that_it_has_on_the_map():
    space = cache.latent_space("digits-16")
    x = load_dataset("digits", "train").images[11]
    on_map = bounds_in_words(estimates.estimate(space, x, lambda told: None, None))
    sent = io.BytesIO()
    Image.fromarray(x[0].mul(255).byte().numpy()).save(sent, "PNG")
    query = {"from": "upload", "steps": "50", "answers": "shown"}
    at = visit("learn_amortised", "digits-16", **query)
    at.file_uploader[0].set_value(("mine.png", sent.getvalue(), "image/png")).run()
    assert not at.exception and not at.error
    assert searched(at)[0] == on_map["ELBO"]


def searched(at: AppTest) -> list[str]:
    """The encoder's ELBO in the lesson's table, whose rows add up."""
    (found,) = [t.value for t in at.table if "Gain" in t.value]
    elbo, gains = found["ELBO, nats"].tolist(), found["Gain"].tolist()
    for own, gain in zip(elbo[1:], gains[1:], strict=True):
        unit = 0.1 if "." in elbo[0] else 1
        difference = number(own) - number(elbo[0])
        assert difference == pytest.approx(number(gain.replace("+", "")), abs=0.51 * unit)
    return elbo

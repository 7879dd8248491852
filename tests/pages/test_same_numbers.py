"""The same quantity of the same image is the same number on every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]


def visit(page: str, **query: str) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120)
    at.session_state["model"] = "digits"
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

"""The last lesson: its numbers are those of the lessons, and they bear out its sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.learn import autoencoder, conclusion, contents
from pages.ui.learn.texts import numbers
from pages.ui.shared import cache

ROOT = Path(__file__).resolve().parents[3]


def found(text: str) -> list[float]:
    """All numbers of a sentence."""
    plain = text.replace("−", "-").replace(",", "")
    return [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", plain)]


def test_each_lesson_has_its_sentence_and_the_numbers_are_those_of_the_lessons():
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120)
    at.switch_page("learn_conclusion.py").query_params["answers"] = "shown"
    at.run()
    assert not at.exception and not at.error
    texts = [text.value for text in at.markdown]
    count, evidence, elbo, gap = found(next(t for t in texts if "lower bound" in t))
    assert count == 1_000 and evidence - elbo == pytest.approx(gap, abs=1e-6) and gap > 0
    of, reconstruction, kl = found(next(t for t in texts if "two terms" in t))
    assert of == elbo == pytest.approx(reconstruction - kl, abs=1e-6)
    sentence = next(t for t in texts if "draws fall" in t)
    plain, variational = found(sentence.replace("N(0, I)", ""))[1:]
    twins = map(cache.latent_space, numbers("autoencoder")["twins"])
    assert [plain, variational] == [autoencoder.samples(t, "prior", 0)["clear"] for t in twins]
    assert plain < variational
    assert sum(text.startswith("**") for text in texts) >= len(contents.STEPS) - 1


def test_where_no_classifier_counts_there_is_a_dash(monkeypatch):
    monkeypatch.setattr(autoencoder, "halfway", lambda space, seed: None)
    monkeypatch.setattr(autoencoder, "samples", lambda *_: {"clear": None, "classes": None})
    written = []
    monkeypatch.setattr(conclusion.st, "markdown", written.append)
    conclusion.show_what_is_no_result(None, {"autoencoder": None, "variational": None})
    assert written[0].count("–") == 4

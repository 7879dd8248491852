"""The glossary: complete, consistent, and the same in the app and in the documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.ui.learn.contents import STEPS
from pages.ui.learn.texts import lesson
from pages.ui.shared.glossary import glossary, links_to, markdown, terms_in

ROOT = Path(__file__).resolve().parents[3]


def test_the_document_is_the_glossary():
    written = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert written == markdown(), "python -m pages.ui.shared.glossary > docs/glossary.md"


@pytest.mark.parametrize("term", glossary().values(), ids=lambda term: term.name)
def test_a_term_is_one_sentence_with_a_page_that_shows_it(term):
    assert term.sentence[0].isupper() and term.sentence.endswith(".")
    assert len(term.sentence) < 240
    assert (ROOT / "pages" / term.where).is_file()
    assert term.formula.count("{") == term.formula.count("}")


def test_terms_are_found_in_texts_and_lead_to_the_glossary():
    found = terms_in(["The *ELBO* is a bound on nats; an encoder's codes", "auto-encoder, klein"])
    assert found == ["code", "encoder", "ELBO", "nat"]
    assert links_to(["ELBO", "active unit"]) == (
        "[ELBO](glossary#elbo) · [active unit](glossary#active-unit)"
    )


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_lesson_leads_to_its_terms(step):
    assert len(terms_in(lesson(step.name).texts())) >= 4

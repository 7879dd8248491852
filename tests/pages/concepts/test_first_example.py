"""What the page of concepts shows to somebody who has chosen nothing."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from pages.ui.concepts import edit_report, verdict
from pages.ui.concepts.edit import EditResult

ROOT = Path(__file__).resolve().parents[3]


def test_the_first_example_of_digits_succeeds_and_names_a_class(monkeypatch):
    edits, of_others = [], verdict.of_others
    monkeypatch.setattr(
        edit_report, "of_others", lambda edit, *rest: edits.append(edit) or of_others(edit, *rest)
    )
    at = AppTest.from_file(ROOT / "pages" / "concepts.py", default_timeout=60)
    at.session_state["model"] = "digits"
    at.run()
    assert not at.exception and not at.error
    kind, words = verdict.of_picture(edits[-1], EditResult.of(edits[-1]).report)
    assert kind != "bad" and words.startswith("Success: ") and "class 0" in words, words
    assert at.multiselect[0].options[0] == "Class 0"

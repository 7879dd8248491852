"""What the page of concepts shows to somebody who has chosen nothing."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[3]


def test_the_first_example_of_digits_succeeds_and_names_a_class():
    at = AppTest.from_file(ROOT / "pages" / "concepts.py", default_timeout=60)
    at.session_state["model"] = "digits"
    at.run()
    assert not at.exception and not at.error
    words = [callout.value for callout in [*at.success, *at.warning]]
    assert any(w.startswith("Success: ") and "class 0" in w for w in words), words
    assert at.multiselect[0].options[0] == "Class 0"

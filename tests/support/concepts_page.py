"""The concepts page as a visitor opens it, without a browser."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

__all__ = ["VIEWS", "acting", "fine", "visit"]

PAGE = Path(__file__).resolve().parents[2] / "pages" / "concepts.py"
VIEWS = ("after", "before", "dose", "grid", "map", "lessons")


def visit(model: str = "tiny-faces", **state) -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.session_state["model"] = model
    for key, value in state.items():
        at.session_state[key.replace("_", "-")] = value
    return fine(at.run())


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [e.message for e in at.exception]
    assert not at.error or at.error[0].icon == ":material/cancel:"  # a verdict, not a failure
    return at


def acting(at: AppTest, model: str = "tiny-faces") -> list[str]:
    return at.session_state[f"concepts-{model}"]

"""A question to the room: it appears on every page, and the answers as they come."""

from __future__ import annotations

import streamlit as st

from pages.ui.components.room_question import show_answers
from pages.ui.shared import room

__all__ = ["show_questions"]

_FIRST = "Which of these two is closer to the first picture in the latent space?"


def show_questions() -> None:
    """Lets the presenter pose a question, and shows what was answered."""
    st.caption("Each lesson's own question has a button *Ask the room* beside it.")
    with st.form("question", border=False):
        text = st.text_input("Question", placeholder=_FIRST, max_chars=300)
        options = st.text_input(
            "Answers, with | between", "Yes | No | I do not know", max_chars=600
        )
        if st.form_submit_button("Ask", icon=":material/send:", type="primary"):
            given = [option.strip()[:100] for option in options.split("|") if option.strip()]
            if text.strip() and 2 <= len(given) <= 8:
                room.ask(text.strip(), given)
            else:
                st.error("A question needs a text, and two to eight answers with | between.")
    show_answers()

"""A question to the room: the button that poses it, and the answers as they come."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import streamlit as st

from pages.ui.components import address
from pages.ui.shared import permissions, room
from pages.ui.shared.foreign_text import plain

__all__ = ["offer_question", "ranges", "show_answers"]

_RANGES = 5


def offer_question(words: str, options: Sequence[str], label: str, key: str) -> None:
    """Lets the presenter of a room pose a page's question to everybody, and shows the answers.

    Args:
        words: question, as plain text.
        options: what may be answered.
        label: label of the button.
        key: key of the button.
    """
    if permissions.for_one_person() or not permissions.may_change():
        return
    asked = room.ROOM.question()
    if asked is None or asked[0].text != words[:300]:
        st.button(
            label,
            icon=":material/campaign:",
            key=key,
            on_click=room.ask,
            args=(words[:300], [option[:100] for option in options]),
        )
    else:
        show_answers(named=False)


def ranges(low: float, high: float) -> list[str]:
    """Answers to a question for a number.

    Args:
        low: least number.
        high: largest number.

    Returns:
        Parts of the range, as texts.
    """
    ends = [low + k * (high - low) / _RANGES for k in range(_RANGES + 1)]
    return [f"{a:.3g} – {b:.3g}" for a, b in itertools.pairwise(ends)]


def show_answers(named: bool = True) -> None:
    """Shows the answers to the room's question, every second anew, and lets it be ended.

    Args:
        named: whether the question's words are shown, too.
    """
    address.fragment(_show, run_every=1.0, writes=False)(named)


def _show(named: bool) -> None:
    asked = room.ROOM.question()
    if asked is None:
        st.caption("Nobody is asked anything now.")
        return
    question, counts = asked
    total = sum(counts)
    words = f"**{plain(question.text, longest=300)}** · " if named else ""
    st.markdown(f"{words}{total:,} answered")
    for option, count in zip(question.options, counts, strict=True):
        st.progress(count / max(total, 1), f"{plain(option)}: {count:,}")
    st.button("End the question", icon=":material/close:", on_click=room.end_question)

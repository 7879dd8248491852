"""Questions that a lesson asks before it shows something: predict, then look.

A lesson's texts have, under one key, `ask`, `because` with a sentence that gives the reason, and
for a choice `options`. The right answer is what the page computes. What a question keeps back is
shown once it was answered or passed over, or where the address says `answers=shown`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.components.latent_planes import Panel, live_planes
from pages.ui.components.room_question import offer_question, ranges
from pages.ui.learn import layout
from pages.ui.learn.texts import Lesson, lesson
from pages.ui.shared import embedding, links, visitor

__all__ = ["Question", "choice", "number", "place"]

_PASSED = "passed"  # in place of an answer


@dataclass(frozen=True)
class Question:
    """A question, as it stands with this visitor.

    Args:
        text: the lesson's words.
        key: where in them the question's are.
        given: the visitor's answer; None where there is none.
        looked: whether what it keeps back may be shown.
        slot: where the reason goes; None where nothing was asked.
    """

    text: Lesson
    key: str
    given: Any
    looked: bool
    slot: DeltaGenerator | None

    def tell(self, words: str) -> None:
        """Says something in place of the reason, as long as there is none."""
        if self.slot is not None:
            self.slot.markdown(words)

    def tell_choice(self, right: int, values: Mapping[str, object]) -> None:
        """Says which option is right, and why.

        Args:
            right: its place among the options.
            values: what the reason leaves open.
        """
        options = self.text.all(f"{self.key}.options")
        given = None if self.given is None else options[self.given]
        self._tell(given, options[right], self.given == right, dict(values))

    def tell_number(self, right: float, tolerance: float, shown: str, **values: object) -> None:
        """Says which number is right, and why.

        Args:
            right: the number.
            tolerance: how far from it an answer still counts.
            shown: the number as it is written.
            values: what the reason leaves open.
        """
        given = None if self.given is None else f"{self.given:g}"
        hit = self.given is not None and abs(self.given - right) <= tolerance
        self._tell(given, shown, hit, values)

    def tell_place(self, hit: bool, **values: object) -> None:
        """Says whether the place was right, and why.

        Args:
            hit: whether it was.
            values: what the reason leaves open.
        """
        self._tell(None, "", hit, values)

    def _tell(self, given: str | None, right: str, hit: bool, values: dict[str, object]) -> None:
        if self.slot is None:
            return
        frame, words = lesson("frame"), []
        if self.given is not None:
            if given is not None:
                words.append(frame("predict.yours", answer=given))
            colour, icon, how = ("green", "check_circle", "right") if hit else (
                "orange", "cancel", "wrong"
            )  # fmt: skip
            words.append(f":{colour}[:material/{icon}:] **{frame(f'predict.{how}')}**")
        if right and not (hit and self.given is not None):
            words.append(frame("predict.answer", answer=right))
        words.append(self.text(f"{self.key}.because", **values))
        self.slot.markdown(" ".join(words))


def choice(text: Lesson, key: str = "predict", **values: object) -> Question:
    """Asks which of a few options holds.

    Args:
        text: the lesson's words.
        key: where in them the question's are.
        values: what the question leaves open.
    """
    frame, options = lesson("frame"), text.all(f"{key}.options")

    def widget() -> int | None:
        return st.pills(
            frame("predict.title"),
            range(len(options)),
            format_func=options.__getitem__,
            label_visibility="collapsed",
            key=f"ask-{text.name}-{key}",
            wrap=True,
        )

    return _ask(text, key, widget, values, options)


def number(
    text: Lesson,
    low: float,
    high: float,
    step: float,
    key: str = "predict",
    **values: object,
) -> Question:
    """Asks for a number.

    Args:
        text: the lesson's words.
        low: the smallest that can be said.
        high: the largest.
        step: the smallest change.
        key: where in them the question's are.
        values: what the question leaves open.
    """
    frame = lesson("frame")

    def widget() -> float | None:
        with st.container(horizontal=True, width="content", gap="small"):
            given = st.number_input(
                frame("predict.title"), low, high, None, step, width=150,
                label_visibility="collapsed", key=f"ask-{text.name}-{key}",
            )  # fmt: skip
            sent = st.button(
                frame("predict.send"), key=f"send-{text.name}-{key}", disabled=given is None
            )
        return given if sent else None

    return _ask(text, key, widget, values, ranges(low, high))


def place(text: Lesson, panel: Panel, start: Sequence[float], key: str = "predict") -> Question:
    """Asks for a place on a plane.

    Args:
        text: the lesson's words.
        panel: the plane.
        start: where the mark stands first, in 0…1 from the lower left.
        key: where in them the question's are.

    Returns:
        The question; its answer is a place in the plane's own coordinates.
    """
    frame = lesson("frame")

    def widget() -> tuple[float, float] | None:
        with st.container(width=360):
            x, y = live_planes(
                [panel], key=f"ask-{text.name}-{key}", words=layout.plane_words(),
                start=(start[0], start[1]),
            )  # fmt: skip
        if not st.button(frame("predict.send"), key=f"send-{text.name}-{key}"):
            return None
        x0, x1, y0, y1 = panel.bounds
        return x0 + x * (x1 - x0), y0 + y * (y1 - y0)

    return _ask(text, key, widget, {})


def _ask(
    text: Lesson,
    key: str,
    widget: Callable[[], Any],
    values: Mapping[str, object],
    options: Sequence[str] = (),
) -> Question:
    """The card of a question: what it asks and how it is answered, or how that went."""
    frame, answers = lesson("frame"), visitor.current().predictions
    if links.read_names("answers", ("shown",)):
        links.put("answers", "shown")
        return Question(text, key, None, True, None)
    if embedding.on():  # which shows no questions
        return Question(text, key, None, True, None)
    kept = answers.get((text.name, key))
    with st.container(border=True, key=f"predict-{text.name}-{key}"):
        asked = text(f"{key}.ask", **values)
        st.markdown(f":material/psychology_alt: **{frame('predict.title')}** {asked}")
        slot = st.empty()
        if options:
            offer_question(asked, options, frame("predict.room"), f"room-{text.name}-{key}")
        if kept is None:
            with slot.container(horizontal=True, vertical_alignment="center"):
                given = widget()
                passed = st.button(
                    frame("predict.skip"), type="tertiary", key=f"pass-{text.name}-{key}"
                )
            if given is None and not passed:
                return Question(text, key, None, False, slot)
            answers[text.name, key] = kept = _PASSED if given is None else given
            slot.empty()
    return Question(text, key, None if kept == _PASSED else kept, True, slot)

"""The lecture's steps as a row of numbers, ticked where a visitor has done what a step is for.

The browser keeps the ticks, so that they outlive the tab.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import lessons as messages

__all__ = ["lesson_steps", "tick"]

_STEPS = Component("lesson_steps", Path(__file__).with_name("steps.js"), messages.StepsData)


def lesson_steps(titles: Mapping[str, str], here: str, *, label: str, done: str) -> None:
    """Shows the steps.

    Args:
        titles: titles by name, in order.
        here: name of the step that is open.
        label: what the row is, for screen readers.
        done: text after the title of a step that is done.
    """
    steps = [{"lesson": name, "title": title} for name, title in titles.items()]
    data = {"steps": steps, "here": here, "label": label, "done": done, "ticked": None}
    _STEPS.show(data, key="lesson-steps")


def tick(name: str) -> None:
    """Ticks a step off, wherever on the page; what was ticked stays so.

    Args:
        name: name of the step.
    """
    data = {"steps": [], "here": name, "label": "", "done": "", "ticked": name}
    _STEPS.show(data, key=f"lesson-tick-{name}")

"""Jensen's inequality in hand: weights on a function's curve, to be dragged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import lessons as messages

__all__ = ["jensen"]

_JENSEN = Component(
    "jensen", Path(__file__).with_name("jensen.js"), messages.JensenData, live=True
)


def jensen(
    weights: Sequence[float],
    *,
    above: str,
    below: str,
    gap: str,
    words: Mapping[str, str | dict[str, str]],
    key: str,
) -> None:
    """Draws a function f(w) with a point for each weight; dragging one moves both means at once.

    Args:
        weights: at first, each in 0.02…4.
        above: colour of f of the mean, CSS.
        below: colour of the mean of f, CSS.
        gap: colour of what lies between, CSS.
        words: texts of the component, as `messages.JensenWords`.
        key: key of the component.
    """
    data = {"weights": list(weights), "above": above, "below": below, "gap": gap, "words": words}
    _JENSEN.show(data, key=key)

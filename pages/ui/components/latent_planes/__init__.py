"""Planes of 2-D latent spaces under one pointer, each decoded live in the browser."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pages.ui.components.base import Component
from pages.ui.components.messages import lessons as messages
from pages.ui.shared import links, plot_style
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.packing import packed

__all__ = ["Ellipse", "Field", "Gap", "Panel", "live_gaussian", "live_planes"]

_PLANE = Component(
    "live_planes",
    Path(__file__).with_name("plane.js"),
    messages.PlaneData,
    {"at": messages.PlanePlace, "gaussian": messages.PlaneGaussian},
    live=True,
)


_FAR = 100.0  # what a visitor can drag a Gaussian to


@dataclass(frozen=True)
class Ellipse:
    """A Gaussian with independent axes, drawn at one deviation, or as many as `radius` says.

    Args:
        mean: `(2,)`.
        sigma: `(2,)`.
        colour: CSS.
        radius: radius in standard deviations.
        dashed: whether the line is dashed.
    """

    mean: Sequence[float]
    sigma: Sequence[float]
    colour: str
    radius: float = 2.0
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Field:
    """A quantity over the whole plane, shown as a tint and as a number under the pointer.

    Args:
        values: `(S, S)`; rows are the second axis, from low to high.
        label: label in plain text.
        colour: CSS, as #rrggbb.
        low: no tint.
        high: full tint.
        digits: after the decimal point.
    """

    values: np.ndarray
    label: str
    colour: str
    low: float = 0.0
    high: float = 1.0
    digits: int = 2


@dataclass(frozen=True, eq=False)
class Panel:
    """One plane.

    Args:
        title: above it.
        bounds: (x from, x to, y from, y to).
        model: model that decodes the point under the pointer; None for no picture.
        points: codes `(N, 2)`.
        classes: `(N,)`, which colour each point has; -1 is grey.
        field: behind the points.
        ellipses: over the points.
        rings: circles of 1, 2 and 3 standard deviations of the prior.
        marked: whether the mark is drawn although nothing is decoded.
        names: names of the axes.
        note: below the plane.
    """

    title: str
    bounds: tuple[float, float, float, float]
    model: str | None = None
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    classes: np.ndarray | None = None
    field: Field | None = None
    ellipses: Sequence[Ellipse] = ()
    rings: bool = False
    marked: bool = False
    names: tuple[str, str] = ("z₁", "z₂")
    note: str = ""


@dataclass(frozen=True)
class Gap:
    """What ticks a lesson off: the pointer crosses places that are far from all codes of a panel.

    Args:
        lesson: name of the lesson.
        far: distance to the nearest code that is far, in the panel's own units.
        panel: the panel's number.
    """

    lesson: str
    far: float
    panel: int = 0


def live_planes(
    panels: Sequence[Panel],
    *,
    key: str,
    words: dict[str, str],
    start: tuple[float, float] = (0.5, 0.5),
    legend: Sequence[str] = (),
    gap: Gap | None = None,
) -> tuple[float, float]:
    """Shows planes under one pointer: it stands at the same relative place on each.

    Args:
        panels: one or a few.
        key: key of the component.
        words: texts of the component, as `messages.PlaneWords`.
        start: initial position of the pointer, in 0…1 from the lower left.
        legend: names of the classes.
        gap: what ticks a lesson off, if anything does.

    Returns:
        Where the visitor last clicked, in 0…1 from the lower left.
    """
    heard = _PLANE.heard(key, "at")
    x, y = heard.value or start
    at = (min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0))
    names = [plain(name, "text") for name in legend]
    state = {"at": heard.answer(at, key), "legend": names, "words": words}
    if gap is not None:
        state["gap"] = {"lesson": gap.lesson, "panel": gap.panel, "far": gap.far}
    _mount(panels, key, state)
    return at


def live_gaussian(
    panel: Panel,
    mean: Sequence[float],
    sigma: Sequence[float],
    *,
    key: str,
    noise: np.ndarray,
    words: dict[str, str],
    colour: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Lets the visitor move and widen a Gaussian on a plane, and shows what its draws decode to.

    Args:
        panel: the plane; its model decodes.
        mean: `(2,)` at first.
        sigma: `(2,)` at first.
        key: key of the component, which starts again under another key.
        noise: ε `(K, 2)` of the draws that are shown.
        words: texts of the component, as `messages.PlaneWords`.
        colour: colour of the ellipse, as in CSS.

    Returns:
        Mean and standard deviation where the visitor last released it.
    """
    heard = _PLANE.heard(key, "gaussian")
    first = [*map(float, mean), *map(float, sigma)]
    gaussian = np.clip(heard.value or first, [-_FAR, -_FAR, 1e-3, 1e-3], _FAR)
    held = heard.answer(gaussian.tolist(), f"{key}|{first}")
    state = {"gaussian": held, "colour": colour, "noise": noise.tolist(), "words": words}
    _mount([panel], key, state)
    return gaussian[:2], gaussian[2:]


def _mount(panels: Sequence[Panel], key: str, state: dict[str, Any]) -> None:
    data = {
        "base": links.base_path(),
        "palette": plot_style.COLOURS,
        "panels": [_panel(p) for p in panels],
        "legend": [],
        **state,
    }
    kept = [p | {"ellipses": 0} for p in data["panels"]]
    subject = state.get("gaussian", state.get("at"))["subject"]
    shape = json.dumps([key, kept, subject, state.get("noise")], sort_keys=True)
    data["layout"] = hashlib.sha256(shape.encode()).hexdigest()[:16]
    _PLANE.show(data, key=key)


def _panel(panel: Panel) -> dict[str, Any]:
    classes = panel.classes
    if classes is None:
        classes = np.full(len(panel.points), -1)
    shown = None
    if panel.field is not None:
        f = panel.field
        shown = {
            "values": packed(f.values),
            "side": f.values.shape[1],
            "label": f.label,
            "colour": f.colour,
            "low": f.low,
            "high": f.high,
            "digits": f.digits,
        }
    return {
        "title": panel.title,
        "bounds": [float(b) for b in panel.bounds],
        "model": panel.model,
        "points": packed(panel.points),
        "classes": packed(classes),
        "field": shown,
        "ellipses": [
            {
                "mean": [float(v) for v in e.mean],
                "sigma": [float(v) for v in e.sigma],
                "colour": e.colour,
                "radius": e.radius,
                "dashed": e.dashed,
            }
            for e in panel.ellipses
        ],
        "rings": panel.rings,
        "marked": panel.marked,
        "names": list(panel.names),
        "note": panel.note,
    }

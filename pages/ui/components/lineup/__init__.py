"""Pictures side by side under one slider: different ways through the codes, decoded live."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pages.ui.components.base import Component
from pages.ui.components.messages import paths as messages
from pages.ui.components.sliders import Slider, Track
from pages.ui.shared import links
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace

__all__ = ["Histogram", "Panel", "Plane", "lineup"]

_LINEUP = Component(
    "lineup",
    Path(__file__).with_name("lineup.js"),
    messages.LineupData,
    {"value": float},
    live=True,
)


@dataclass(frozen=True, eq=False)
class Panel:
    """One of the pictures.

    Args:
        title: the words below it.
        alt: alternative text for screen readers.
        kind: map from the slider's value to a code, see `messages.LineupPanel`.
        codes: the codes that it starts from, `(K, D)`.
        colour: the colour that tells it from the others.
        level: level of noise for a path through the learned distribution.
    """

    title: str
    alt: str
    kind: str
    codes: np.ndarray
    colour: str
    level: float = 1.0

    def as_data(self) -> dict[str, Any]:
        """What the browser is sent."""
        codes = np.asarray(self.codes, dtype=np.float64).tolist()
        return {**vars(self), "codes": codes, "level": float(self.level)}


@dataclass(frozen=True, eq=False)
class Histogram:
    """Lengths of codes, by how many of their dimensions are counted.

    Args:
        label: label in plain text.
        series: the name, the colour and the counts `(D, bins)` of each set of codes.
        high: the length at which the last bin ends.
    """

    label: str
    series: Sequence[tuple[str, str, np.ndarray]]
    high: float

    def as_data(self) -> dict[str, Any]:
        """What the browser is sent."""
        series = [
            {"name": name, "colour": colour, "counts": counts.tolist()}
            for name, colour, counts in self.series
        ]
        return {"kind": "histogram", "label": self.label, "series": series, "high": self.high}


@dataclass(frozen=True, eq=False)
class Plane:
    """A path among codes, on two directions.

    Args:
        label: label in plain text.
        points: the places of codes, `(N, 2)`.
        path: the places from the slider's lower end to its upper one, `(T, 2)`.
        colour: the colour of the path.
    """

    label: str
    points: np.ndarray
    path: np.ndarray
    colour: str

    def as_data(self) -> dict[str, Any]:
        """What the browser is sent."""
        return {
            "kind": "plane",
            "label": self.label,
            "points": _packed(self.points),
            "path": _packed(self.path),
            "colour": self.colour,
        }


def lineup(
    space: LatentSpace,
    panels: Sequence[Panel],
    slider: Slider,
    *,
    key: str,
    at: float,
    tracks: Sequence[Track] = (),
    plot: Histogram | Plane | None = None,
    order: Sequence[int] = (),
    thumbnails: Sequence[tuple[str, str]] = (),
    frames: int = 0,
) -> float:
    """Shows pictures that follow one slider while it is dragged.

    Args:
        space: the model, which has a learned distribution.
        panels: the pictures, one or a few.
        slider: the slider that all of them follow.
        key: the key of the component.
        at: initial position of the slider.
        tracks: the diagrams below, on the slider's axis.
        plot: the diagram beside the pictures.
        order: the order of the dimensions, for a panel of the first ones.
        thumbnails: the URL and words of small pictures; as many are bright as the slider says.
        frames: how many small pictures of the first panel are shown beside it, from one end of
            the slider to the other.

    Returns:
        Where the visitor last let go.
    """
    heard = _LINEUP.heard(key, "value")
    value = at if heard.value is None else float(heard.value)
    steps = round((value - slider.low) / slider.step)
    value = min(max(slider.low + steps * slider.step, slider.low), slider.high)
    data = {
        "base": links.base_path(),
        "model": space.name,
        "shape": list(space.shape),
        "slider": asdict(slider),
        "panels": [panel.as_data() for panel in panels],
        "tracks": [track.as_data() for track in tracks],
        "plot": None if plot is None else plot.as_data(),
        "order": list(map(int, order)),
        "thumbnails": [{"url": url, "alt": plain(alt, "text")} for url, alt in thumbnails],
        "frames": frames,
    }
    # Built again, and the slider back at its start, only when what it walks through is another.
    shape = [data[name] for name in ("model", "slider", "panels", "thumbnails", "frames")]
    data["layout"] = hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]
    data["value"] = heard.answer(value)
    _LINEUP.show(data, key=key)
    return value


def _packed(places: np.ndarray) -> str:
    return base64.b64encode(np.asarray(places, dtype="<f4").tobytes()).decode()

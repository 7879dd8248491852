"""Live sliders: pictures that follow while a slider is dragged, decoded in the browser.

Everything dragged is a place θ in a family of codes, z(θ) = z0 + Σ w_k(θ) v_k. Python hears of θ
when the visitor lets go, and draws nothing anew: what is shown of it, the browser computes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pages.ui.components import release
from pages.ui.components.base import Component
from pages.ui.components.messages import paths as messages
from pages.ui.components.messages.paths import SliderTells
from pages.ui.shared import links
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace

__all__ = [
    "Curve",
    "Slider",
    "Track",
    "live_path",
    "live_sliders",
    "live_square",
    "tells",
]

_LIVE = Component(
    "live_decoder",
    Path(__file__).with_name("sliders.js"),
    messages.SliderData,
    live=True,
)


@dataclass(frozen=True)
class Slider:
    """One slider.

    Args:
        label: label in plain text.
        low: left end.
        high: right end.
        value: initial value, to which a double click returns.
        step: the smallest change.
        unit: shown after the value.
    """

    label: str
    low: float = -3.0
    high: float = 3.0
    value: float = 0.0
    step: float = 0.01
    unit: str = ""


def tells(
    space: LatentSpace, *, near: bool = False, judge: messages.EditJudge | None = None
) -> SliderTells:
    """What is said of the code at which sliders stand: by the browser, later by the server.

    Args:
        space: the model.
        near: whether the nearest real images are shown.
        judge: how the classifier judges an edit.
    """
    live, scale = links.live(space.name, space.stamp), space.neighbour_distances
    return {
        "about": f"{live}/about.json",
        "image": f"{live}/image.png",
        "near": near,
        "usual_distance": scale.usual if scale.judged else None,
        "judge": judge,
    }


def live_sliders(
    space: LatentSpace,
    bases: Sequence[tuple[str, np.ndarray]],
    vectors: np.ndarray,
    sliders: Sequence[Slider],
    *,
    key: str,
    strip: int = 7,
    before: bool = False,
    size: int = 208,
    at: Sequence[float] | None = None,
    level: float | None = None,
    tells: SliderTells | None = None,
    on_release: Callable[[np.ndarray], None] | None = None,
) -> np.ndarray:
    """Adds vectors to codes by sliders: z = z0 + Σ θ_k v_k, for every base at once.

    Args:
        space: the model.
        bases: title and code z0 `(D,)` of each picture that is shown, one or a few.
        vectors: `(K, D)`, what one unit of each slider adds.
        sliders: K of them.
        key: key of the component.
        strip: frames of each slider's film strip, 0 for none; it shows the first base.
        before: shows the untouched decode beside each picture.
        size: width of a large picture in CSS pixels.
        at: initial positions of the sliders, by default their values.
        level: level of the noise that bases and vectors are; None if they are codes.
        tells: what is said of the code, see `tells`.
        on_release: called with θ `(K,)` whenever a slider is let go.

    Returns:
        θ `(K,)` at the last release of a slider.
    """
    vectors = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    options = {"strip": strip, "before": before, "size": size, "level": level}
    free = {"tells": tells}
    return _mount(
        space, key, "linear", list(bases), vectors, sliders, on_release, at, free, **options
    )


@dataclass(frozen=True)
class Curve:
    """A line over a path's positions.

    Args:
        name: shown before its value; "" where the track's label says it.
        values: `(M,)`, one for each position of the track; left out where it is not finite.
        colour: colour, as in CSS.
        unit: shown after the value, with its space.
        digits: after the decimal point.
        area: fills what is below.
    """

    name: str
    values: np.ndarray
    colour: str
    unit: str = ""
    digits: int = 0
    area: bool = False


@dataclass(frozen=True)
class Track:
    """A small diagram below a path's slider.

    Args:
        label: label in plain text.
        at: positions t `(M,)`.
        curves: one or a few.
        low: value at the bottom.
        high: value at the top.
        ends: words for top and bottom.
        bands: name, low, high and colour of ranges to compare with.
        shaded: intervals (from, to) to mark.
        empty: text in place of a value of 0.
    """

    label: str
    at: np.ndarray
    curves: Sequence[Curve]
    low: float
    high: float
    ends: tuple[str, str] = ("", "")
    bands: Sequence[tuple[str, float, float, str]] = ()
    shaded: Sequence[tuple[float, float]] = ()
    empty: str = ""

    def as_data(self) -> dict[str, Any]:
        """What the browser is sent."""
        bands = [
            {"name": name, "from": float(low), "to": float(high), "colour": colour}
            for name, low, high, colour in self.bands
        ]
        curves = [
            asdict(c)
            | {
                "name": plain(c.name, "text"),
                "values": [v if math.isfinite(v) else None for v in np.asarray(c.values).tolist()],
            }
            for c in self.curves
        ]
        return {
            **vars(self),
            "kind": "curves",
            "at": np.asarray(self.at).tolist(),
            "low": float(self.low),
            "high": float(self.high),
            "bands": bands,
            "curves": curves,
        }


def live_path(
    space: LatentSpace,
    a: np.ndarray,
    b: np.ndarray,
    *,
    key: str,
    arc: bool = False,
    level: float | None = None,
    curve: np.ndarray | None = None,
    title: str = "on the path",
    strip: int = 9,
    overshoot: float = 0.0,
    at: float = 0.5,
    crossfade: bool = False,
    nearest: tuple[Sequence[int], Sequence[tuple[str, str]]] | None = None,
    pictures: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (),
    tracks: Sequence[Track] = (),
    outside: Sequence[tuple[float, float]] = (),
    size: int = 240,
    on_release: Callable[[np.ndarray], None] | None = None,
) -> float:
    """Walks from one code to another by one slider, with a button that plays it.

    Args:
        space: the model.
        a: code `(D,)` at t = 0.
        b: code `(D,)` at t = 1.
        key: key of the component.
        arc: turns the direction evenly (slerp) instead of the straight line.
        level: how far back to noise the arc is taken, through the learned distribution; None
            for a path of the codes themselves.
        curve: codes `(M, D)` at equally spaced positions from a to b, straight in between.
        title: below the large picture.
        strip: frames of the film strip.
        overshoot: extent of the slider beyond both ends.
        at: t where the slider first stands.
        crossfade: shows the mixture of the two decoded pictures too.
        nearest: which of the pictures (URL, words) that follow is the nearest real image, for
            positions from one end of the slider to the other.
        pictures: rows below the strip: a label, and URL and words of a picture for each frame.
        tracks: diagrams below, on the slider's axis.
        outside: intervals (from, to) whose frames are marked.
        size: width of the large picture in CSS pixels.
        on_release: called with t `(1,)` whenever the slider is let go.

    Returns:
        t at the last release of the slider.
    """
    slider = Slider(
        "Position on the path, from A (0) to B (1)", -overshoot, 1 + overshoot, 0.5, 0.005
    )
    ends = np.stack([a, b]).astype(np.float64)
    if level is not None:
        ends = space.distribution.to_noise(ends, level)
    bent = arc or level is not None
    weighting, vectors = ("arc", ends) if bent else ("linear", ends[1:] - ends[:1])
    if curve is not None:
        weighting, vectors = "through", curve.astype(np.float64)
    rows = [
        {"kind": "pictures", "label": label, "items": _items(items)} for label, items in pictures
    ]
    free: dict[str, Any] = {"tracks": [*rows, *(t.as_data() for t in tracks)]}
    free |= {"outside": list(outside), "level": level}
    if nearest:
        which, items = nearest
        free["nearest"] = {"which": list(which), "items": _items(items)}
    values = _mount(
        space,
        key,
        weighting,
        [(title, a)],
        vectors,
        [slider],
        on_release,
        [at],
        free,
        strip=strip,
        play=True,
        crossfade=crossfade,
        size=size,
    )
    return float(values[0])


def _items(pictures: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"url": url, "alt": plain(words, "text")} for url, words in pictures]


def live_square(
    space: LatentSpace,
    corners: np.ndarray,
    *,
    key: str,
    steps: int = 7,
    at: tuple[float, float] = (0.5, 0.5),
    size: int = 240,
    level: float | None = None,
    tells: SliderTells | None = None,
    on_release: Callable[[np.ndarray], None] | None = None,
) -> tuple[float, float]:
    """Blends four codes: a square of pictures, and a mark on it that is decoded as it moves.

    Args:
        space: the model.
        corners: codes `(4, D)`: top left, top right, bottom left, bottom right.
        key: key of the component.
        steps: pictures a side.
        at: (x, y) where the mark first stands.
        size: width of the large picture in CSS pixels.
        level: blends in noise of this level, through the learned distribution; None averages
            the codes.
        tells: what is said of the code, see `tells`.
        on_release: called with (x, y) `(2,)` whenever the mark is let go.

    Returns:
        (x, y) in 0…1, from the top left, at the last release.
    """
    sliders = [Slider("across", 0, 1, 0.5), Slider("down", 0, 1, 0.5)]
    if level is not None:
        corners = space.distribution.to_noise(corners, level)
    corners = np.asarray(corners, dtype=np.float64)
    bases = [("At the mark · generated", corners[0])]
    options = {"steps": steps, "size": size, "level": level}
    free = {"tells": tells}
    x, y = _mount(space, key, "bilinear", bases, corners, sliders, on_release, at, free, **options)
    return float(x), float(y)


def _mount(
    space: LatentSpace,
    key: str,
    weighting: str,
    bases: list[tuple[str, np.ndarray]],
    vectors: np.ndarray,
    sliders: Sequence[Slider],
    on_release: Callable[[np.ndarray], None] | None,
    start: Sequence[float] | None,
    free: dict[str, Any],
    **options: Any,
) -> np.ndarray:
    """Mounts the component; what is in `free` may change without it being built again."""
    start = np.array([s.value for s in sliders] if start is None else start, dtype=float)
    low, high = np.array([(s.low, s.high) for s in sliders]).reshape(-1, 2).T

    def valid(positions: Sequence[float] | None) -> np.ndarray:
        if positions is None or len(positions) != len(sliders):  # it was said of other sliders
            positions = start
        return np.clip(np.array(positions, dtype=float), low, high)

    heard = release.heard(key)
    values = valid(heard.value)
    data = {
        "base": links.base_path(),
        "key": key,
        "model": space.name,
        "shape": list(space.shape),
        "gaussian": space.model.config.likelihood == "gaussian",
        "weighting": weighting,
        "bases": [
            {"title": plain(title, "text"), "z": np.asarray(z).tolist()} for title, z in bases
        ],
        "vectors": vectors.tolist(),
        "sliders": [asdict(s) | {"label": plain(s.label, "text")} for s in sliders],
        "strip": 0,
        "before": False,
        "play": False,
        "steps": 7,
        "crossfade": False,
        "level": None,
        "tells": None,
        **options,
        **free,
    }
    # The page's parts are built again, and the sliders go back to their start, only when
    # `layout` changes: not whenever something else reruns.
    titles = [base["title"] for base in data["bases"]]
    shape = [space.name, weighting, titles, data["sliders"], options]
    data["layout"] = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
    data["values"] = heard.answer(values.tolist(), data["layout"])
    _LIVE.show(data, key=key)
    release.hear(key, on_release and (lambda said: on_release(valid(said))))
    return values

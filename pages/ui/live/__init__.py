"""Live sliders: pictures that follow while a slider is dragged, decoded in the browser.

Everything dragged is a place θ in a family of codes, z(θ) = z0 + Σ w_k(θ) v_k. Python hears of θ
when the visitor lets go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui import session
from pages.ui.reference import Reference

__all__ = ["Slider", "live_path", "live_sliders", "live_square"]

_HERE = Path(__file__).parent
_LIVE = st.components.v2.component(
    "live_decoder",
    html=(_HERE / "live.html").read_text(encoding="utf-8"),
    css=(_HERE / "live.css").read_text(encoding="utf-8"),
    js="\n".join((_HERE / f).read_text(encoding="utf-8") for f in ("family.js", "live.js")),
)


@dataclass(frozen=True)
class Slider:
    """One slider.

    Args:
        label: in plain words.
        low: left end.
        high: right end.
        value: where it starts, and goes back to on a double click.
        step: the smallest change.
        unit: shown after the value.
    """

    label: str
    low: float = -3.0
    high: float = 3.0
    value: float = 0.0
    step: float = 0.01
    unit: str = ""


def live_sliders(
    ref: Reference,
    bases: Sequence[tuple[str, np.ndarray]],
    vectors: np.ndarray,
    sliders: Sequence[Slider],
    *,
    key: str,
    strip: int = 7,
    before: bool = False,
    size: int = 208,
) -> np.ndarray:
    """Adds vectors to codes by sliders: z = z0 + Σ θ_k v_k, for every base at once.

    Args:
        ref: the model.
        bases: title and code z0 `(D,)` of each picture that is shown, one or a few.
        vectors: `(K, D)`, what one unit of each slider adds.
        sliders: K of them.
        key: of the component.
        strip: frames of each slider's film strip, 0 for none; it shows the first base.
        before: shows the untouched decode beside each picture.
        size: width of a large picture in CSS pixels.

    Returns:
        θ `(K,)` where the visitor last let go.
    """
    vectors = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    return _mount(
        ref, key, "linear", list(bases), vectors, sliders, strip=strip, before=before, size=size
    )


def live_path(
    ref: Reference,
    a: np.ndarray,
    b: np.ndarray,
    *,
    key: str,
    arc: bool = False,
    title: str = "on the way",
    strip: int = 9,
    overshoot: float = 0.0,
    size: int = 240,
) -> float:
    """Walks from one code to another by one slider, with a button that plays it.

    Args:
        ref: the model.
        a: code `(D,)` at t = 0.
        b: code `(D,)` at t = 1.
        key: of the component.
        arc: turns the direction evenly (slerp) instead of the straight line.
        title: below the large picture.
        strip: frames of the film strip.
        overshoot: how far the slider goes beyond both ends.
        size: width of the large picture in CSS pixels.

    Returns:
        t where the visitor last let go.
    """
    slider = Slider("Position on the path", -overshoot, 1 + overshoot, 0.5, 0.005)
    ends = np.stack([a, b]).astype(np.float64)
    if arc:
        values = _mount(
            ref, key, "arc", [(title, a)], ends, [slider], strip=strip, play=True, size=size
        )
    else:
        step = ends[1:] - ends[:1]
        values = _mount(
            ref, key, "linear", [(title, a)], step, [slider], strip=strip, play=True, size=size
        )
    return float(values[0])


def live_square(
    ref: Reference, corners: np.ndarray, *, key: str, steps: int = 7, size: int = 240
) -> tuple[float, float]:
    """Blends four codes: a square of pictures, and a mark on it that is decoded as it moves.

    Args:
        ref: the model.
        corners: codes `(4, D)`: top left, top right, bottom left, bottom right.
        key: of the component.
        steps: pictures a side.
        size: width of the large picture in CSS pixels.

    Returns:
        (x, y) in 0…1, from the top left, where the visitor last let go.
    """
    sliders = [Slider("across", 0, 1, 0.5), Slider("down", 0, 1, 0.5)]
    corners = np.asarray(corners, dtype=np.float64)
    bases = [("between the four corners", corners[0])]
    x, y = _mount(ref, key, "bilinear", bases, corners, sliders, steps=steps, size=size)
    return float(x), float(y)


def _mount(
    ref: Reference,
    key: str,
    weighting: str,
    bases: list[tuple[str, np.ndarray]],
    vectors: np.ndarray,
    sliders: Sequence[Slider],
    **options: Any,
) -> np.ndarray:
    start = np.array([s.value for s in sliders])
    values = _released(st.session_state.get(key, {}).get("values"), sliders, start)
    data = {
        "base": session.base_path(),
        "key": key,
        "model": ref.name,
        "shape": list(ref.shape),
        "gaussian": ref.model.config.likelihood == "gaussian",
        "weighting": weighting,
        "bases": [{"title": title, "z": np.asarray(z).tolist()} for title, z in bases],
        "vectors": vectors.tolist(),
        "sliders": [asdict(s) for s in sliders],
        "strip": 0,
        "before": False,
        "play": False,
        "steps": 7,
        **options,
    }
    # The page's parts are built again only when `layout` changes, and the sliders go back to
    # their start only when `token` does: not whenever something else reruns.
    titles = [title for title, _ in bases]
    shape = [ref.name, weighting, titles, data["sliders"], options]
    data["layout"] = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
    data["token"] = data["layout"]
    data["values"] = values.tolist()
    _LIVE(key=key, data=data, on_values_change=lambda: None)
    return values


def _released(found: object, sliders: Sequence[Slider], start: np.ndarray) -> np.ndarray:
    """What the browser sent, if it makes sense; each value within its slider's ends."""
    if not isinstance(found, list) or len(found) != len(sliders):
        return start
    if not all(isinstance(v, int | float) and np.isfinite(v) for v in found):
        return start
    ends = np.array([(s.low, s.high) for s in sliders])
    return np.clip(np.array(found, dtype=float), ends[:, 0], ends[:, 1])

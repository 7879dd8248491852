"""A path between two pictures: its decoded codes, and its distance from the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.ui.components.sliders import Curve, Track, live_path
from pages.ui.interpolate import endpoints
from pages.ui.interpolate.as_python import path_as_python
from pages.ui.interpolate.ways import WAYS, Path, offer_comparison, possible, shortest, ways_of
from pages.ui.shared import (
    cache,
    export,
    formatting,
    images,
    links,
    plot_style,
    share,
)
from pages.ui.shared.glossary import explain
from pages.ui.shared.inside import EDGE, INSIDE
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from vae.code_distribution import LEVEL
from vae.codes import decode
from vae.latent import UNJUDGED, density, intervals, neighbours

__all__ = ["Facts", "facts", "path_file", "path_view"]

LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)  # how far back to noise a learned path goes
FRAMES = (5, 7, 9, 11, 13, 17)
_MIDDLE = (0.5,)
_OVERSHOOT = 0.5  # t from -0.5 to 1.5
_POSITIONS = 49  # where a path is measured; enough for curves, and for each frame to be near one
_SPARSE = 4  # every so many positions a log density is computed
_MOST_ANSWERS = 4  # curves of the classifier that can still be told apart
_GIF_STEPS, _GIF_SECONDS = 24, 2.0  # one way


@dataclass(frozen=True)
class Facts:
    """Measurements along a path.

    Args:
        at: positions t `(M,)`.
        counts: codes within reach at each position, `(M,)`; None where near and far cannot be
            told apart.
        reach: the radius that they are counted in; None likewise.
        outside: intervals of t that lie outside the data: by the learned distribution, or where
            no code is within reach.
        nearest: rows of the nearest real image at each position, `(M,)`.
        norms: |z| at each position, `(M,)`.
        likely: share of held-out codes that are less likely under the learned distribution, at
            every fourth position; None without one.
        predicted: probabilities `(M,)` by the classifier's names; empty where there is none.
        exclusive: whether the names are classes, of which one is right.
    """

    at: np.ndarray
    counts: np.ndarray | None
    reach: float | None
    outside: list[tuple[float, float]]
    nearest: np.ndarray
    norms: np.ndarray
    likely: np.ndarray | None
    predicted: dict[str, np.ndarray]
    exclusive: bool


@cache.shared(64)
@torch.no_grad()
def facts(space: LatentSpace, a: np.ndarray, b: np.ndarray, path: Path, overshoot: float) -> Facts:
    """Measures a path against the data.

    Args:
        space: the model.
        a: code `(D,)`.
        b: code `(D,)`.
        path: path between the codes.
        overshoot: extent of the path beyond both endpoints, as a share of its length.
    """
    at = np.linspace(-overshoot, 1 + overshoot, _POSITIONS)
    z = path.along(space, a, b, at)
    scale = space.neighbour_distances
    radius = scale.far if scale.judged else None
    counts = None if radius is None else density(space.mean, z, radius)
    rows, _ = neighbours(space.mean, z, 1)
    likely = space.likelihood_percentiles(z[::_SPARSE])
    if likely is not None:
        outside = intervals(likely < EDGE, at[::_SPARSE])
    else:
        outside = [] if counts is None else intervals(counts == 0, at)
    classifier = space.classifier
    predicted: dict[str, np.ndarray] = {}
    if classifier is not None:
        probabilities = classifier.probabilities(decode(space.model, z)).numpy()
        # Classes by how likely they get, attributes by how much they change.
        weight = probabilities.max(0) if classifier.exclusive else np.ptp(probabilities, axis=0)
        chosen = np.argsort(-weight, kind="stable")[:_MOST_ANSWERS]
        distinct = [k for k in chosen if weight[k] > 0.1] or chosen[:1]
        predicted = {classifier.names[k]: probabilities[:, k] for k in distinct}
    return Facts(
        at,
        counts,
        radius,
        outside,
        rows[:, 0],
        np.linalg.norm(z, axis=1),
        likely,
        predicted,
        bool(classifier is not None and classifier.exclusive),
    )


def path_file(
    space: LatentSpace,
    a: np.ndarray,
    b: np.ndarray,
    at: np.ndarray,
    path: Path,
    about: dict[str, Any],
) -> bytes:
    """A path as `.npz`: `z` (N, D), `t` (N,), the ends `a` and `b`, and `settings` as JSON."""
    level = {"level": path.level} if path.way == "learned" else {}
    z = path.along(space, a, b, at)
    return export.arrays({"way": path.way, **level, **about}, z=z, t=at, a=a, b=b)


def path_view(space: LatentSpace) -> None:
    """A path from A to B: the slider, what lies along it, and its export."""
    left, right = st.columns([3, 1], gap="medium")
    with right:
        a, b = endpoints.choose_ends(space, ("A", "B"))
        ways = ways_of(space)
        way = st.radio(
            "Interpolation",
            ways,
            format_func=WAYS.get,
            **links.choice("way", ways, ways[0], labels=WAYS.get),
            horizontal=True,
            help=explain(
                "interpolation",
                "A straight line passes closer to the origin, where a model with many dimensions "
                "has no codes. The default suits the number of dimensions. The shortest way in "
                "pixels follows the metric of the decoder: it changes the picture least.",
            ),
        )
        level = LEVEL
        if way == "learned":
            level = st.select_slider(
                "Level",
                LEVELS,
                **links.choice("level", LEVELS, LEVEL),
                help=explain(
                    "learned distribution",
                    "The level is how far both ends go back towards noise before the arc is taken "
                    "there. Higher: the middle is more likely; lower: more of what A and B share "
                    "is kept.",
                ),
            )
        path = possible(space, a, b, Path(way, level))
        way = path.way
        frames = st.select_slider(
            "Frames",
            FRAMES,
            **links.choice("frames", FRAMES, 9),
        )
        beyond = st.toggle(
            "Extrapolate beyond A and B",
            **links.flag("overshoot"),
            help="Extends the path by half its length on both sides.",
        )
        take = st.container(horizontal=True, gap="small")
    overshoot = _OVERSHOOT if beyond else 0.0
    measured = facts(space, a.z, b.z, path, overshoot)
    shown = np.linspace(-overshoot, 1 + overshoot, frames)
    share.python(lambda: path_as_python(space, a, b, way, level, shown))
    with left:
        (t,) = endpoints.stand(space, "path", _MIDDLE)
        which, items = _nearest(space, measured)
        steps = [which[np.abs(measured.at - f).argmin()] for f in shown]
        t = live_path(
            space,
            a.z,
            b.z,
            key=f"path-{space.name}{'-learned' * (way == 'learned')}",
            curve=shortest(space, a.z, b.z) if way == "shortest" else None,
            arc=way == "slerp",
            level=level if way == "learned" else None,
            title="Decoded on the path · generated",
            strip=frames,
            overshoot=overshoot,
            at=min(max(t, -overshoot), 1 + overshoot),
            crossfade=True,
            nearest=(which, items),
            pictures=[
                ("Nearest real image to each frame, in latent space", [items[k] for k in steps])
            ],
            tracks=_tracks(space, measured),
            outside=measured.outside,
            size=226,
            on_release=lambda at: endpoints.keep_stand(space, "path", at),
        )
        st.caption(_in_words(measured))
        offer_comparison(space, a, b, level)
    endpoints.keep_stand(space, "path", [t])
    endpoints.write_address(space, ("A", "B"))
    with take:
        st.button(
            "Pin this point",
            icon=":material/push_pin:",
            help="Adds this point to the pins, which the map and the other pages show.",
            on_click=_pin_here,
            args=(space, a, b, path),
        )
        about = {
            "model": space.name,
            "overshoot": overshoot,
            "from": endpoints.as_text(space, a),
            "to": endpoints.as_text(space, b),
        }
        film = f"{space.name}-path"
        endpoints.export_files({
            "Film strip, PNG": (f"{film}.png", lambda: _strip(space, a.z, b.z, path, shown)),
            "Animation, GIF": (f"{film}.gif", lambda: _film(space, a.z, b.z, path, overshoot)),
            "Codes, NPZ": (
                f"{film}.npz",
                lambda: path_file(space, a.z, b.z, shown, path, about),
            ),
        })  # fmt: skip


def _pin_here(space: LatentSpace, a: Pin, b: Pin, path: Path) -> None:
    """Pins the code at which the slider stands when the button is clicked."""
    (t,) = endpoints.stand(space, "path", _MIDDLE)
    z = path.along(space, a.z, b.z, np.array([t]))[0]
    endpoints.own_pin(space, z, f"{t:.2f} of the path from {a.title} to {b.title}")


def _nearest(space: LatentSpace, measured: Facts) -> tuple[list[int], list[tuple[str, str]]]:
    """The index of the nearest real image at each position, and these images as (URL, title)."""
    rows, which = np.unique(measured.nearest, return_inverse=True)
    items = [
        (images.data_url(space.image(int(row))), f"Real image {space.title(int(row))}")
        for row in rows
    ]
    return which.tolist(), items


def _tracks(space: LatentSpace, measured: Facts) -> list[Track]:
    tracks = []
    if measured.counts is not None:
        most = max(int(measured.counts.max()), 1)
        tracks.append(
            Track(
                "Real codes within reach",
                measured.at,
                [Curve("", measured.counts, plot_style.COLOURS[0], area=True)],
                0,
                most,
                ends=(str(most), "0"),
                shaded=measured.outside,
                empty="none: the path has left the data",
            )
        )
    if measured.likely is not None:
        tracks.append(
            Track(
                "Share of held-out codes that are less likely",
                measured.at[::_SPARSE],
                [Curve("", 100 * measured.likely, plot_style.COLOURS[4], " %", area=True)],
                0,
                100,
                ("100 %", "0 %"),
            )
        )
    if measured.predicted:
        colours = plot_style.COLOURS
        if measured.exclusive and set(measured.predicted) <= set(space.classes):
            at = [space.classes.index(name) for name in measured.predicted]  # as on the map
        else:
            at = list(range(len(measured.predicted)))
        curves = [
            Curve(f"{formatting.words(name)}:", 100 * p, colours[k % len(colours)], " %")
            for k, (name, p) in zip(at, measured.predicted.items(), strict=True)
        ]
        tracks.append(
            Track(
                "Predictions of an independent classifier",
                measured.at,
                curves,
                0,
                100,
                ("100 %", "0 %"),
            )
        )
    norms = np.linalg.norm(space.mean, axis=1)
    bands = [("most codes", *np.quantile(norms, (0.05, 0.95)), plot_style.COLOURS[2])]
    if space.has_prior:
        draws = np.sqrt(np.random.default_rng(0).chisquare(space.mean.shape[1], 10_000))
        bands.append(("most draws from N(0, I)", *np.quantile(draws, (0.05, 0.95)), "#8b93a3"))
    high = 1.05 * max(measured.norms.max(), *(b[2] for b in bands))
    tracks.append(
        Track(
            "Norm of the code, |z|",
            measured.at,
            [Curve("here", measured.norms, plot_style.COLOURS[3], digits=2)],
            0,
            high,
            (f"{high:.1f}", "0"),
            bands,
        )
    )
    return tracks


def _in_words(measured: Facts) -> str:
    if measured.likely is not None:
        how = (
            f"Inside is what is likelier than {INSIDE:.0%} of held-out codes under their learned "
            f"distribution; outside, what is less likely than {1 - EDGE:.0%}."
        )
    elif measured.reach is None:
        return f"Whether this path stays inside the data: {UNJUDGED}."
    else:
        how = (
            f"Inside means that a code lies at a distance of {measured.reach:.2f} or less: 95 % "
            "of all codes have a neighbour that close."
        )
    if not measured.outside:
        if measured.likely is not None and measured.likely.min() < INSIDE:
            return f"This path touches the edge of the data. {how}"
        return f"This path stays inside the data. {how}"
    spans = " and ".join(f"from {a:.2f} to {b:.2f}" for a, b in measured.outside)
    return f"This path leaves the data {spans} (orange). {how}"


def _strip(space: LatentSpace, a: np.ndarray, b: np.ndarray, path: Path, at: np.ndarray) -> bytes:
    x = decode(space.model, path.along(space, a, b, at))
    return images.png(images.sheet(x, len(x)), 2 * space.shape[1] if space.shape[1] > 32 else 112)


def _film(space: LatentSpace, a: np.ndarray, b: np.ndarray, path: Path, overshoot: float) -> bytes:
    at = np.linspace(-overshoot, 1 + overshoot, _GIF_STEPS)
    x = decode(space.model, path.along(space, a, b, at))
    there_and_back = torch.cat([x, x.flip(0)[1:-1]])
    return images.gif(there_and_back, 256, _GIF_SECONDS / _GIF_STEPS)

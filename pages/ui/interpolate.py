"""The walks of the interpolation page: a path, a square between four corners, single axes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.ui import concepts, ends, figures, images, session
from pages.ui.live import Curve, Slider, Track, live_path, live_sliders, live_square
from pages.ui.reference import Reference
from vae.evaluation import decode
from vae.latent import bilinear, density, grid, lerp, neighbours, reach, slerp, stretches
from vae.projection import fit_pca

__all__ = ["Facts", "along", "facts", "path_file", "path_view", "square_view", "traversal_view"]

WAYS = {"lerp": "Straight line", "slerp": "Arc"}
FRAMES = (5, 7, 9, 11, 13, 17)
_OVERSHOOT = 0.5  # t from -0.5 to 1.5
_POSITIONS = 49  # where a path is measured; enough for curves, and for each frame to be near one
_MOST_ANSWERS = 4  # curves of the classifier that can still be told apart
_AXES = 4  # sliders at a time
_GIF_STEPS, _GIF_SECONDS = 24, 2.0  # one way


@dataclass(frozen=True)
class Facts:
    """What is measured along a path.

    Args:
        at: positions t `(M,)`.
        frames: positions of the film strip's N frames.
        counts: codes within reach at each position, `(M,)`.
        reach: the radius that they are counted in.
        outside: stretches of t where no code is within reach.
        nearest: rows of the nearest real image at each position, `(M,)`.
        norms: |z| at each position, `(M,)`.
        answers: the classifier's names and probabilities `(M,)`; empty where there is none.
        exclusive: whether the names are classes, of which one is right.
    """

    at: np.ndarray
    frames: np.ndarray
    counts: np.ndarray
    reach: float
    outside: list[tuple[float, float]]
    nearest: np.ndarray
    norms: np.ndarray
    answers: dict[str, np.ndarray]
    exclusive: bool


def along(a: np.ndarray, b: np.ndarray, way: str, at: np.ndarray) -> np.ndarray:
    """Codes `(M, D)` at positions `(M,)` of a path: "lerp" straight, "slerp" along an arc."""
    return (slerp if way == "slerp" else lerp)(np.asarray(a), np.asarray(b), at)


@torch.no_grad()
def facts(
    ref: Reference, a: np.ndarray, b: np.ndarray, way: str, overshoot: float, frames: int
) -> Facts:
    """Measures a path against the data.

    Args:
        ref: the model.
        a: code `(D,)`.
        b: code `(D,)`.
        way: "lerp" or "slerp".
        overshoot: beyond both ends.
        frames: of the film strip.
    """
    at = np.linspace(-overshoot, 1 + overshoot, _POSITIONS)
    steps = np.linspace(-overshoot, 1 + overshoot, frames)
    z = along(a, b, way, at)
    radius = session.remember(ref, ("reach",), lambda: reach(ref.mean))
    counts = density(ref.mean, z, radius)
    rows, _ = neighbours(ref.mean, z, 1)
    judge = concepts.judge(ref)
    answers: dict[str, np.ndarray] = {}
    if judge is not None:
        seen = judge.probabilities(decode(ref.model, z)).numpy()
        # Classes by how likely they get, attributes by how much they change.
        weight = seen.max(0) if judge.exclusive else np.ptp(seen, axis=0)
        chosen = np.argsort(-weight, kind="stable")[:_MOST_ANSWERS]
        told = [k for k in chosen if weight[k] > 0.1] or chosen[:1]
        answers = {judge.names[k]: seen[:, k] for k in told}
    return Facts(
        at,
        steps,
        counts,
        radius,
        stretches(counts == 0, at),
        rows[:, 0],
        np.linalg.norm(z, axis=1),
        answers,
        bool(judge is not None and judge.exclusive),
    )


def path_file(
    a: np.ndarray, b: np.ndarray, at: np.ndarray, way: str, about: dict[str, Any]
) -> bytes:
    """A path as `.npz`: `z` (N, D), `t` (N,), the ends `a` and `b`, and `settings` as JSON."""
    out = io.BytesIO()
    settings = json.dumps({"way": way, **about})
    np.savez_compressed(out, z=along(a, b, way, at), t=at, a=a, b=b, settings=np.array(settings))
    return out.getvalue()


# Path -------------------------------------------------------------------------------------------


def path_view(ref: Reference) -> None:
    """A path from A to B: the slider, what lies along it, and files to take away."""
    left, right = st.columns([3, 1], gap="medium")
    with right:
        a, b = _choose(ref, ("A", "B"))
        way = st.segmented_control(
            "The way",
            list(WAYS),
            default="lerp",
            required=True,
            format_func=WAYS.get,
            key="way",
            bind="query-params",
            persist_state="session",
            help="The straight line mixes both codes. The arc turns from one to the other: its "
            "distance from the middle changes evenly, where a line cuts through the inside.",
        )
        frames = st.select_slider(
            "Frames", FRAMES, value=9, key="frames", bind="query-params", persist_state="session"
        )
        beyond = st.toggle(
            "Go beyond both ends",
            key="overshoot",
            bind="query-params",
            persist_state="session",
            help="From half a path before A to half a path after B.",
        )
        take = st.container(horizontal=True, gap="small")
    overshoot = _OVERSHOOT if beyond else 0.0
    key = ("path", a.z.tobytes(), b.z.tobytes(), way, overshoot, frames)
    found = session.remember(ref, key, lambda: facts(ref, a.z, b.z, way, overshoot, frames))
    with left:
        (t,) = ends.stand(ref, "path", [0.5])
        which, items = _nearest(ref, found)
        steps = [which[np.abs(found.at - f).argmin()] for f in found.frames]
        t = live_path(
            ref,
            a.z,
            b.z,
            key=f"path-{ref.name}",
            arc=way == "slerp",
            title="Decoded on the way · generated",
            strip=frames,
            overshoot=overshoot,
            at=min(max(t, -overshoot), 1 + overshoot),
            crossfade=True,
            nearest=(which, items),
            pictures=[
                ("Nearest real image to each step, in the latent space", [items[k] for k in steps])
            ],
            tracks=_tracks(ref, found),
            outside=found.outside,
            size=226,
        )
        st.caption(_in_words(found))
    ends.keep_stand(ref, "path", [t])
    ends.write_address(ref, ("A", "B"), [t])
    with take:
        z = along(a.z, b.z, way, np.array([t]))[0]
        st.button(
            "Pin this place",
            icon=":material/push_pin:",
            help="Keeps it for the map and the other pages.",
            on_click=ends.own_pin,
            args=(ref, z, f"{t:.2f} of the way from {a.title} to {b.title}"),
        )
        about = {
            "model": ref.name,
            "overshoot": overshoot,
            "from": ends.as_text(ref, a),
            "to": ends.as_text(ref, b),
        }
        film = f"{ref.name}-path"
        _downloads(ref, {
            "Film strip, PNG": (f"{film}.png", lambda: _strip(ref, a.z, b.z, way, found.frames)),
            "Animation, GIF": (f"{film}.gif", lambda: _film(ref, a.z, b.z, way, overshoot)),
            "Codes, NPZ": (
                f"{film}.npz",
                lambda: path_file(a.z, b.z, found.frames, way, about),
            ),
        })  # fmt: skip


def _choose(ref: Reference, names: Sequence[str]) -> list[session.Pin]:
    with st.container(horizontal=True, gap="small"):
        chosen = [ends.choose_end(ref, name) for name in names]
    with st.container(horizontal=True, gap="small"):
        if len(names) == 2:
            st.button("Swap", icon=":material/swap_horiz:", on_click=ends.swap, args=(ref,))
        st.button("Shuffle", icon=":material/shuffle:", on_click=ends.shuffle, args=(ref, names))
    return chosen


def _nearest(ref: Reference, found: Facts) -> tuple[list[int], list[tuple[str, str]]]:
    """Each real image once, as URL and words, and which of them is nearest at each position."""
    rows, which = np.unique(found.nearest, return_inverse=True)
    items = [
        (images.data_url(ref.image(int(row))), f"Real image {ref.title(int(row))}") for row in rows
    ]
    return which.tolist(), items


def _tracks(ref: Reference, found: Facts) -> list[Track]:
    most = max(int(found.counts.max()), 1)
    tracks = [
        Track(
            "Real codes within reach",
            found.at,
            [Curve("", found.counts, figures.COLOURS[0], area=True)],
            0,
            most,
            ends=(str(most), "0"),
            shaded=found.outside,
            empty="none: the path has left the data",
        )
    ]
    if found.answers:
        colours = figures.COLOURS
        if found.exclusive and set(found.answers) <= set(ref.classes):
            at = [ref.classes.index(name) for name in found.answers]  # as on the map
        else:
            at = list(range(len(found.answers)))
        curves = [
            Curve(figures.words(name), 100 * p, colours[k % len(colours)], " %")
            for k, (name, p) in zip(at, found.answers.items(), strict=True)
        ]
        tracks.append(
            Track(
                "What an independent classifier sees", found.at, curves, 0, 100, ("100 %", "0 %")
            )
        )
    norms = np.linalg.norm(ref.mean, axis=1)
    bands = [("most codes", *np.quantile(norms, (0.05, 0.95)), figures.COLOURS[2])]
    if ref.variational:
        draws = np.sqrt(np.random.default_rng(0).chisquare(ref.mean.shape[1], 10_000))
        bands.append(("most draws from N(0, I)", *np.quantile(draws, (0.05, 0.95)), "#8b93a3"))
    high = 1.05 * max(found.norms.max(), *(b[2] for b in bands))
    tracks.append(
        Track(
            "Length of the code, |z|",
            found.at,
            [Curve("here", found.norms, figures.COLOURS[3], digits=2)],
            0,
            high,
            (f"{high:.1f}", "0"),
            bands,
        )
    )
    return tracks


def _in_words(found: Facts) -> str:
    reached = (
        f"Within reach is within {found.reach:.2f} of the code: 95 % of all codes have a "
        "neighbour that near."
    )
    if not found.outside:
        return f"This path stays inside the data. {reached}"
    spans = " and ".join(f"from {a:.2f} to {b:.2f}" for a, b in found.outside)
    return f"This path leaves the data {spans} (orange): no code is within reach there. {reached}"


def _strip(ref: Reference, a: np.ndarray, b: np.ndarray, way: str, at: np.ndarray) -> bytes:
    x = decode(ref.model, along(a, b, way, at))
    return images.png(images.sheet(x, len(x)), 2 * ref.shape[1] if ref.shape[1] > 32 else 112)


def _film(ref: Reference, a: np.ndarray, b: np.ndarray, way: str, overshoot: float) -> bytes:
    at = np.linspace(-overshoot, 1 + overshoot, _GIF_STEPS)
    x = decode(ref.model, along(a, b, way, at))
    there_and_back = torch.cat([x, x.flip(0)[1:-1]])
    return images.gif(there_and_back, 256, _GIF_SECONDS / _GIF_STEPS)


_TYPES = {"png": "image/png", "gif": "image/gif", "npz": "application/octet-stream"}


def _downloads(ref: Reference, files: dict[str, tuple[str, Callable[[], bytes]]]) -> None:
    with st.popover("Take it away", icon=":material/download:", key="take"):
        for label, (name, make) in files.items():
            st.download_button(
                label,
                make,
                name,
                _TYPES[name.rpartition(".")[2]],
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
            )
        st.caption("A link that restores all of this")
        st.code(ends.link(ref), language=None, wrap_lines=True)


# Four corners -----------------------------------------------------------------------------------


def square_view(ref: Reference) -> None:
    """A square between four codes, live under the pointer, and as a sheet to print."""
    left, right = st.columns([2.4, 1], gap="medium")
    known = concepts.concepts(ref)
    with right:
        kinds = {"pictures": "Four pictures", "analogy": "A picture and two concepts"}
        kind = "pictures"
        if len(known) > 1:
            kind = st.segmented_control(
                "Corners",
                list(kinds),
                default="pictures",
                required=True,
                format_func=kinds.get,
                key="corners",
                bind="query-params",
                persist_state="session",
            )
        if kind == "analogy":
            names, corners = ("A",), _analogy(ref, known)
        else:
            names = ends.NAMES
            corners = np.stack([pin.z for pin in _choose_four(ref)])
        steps = st.select_slider(
            "Pictures a side", (5, 7, 9, 11), 7, key="side", bind="query-params",
            persist_state="session",
        )  # fmt: skip
        take = st.container(horizontal=True, gap="small")
    with left:
        x, y = np.clip(ends.stand(ref, "square", [0.5, 0.5]), 0, 1).tolist()
        x, y = live_square(
            ref,
            corners,
            key=f"square-{ref.name}",
            steps=steps,
            at=(x, y),
            size=220 if ref.model.config.likelihood == "gaussian" else 300,
        )
        z = bilinear(corners, [[x, y]])[0]
        _here(ref, z)
    ends.keep_stand(ref, "square", [x, y])
    ends.write_address(ref, names, [x, y])
    with take:
        at = grid((0, 1), (1, 0), steps, steps)
        codes = bilinear(corners, at)
        about = json.dumps(
            {"model": ref.name, "corners": "top left, top right, bottom left, bottom right"}
        )
        st.button(
            "Pin this place",
            icon=":material/push_pin:",
            on_click=ends.own_pin,
            args=(ref, z, f"{x:.2f} across, {y:.2f} down a square"),
        )
        _downloads(ref, {
            "Sheet to print, PNG": (f"{ref.name}-square.png", lambda: _sheet(ref, codes, steps)),
            "Codes, NPZ": (
                f"{ref.name}-square.npz",
                lambda: _arrays(z=codes, at=at, corners=corners, settings=np.array(about)),
            ),
        })  # fmt: skip


def _choose_four(ref: Reference) -> list[session.Pin]:
    pins = []
    for pair in (("A", "B"), ("C", "D")):
        with st.container(horizontal=True, gap="small"):
            pins += [ends.choose_end(ref, name, 80) for name in pair]
    st.button("Shuffle", icon=":material/shuffle:", on_click=ends.shuffle, args=(ref, ends.NAMES))
    return pins


def _analogy(ref: Reference, known: dict[str, concepts.Made]) -> np.ndarray:
    (a,) = _choose(ref, ("A",))
    names = list(known)
    steps = []
    for key, side, first in (("right", "To the right", 0), ("down", "Downwards", 1)):
        if st.session_state.get(key, names[0]) not in names:
            del st.session_state[key]  # a concept of another model
        name = st.selectbox(
            side, names, index=first, key=key, bind="query-params", persist_state="session"
        )
        steps.append(known[name].concept.vector)
    strength = st.slider(
        "Strength", 0.0, 2.0, 1.0, 0.1, key="strength", bind="query-params",
        persist_state="session",
    )  # fmt: skip
    u, v = (strength * step for step in steps)
    return np.stack([a.z, a.z + u, a.z + v, a.z + u + v])


@torch.no_grad()
def _here(ref: Reference, z: np.ndarray, count: int = 6) -> None:
    """What is known of the place where the mark was left."""
    rows, distances = neighbours(ref.mean, z, count)
    distance, verdict = ref.verdict(z)
    words = f"Where the mark was left: {distance:.2f} from the nearest code, {verdict}."
    judge = concepts.judge(ref)
    if judge is not None:
        seen = judge.probabilities(decode(ref.model, z[None]))[0]
        likely = [k for k in seen.argsort(descending=True).tolist() if seen[k] > 0.5]
        named = ", ".join(f"{figures.words(judge.names[k])} ({seen[k]:.0%})" for k in likely[:5])
        words += f" An independent classifier sees: {named or 'nothing it is sure of'}."
    st.caption(f"{words} Nearest real images in the latent space:")
    st.image(
        [images.data_url(ref.image(int(r)), 128) for r in rows],
        caption=[ref.title(int(r)) for r in rows],
        width=64,
        alt=[
            f"Real image {ref.title(int(r))}, {d:.2f} away"
            for r, d in zip(rows, distances, strict=True)
        ],
    )


def _sheet(ref: Reference, codes: np.ndarray, columns: int) -> bytes:
    whole = images.sheet(decode(ref.model, codes), columns)
    enlarged = torch.nn.functional.interpolate(whole[None], scale_factor=4)[0]
    return images.png(enlarged)


def _arrays(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


# Traversals -------------------------------------------------------------------------------------


def traversal_view(ref: Reference) -> None:
    """Single directions of the latent space, a slider and a film strip each, few at a time."""
    left, right = st.columns([3, 1], gap="medium")
    with right:
        kinds = {"axes": "Latent axes", "principal": "Principal directions"}
        kind = st.segmented_control(
            "Directions",
            list(kinds),
            default="axes",
            required=True,
            format_func=kinds.get,
            key="directions",
            bind="query-params",
            persist_state="session",
            help="The model's own axes, those that carry most first; or the directions in which "
            "the codes vary most.",
        )
        names, vectors, weights = directions(ref, kind)
        pages = -(-len(names) // _AXES)
        page = 1
        if pages > 1:
            page = int(
                st.number_input(
                    f"Which, {_AXES} at a time: page of {pages}", 1, pages, key="directions-page",
                    bind="query-params", persist_state="session",
                )
            )  # fmt: skip
        here = slice((page - 1) * _AXES, page * _AXES)
        if pages > 1:
            _chart(kind, ref, weights, here)
        origins = {"A": "The picture A", "mean": "The mean of all codes"}
        origin = st.segmented_control(
            "Start from", list(origins), default="A", required=True, format_func=origins.get,
            key="origin", bind="query-params", persist_state="session",
        )  # fmt: skip
        base, title = ref.mean.mean(0), "Mean code"
        if origin == "A":
            (a,) = _choose(ref, ("A",))
            base, title = a.z, f"A, {a.title}"
        take = st.container(horizontal=True, gap="small")
    sliders = [Slider(name, -3, 3, 0, 0.05, "σ") for name in names[here]]
    view = f"{kind}-{page}"
    with left:
        at = np.clip(ends.stand(ref, view, [0.0] * len(sliders)), -3, 3).tolist()
        values = live_sliders(
            ref,
            [(title, base)],
            vectors[here],
            sliders,
            key=f"traverse-{ref.name}-{view}",
            strip=9,
            before=True,
            at=at,
            size=200,
        )
        st.caption(
            "One σ is one standard deviation of the codes along that direction. A double click "
            "puts a slider back to 0."
        )
    z = base + values @ vectors[here]
    ends.keep_stand(ref, view, values)
    ends.write_address(ref, ("A",) if origin == "A" else (), values)
    with take:
        st.button(
            "Pin this place",
            icon=":material/push_pin:",
            on_click=ends.own_pin,
            args=(ref, z, "a traversal"),
        )
        steps = np.linspace(-3, 3, 9)
        codes = np.concatenate([base + steps[:, None] * v for v in vectors[here]])
        about = json.dumps({"model": ref.name, "directions": names[here], "sigma": steps.tolist()})
        _downloads(ref, {
            "Film strips, PNG": (f"{ref.name}-axes.png", lambda: _sheet(ref, codes, len(steps))),
            "Codes, NPZ": (
                f"{ref.name}-axes.npz",
                lambda: _arrays(z=codes, vectors=vectors[here], settings=np.array(about)),
            ),
        })  # fmt: skip


def directions(ref: Reference, kind: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Directions of the latent space, those that tell most first.

    Args:
        ref: the model.
        kind: "axes", sorted by KL (by variance for a standard autoencoder), or "principal".

    Returns:
        K names, vectors `(K, D)` as long as one standard deviation of the codes along them, and
        weights `(K,)`: nats or variance for axes, share of the variance for principal directions.
    """
    if kind == "axes":
        order = ref.order
        names = [figures.axis_name(ref, int(k)) for k in order]
        vectors = np.diag(ref.deviation)[order]
        return names, vectors, ref.information[order]
    pca = session.remember(ref, ("pca",), lambda: fit_pca(ref.mean, ref.mean.shape[1]))
    shares = pca.deviations**2 / max(float((pca.deviations**2).sum()), 1e-12)
    names = [f"Direction {k + 1} · {s:.1%} of the variance" for k, s in enumerate(shares)]
    return names, pca.components * pca.deviations[:, None], shares


def _chart(kind: str, ref: Reference, weights: np.ndarray, here: slice) -> None:
    import plotly.graph_objects as go

    unit = (
        "share of variance" if kind == "principal" else "nats" if ref.variational else "variance"
    )
    chosen = np.zeros(len(weights), dtype=bool)
    chosen[here] = True
    figure = go.Figure()
    figure.add_bar(
        x=np.arange(1, len(weights) + 1),
        y=weights,
        marker={"color": np.where(chosen, figures.COLOURS[0], figures.COLOURS[7])},
        hovertemplate="%{y:.2f} " + unit + "<extra></extra>",
    )
    figure.update_layout(
        height=130,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        xaxis={"visible": False},
        yaxis={"title": unit, "nticks": 3},
    )
    st.plotly_chart(figure, key="weights", config={"displayModeBar": False})

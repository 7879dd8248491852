"""Where codes live: on a shell, away from their mean, and what a learned distribution does."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.ui.components.lineup import Histogram, Panel, Plane, lineup
from pages.ui.components.sliders import Curve, Slider, Track
from pages.ui.learn import as_python, layout, prediction
from pages.ui.learn.texts import lesson, numbers
from pages.ui.shared import cache, images, links, model_picker, problems, scatter, share
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import TERMS
from vae.code_distribution import LEVEL
from vae.latent import lerp, slerp
from vae.likely_codes import blend

__all__ = ["STAGES", "Lengths", "lengths", "open_model", "percentiles", "shown_codes"]

COLOURS = {  # of the ways through the codes
    "line": "posterior", "arc": "deviation", "learned": "elbo", "fade": "prior",
    "mean": "posterior", "blend": "elbo",
}  # fmt: skip
_DRAWS, _BINS, _SHOWN = 5_000, 48, 1_000
_FRAMES = 9
_COLUMNS = (1, 4)  # what is chosen, and what follows the slider


def open_model() -> LatentSpace:
    """Lets the visitor choose a model; stops with a message if its codes were not learned."""
    text = lesson("codes")
    space = model_picker.choose_model(lesson("frame")("model"), first=text.number("model"))
    model_picker.show_notices(space)
    if not space.judges_likelihood:
        st.info(text("missing"))
        st.code(f"python -m vae fit-codes {shlex.quote(space.name)}", language="bash")
        problems.end_page()
    return space


# A shell ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lengths:
    """Histograms of |z|, by how many dimensions are counted, the most informative first.

    Args:
        draws: the counts of draws of N(0, I), `(D, bins)`.
        codes: the counts of draws from the posteriors of real images, `(D, bins)`.
        high: the length at which the last bin ends.
    """

    draws: np.ndarray
    codes: np.ndarray
    high: float


@cache.shared(32)
def lengths(space: LatentSpace, seed: int) -> Lengths:
    """Histograms of the norms of draws from N(0, I) and of the model's codes."""
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((_DRAWS, space.mean.shape[1]))
    noise = rng.standard_normal(space.mean.shape)
    codes = (space.mean + np.sqrt(space.variance) * noise)[:, space.order]
    both = [np.sqrt(np.cumsum(np.square(z), axis=1)) for z in (draws, codes)]
    high = float(1.05 * max(np.quantile(of, 0.999) for of in both))
    counts = [
        np.stack([np.histogram(of[:, k], _BINS, (0, high))[0] for k in range(of.shape[1])])
        for of in both
    ]
    return Lengths(*counts, high)


def show_shell(space: LatentSpace, seed: int) -> None:
    """Shows the norms of draws and codes in D dimensions, and two of them truncated to these."""
    text, dim = lesson("codes"), space.mean.shape[1]
    left, right = st.columns(_COLUMNS, gap="medium")
    with left:
        row = layout.choose_image(space, default=_row(space, "image"))
        root = float(np.sqrt(dim))
        question = prediction.number(text, 0.0, 100.0, 0.1, dimensions=dim)
        if question.looked:
            question.tell_number(root, 0.15 * root, f"{root:.1f}", dimensions=dim)
    norms = lengths(space, seed)
    share.python(lambda: as_python.shell_as_python(space, seed, _BINS, norms.high))
    draw = np.zeros(dim)
    draw[space.order] = np.random.default_rng(seed).standard_normal(dim)
    panels = [
        Panel(text(f"shell.{name}"), text(f"shell.{name}_alt"), "first", z[None], TERMS[colour])
        for name, z, colour in (
            ("draw", draw, "prior"), ("code", space.mean[row], "posterior"),
        )
    ]  # fmt: skip
    series = [
        (text("shell.draws"), TERMS["prior"], norms.draws),
        (text("shell.codes"), TERMS["posterior"], norms.codes),
    ]
    if not question.looked:
        return
    with right:
        at = lineup(
            space,
            panels,
            Slider(text("shell.slider"), 1, dim, dim, 1),
            key=f"codes-shell-{space.name}",
            at=_start("dimensions", 1, dim, dim),
            plot=Histogram(text("shell.plot"), series, norms.high),
            order=space.order,
        )
    _keep("dimensions", at, dim)


# A mean -----------------------------------------------------------------------------------------


def shown_codes(space: LatentSpace, seed: int) -> np.ndarray:
    """Rows of the images that are averaged, one after the other."""
    most = min(numbers("codes")["averaged"], len(space))
    return np.random.default_rng(seed).permutation(len(space))[:most]


@cache.shared(64)
def percentiles(space: LatentSpace, z: np.ndarray) -> np.ndarray:
    """Percentages of held-out codes that are less likely than each code `(N, D)`: `(N,)`."""
    return np.round(100 * space.likelihood_percentiles(z), 2)


def show_mean(space: LatentSpace, seed: int) -> None:
    """The mean of the first m codes, and their blend in the learned distribution."""
    text = lesson("codes")
    rows = shown_codes(space, seed)
    codes = space.mean[rows]
    share.python(lambda: as_python.mean_as_python(space, rows))
    weights = np.tril(np.ones((len(rows), len(rows)))) / np.arange(1, len(rows) + 1)[:, None]
    ways = {"mean": weights @ codes, "blend": blend(space.distribution, codes, weights)}
    panels = [
        Panel(text(f"mean.{way}"), text(f"mean.{way}_alt"), way, codes, TERMS[COLOURS[way]], LEVEL)
        for way in ways
    ]
    thumbnails = [
        (images.data_url(space.image(int(row)), 96), space.title(int(row))) for row in rows
    ]
    at = lineup(
        space,
        panels,
        Slider(text("mean.slider"), 1, len(rows), 3, 1),
        key=f"codes-mean-{space.name}",
        at=_start("averaged", 1, len(rows), 3),
        tracks=[_track(space, np.arange(1.0, len(rows) + 1), ways)],
        thumbnails=thumbnails,
    )
    _keep("averaged", at, 3)


# A path -----------------------------------------------------------------------------------------


def show_path(space: LatentSpace, seed: int) -> None:
    """Line, arc and learned path between two images, and the cross-fade, under one slider."""
    text = lesson("codes")
    levels = numbers("codes")["levels"]
    left, right = st.columns(_COLUMNS, gap="medium")
    with left:
        a = layout.choose_image(space, key="from", default=_row(space, "from"), width=64)
        b = layout.choose_image(space, key="to", default=_row(space, "to"), width=64)
        level = st.select_slider(
            text("path.level"),
            levels,
            **links.choice("level", levels, LEVEL),
            help=text("path.level_help"),
        )
    ends = space.mean[[a, b]]
    share.python(lambda: as_python.path_as_python(space, a, b, level, _FRAMES))
    positions = np.linspace(0, 1, _FRAMES)
    ways = {
        "line": lerp(*ends, positions),
        "arc": slerp(*ends, positions),
        "learned": space.distribution.path(*ends, positions, level),
    }
    panels = [
        Panel(text(f"path.{way}"), text(f"path.{way}_alt"), way, ends, TERMS[COLOURS[way]], level)
        for way in (*ways, "fade")
    ]
    with right:
        at = lineup(
            space,
            panels,
            Slider(text("path.slider"), 0, 1, 0.5, 0.005),
            key=f"codes-path-{space.name}",
            at=_start("at", 0, 1, 0.5),
            tracks=[_track(space, positions, ways)],
        )
    _keep("at", at, 0.5)


# A draw -----------------------------------------------------------------------------------------


def show_draw(space: LatentSpace, seed: int) -> None:
    """Shows one draw between noise and code, decoded at every time."""
    text, learned = lesson("codes"), space.distribution
    noise = np.random.default_rng(seed).standard_normal((1, learned.dim)).astype(np.float32)
    times = np.linspace(0, 1, numbers("codes")["times"])
    share.python(lambda: as_python.draw_as_python(space, seed, len(times[::2])))
    way = np.concatenate([learned.from_noise(noise, 1.0, t) for t in times])
    codes = space.mean[:: -(-len(space) // _SHOWN)]
    axes = list(scatter.first_axes(space)) if not space.high_dimensional else None

    def on_plane(z: np.ndarray) -> np.ndarray:
        return space.pca.transform(z)[:, :2] if axes is None else z[:, axes]

    at = lineup(
        space,
        [Panel(text("draw.now"), text("draw.now_alt"), "draw", noise, TERMS["elbo"])],
        Slider(text("draw.slider"), 0, 1, 0, times[1]),
        key=f"codes-draw-{space.name}",
        at=_start("time", 0, 1, 0),
        tracks=[_track(space, times[::2], {"draw": way[::2]})],
        plot=Plane(text("draw.plot"), on_plane(codes), on_plane(way), TERMS["elbo"]),
        frames=_FRAMES,
    )
    _keep("time", at, 0)


STAGES = {"shell": show_shell, "mean": show_mean, "path": show_path, "draw": show_draw}


def _track(space: LatentSpace, at: np.ndarray, ways: dict[str, np.ndarray]) -> Track:
    """The likelihood percentile of the codes of each path, along the slider."""
    text = lesson("codes")
    with st.spinner(text("judging")):
        shares = percentiles(space, np.concatenate(list(ways.values())))
    curves = [
        Curve(text(f"way.{way}"), of, TERMS[COLOURS.get(way, "elbo")], " %")
        for way, of in zip(ways, shares.reshape(len(ways), -1), strict=True)
    ]
    return Track(text("usual"), at, curves, 0, 100, ("100 %", "0 %"))


def _row(space: LatentSpace, name: str) -> int:
    """An image to begin with: of the model that the lesson opens on, one that was chosen."""
    first = numbers("codes")
    if space.name == first["model"]:
        return first[name]
    return {"image": space.typical, "from": 0, "to": 1}[name]


def _start(name: str, low: float, high: float, default: float) -> float:
    linked = links.read_start(name, 1, low, high)
    return default if linked is None else linked[0]


def _keep(name: str, value: float, default: float) -> None:
    links.put(name, None if value == default else links.numbers_text([value]))

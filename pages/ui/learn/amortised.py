"""One image's posterior twice: predicted by the encoder, and optimised by gradient steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from pages.ui.components import digit_canvas, pickers
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import layout
from pages.ui.learn.texts import lesson, numbers
from pages.ui.shared import cache, estimates, images, links, scatter, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import figure_of, milliseconds, nats
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import TERMS
from vae.bounds import Estimate, last_digit
from vae.codes import decode
from vae.theory.amortisation import (
    AmortisationGap,
    OptimisedPosterior,
    amortisation_gap,
    encoding_seconds,
    optimise_posterior,
)

__all__ = [
    "Guess",
    "Search",
    "choose_image",
    "encode_now",
    "encoder_cost",
    "furthest_off",
    "gain",
    "search",
    "show_map",
    "show_search",
]

STARTS = ("prior", "encoder")
COLOURS = {"prior": "evidence", "encoder": "elbo"}
SOURCES = ("draw", "real", "upload")
_ELLIPSE = 2.0  # standard deviations


@dataclass(frozen=True, eq=False)
class Guess:
    """What one pass of the encoder gave.

    Args:
        mean: μ `(D,)`.
        sigma: σ `(D,)`.
        seconds: time of the pass, the median of twenty.
    """

    mean: Tensor
    sigma: Tensor
    seconds: float


@dataclass(frozen=True, eq=False)
class Search:
    """Two searches for one image's own q, and what the better one gains.

    Args:
        encoder: the encoder's ELBO of the image, in nats.
        runs: the steps of each, by start. Their ELBO are on few draws, the same for all.
        gaps: gain of each posterior over the encoder's, by start.
    """

    encoder: Estimate
    runs: dict[str, list[OptimisedPosterior]]
    gaps: dict[str, AmortisationGap]

    @property
    def best(self) -> str:
        """The start that led to the higher ELBO."""
        return max(self.gaps, key=lambda start: self.gaps[start].nats.item())

    def curve(self, start: str) -> list[float]:
        """The ELBO after each step of a search, without the error that its draws share.

        On the same draws the encoder's ELBO is known, too: what differs there differs here.
        """
        few = self.runs["encoder"][0].elbo.item()
        return [self.encoder.value + r.elbo.item() - few for r in self.runs[start]]


def choose_image(space: LatentSpace) -> tuple[Tensor, str, int | None]:
    """Lets the visitor draw, upload or choose an image.

    Returns:
        `(C, H, W)` in [0, 1], what to call it, and its row; None for a picture of one's own.
    """
    text = lesson("amortised")
    sources = [s for s in SOURCES if s != "draw" or digit_canvas.can_draw(space)]
    names = {s: text(f"source.{s}") for s in sources}
    source = st.segmented_control(
        text("image.label"), sources, required=True, format_func=names.get,
        **links.choice("from", sources, sources[0], labels=names.get),
    )  # fmt: skip
    worst = furthest_off(space)
    shown = layout.shown_image()
    row = (worst or 0) if shown is None else shown
    if source == "real":
        row = layout.choose_image(space, default=worst or 0, width=252)
    if source == "draw":
        own = visitor.current()
        round_ = own.drawings_cleared
        drawn = digit_canvas.draw_digit(
            space.shape, key=f"canvas-{round_}" if round_ else "canvas"
        )
        if drawn is not None:
            st.button(text("image.clear"), icon=":material/ink_eraser:", on_click=_clear_drawing)
            return drawn, text("image.drawing"), None
    if source == "upload":
        pin = pickers.choose_upload(space, key="amortised")
        if pin is not None and pin.image is not None:
            return pin.image, text("image.upload"), None
    row = min(row, len(space) - 1)
    if source != "real":
        said = text(f"image.until_{source}", name=plain(space.title(row)))
        st.caption(f"{said} {text('image.worst')}" if row == worst else said)
    return space.image(row), text("image.real", name=space.title(row)), row


def furthest_off(space: LatentSpace) -> int | None:
    """The image whose ELBO lies furthest below its log p(x); None where that is not known."""
    known = space.estimates.get("log_evidence_error", np.empty(0)) >= 0
    if not known.any():
        return None
    gap = np.where(known, space.estimates["log_evidence"] - space.elbo, -np.inf)
    return int(gap.argmax())


def _clear_drawing() -> None:
    visitor.current().drawings_cleared += 1


@torch.no_grad()
def encode_now(space: LatentSpace, x: Tensor) -> Guess:
    """Encodes one image and takes the time; never cached, so that the time is this visitor's."""
    times = []
    for _ in range(20):
        started = time.perf_counter()
        posterior = space.model.encoder(x[None])
        times.append(time.perf_counter() - started)
    return Guess(posterior.mean[0], posterior.stddev[0], float(np.median(times)))


@cache.shared(64)
def search(space: LatentSpace, x: Tensor, row: int | None, steps: int, seed: int) -> Search:
    """Searches for this image's q from both starts, once for all visitors.

    Args:
        space: a variational model.
        x: the image `(C, H, W)` in [0, 1].
        row: its row; None for a picture of one's own.
        steps: gradient steps of each search.
        seed: seed of its draws.
    """
    batch = x[None].float()
    runs = {
        s: list(optimise_posterior(space.model, batch, steps, start=s, draws=64, seed=seed))
        for s in STARTS
    }
    gaps = {
        s: amortisation_gap(space.model, batch, run[-1].mean, run[-1].sigma)
        for s, run in runs.items()
    }
    return Search(estimates.elbo_of(space, x, row).elbo, runs, gaps)


def show_map(space: LatentSpace, guess: Guess, search: Search | None) -> None:
    """Draws q among the codes: the encoder's, and the optimised one with its path."""
    text = lesson("amortised")
    axes = list(scatter.first_axes(space))
    codes = space.mean[:: -(-len(space) // 1_000)][:, axes]
    figure = go.Figure()
    figure.add_scatter(
        x=codes[:, 0], y=codes[:, 1], mode="markers", name=text("map.codes"),
        marker={"size": 4, "color": TERMS["prior"], "opacity": 0.35}, hoverinfo="skip",
    )  # fmt: skip
    if search is not None:
        for start, run in search.runs.items():
            way = torch.cat([r.mean for r in run])[:, axes].numpy()
            colour = TERMS[COLOURS[start]]
            figure.add_scatter(
                x=way[:, 0], y=way[:, 1], mode="lines", showlegend=False, hoverinfo="skip",
                line={"color": colour, "width": 1.5},
            )  # fmt: skip
        run = search.runs[search.best]
        _add_ellipse(
            figure, text("map.optimised"), "elbo", run[-1].mean[0], run[-1].sigma[0], axes
        )
    _add_ellipse(figure, text("map.encoder"), "posterior", guess.mean, guess.sigma, axes)
    figure.update_layout(
        height=330,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis_title=f"z{axes[0] + 1}",
        yaxis={"title": f"z{axes[1] + 1}", "scaleanchor": "x"},
        uirevision=space.name,
    )
    key = "q-map" if search is None else "q-map-searched"
    chart(figure, key=key, alt=text("map.alt"))


def _add_ellipse(
    figure: go.Figure, name: str, colour: str, mean: Tensor, sigma: Tensor, axes: list[int]
) -> None:
    turn = np.linspace(0, 2 * np.pi, 60)
    (mx, my), (sx, sy) = mean[axes].tolist(), sigma[axes].tolist()
    ring = {"color": TERMS[colour], "width": 2}
    figure.add_scatter(
        x=mx + _ELLIPSE * sx * np.cos(turn), y=my + _ELLIPSE * sy * np.sin(turn),
        mode="lines", line=ring, showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[mx], y=[my], mode="markers", name=name, marker={"color": TERMS[colour], "size": 9}
    )


def gain(search: Search) -> tuple[float, float, str]:
    """Nats that the better search gains, how far off a prediction may be, and the gain as text."""
    won = max(search.gaps[search.best].nats.item(), 0.0)
    return won, 1 + won / 2, nats(won)


def show_search(space: LatentSpace, guess: Guess, search: Search) -> None:
    """Compares encoder and optimisation: time, nats, and the gap between them."""
    text, figure = lesson("amortised"), go.Figure()
    for start, colour in COLOURS.items():
        run = search.runs[start][1:]
        figure.add_scatter(
            x=[1e3 * r.seconds for r in run], y=search.curve(start)[1:],
            name=text(f"search.{start}"),
            line={"color": TERMS[colour], "width": 2},
        )  # fmt: skip
    gap = search.gaps[search.best]
    figure.add_scatter(
        x=[1e3 * guess.seconds], y=[search.encoder.value], mode="markers",
        name=text("search.point"), marker={"color": TERMS["posterior"], "size": 11},
    )  # fmt: skip
    figure.add_hline(search.encoder.value, line={"color": TERMS["posterior"], "dash": "dot"})
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis={"title": text("search.x"), "type": "log", "dtick": 1},
        yaxis_title=text("search.y"),
    )
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with left:
        chart(figure, key="search-curves", alt=text("search.alt"))
    elbo, error = search.encoder.value, search.encoder.error
    unit = last_digit(elbo)
    rows = [(text("search.pass"), guess.seconds, nats(elbo, error), "")]
    for start in STARTS:
        difference = search.gaps[start]
        won, its_error = difference.nats.item(), difference.error.item()
        step = last_digit(won)
        own = round(elbo / unit) * unit + round(won / step) * step  # what is printed adds up
        said = nats(own, float(np.hypot(error, its_error)), unit)
        gain = f"{'+' if won > 0 else ''}{nats(won, its_error)}"
        rows.append((text(f"search.{start}"), search.runs[start][-1].seconds, said, gain))
    right.table(
        {
            text("search.method"): [r[0] for r in rows],
            text("search.time"): [milliseconds(r[1]) for r in rows],
            text("search.elbo"): [r[2] for r in rows],
            text("search.gain"): [r[3] for r in rows],
        },
        hide_index=True,
    )
    won = max(gap.nats.item(), 0.0)
    times = search.runs[search.best][-1].seconds / guess.seconds
    right.markdown(text("search.gap", nats=nats(won), times=figure_of(times)))
    worst = min(search.gaps.values(), key=lambda g: g.nats.item())
    if worst.nats.item() < -3 * worst.error.item() - 1:
        right.caption(text("search.stuck"))
    both = torch.stack([guess.mean, search.runs[search.best][-1].mean[0]])
    pictures = decode(space.model, both)
    with right, st.container(horizontal=True):
        for picture, which in zip(pictures, ("encoder", "optimised"), strict=True):
            name = text(f"search.decoded_{which}")
            st.image(images.data_url(picture, 224), name, 112, alt=name)


@cache.shared(16)
def _encoding_seconds(space: LatentSpace) -> dict[int, float]:
    rows = torch.from_numpy(space.index[:250])
    return encoding_seconds(
        space.model, space.dataset.images[rows], numbers("amortised")["counts"]
    )


def encoder_cost(space: LatentSpace, guess: Guess, search: Search | None) -> None:
    """Shows what codes cost for one, a hundred and ten thousand images."""
    text = lesson("amortised")
    counts = text.number("counts")
    small = int(np.prod(space.shape)) <= 1_024
    if not small and not st.toggle(text("cost.measure"), key="measure"):
        return
    with st.spinner(text("cost.encoding"), show_time=True):
        seconds = _encoding_seconds(space)
    table = {
        text("cost.images"): [f"{n:,}" for n in counts],
        text("cost.encoder"): [milliseconds(seconds[n]) for n in counts],
        text("cost.each"): [milliseconds(seconds[n] / n) for n in counts],
    }
    if search is not None:
        seconds_per_image = search.runs["prior"][-1].seconds
        times = {n: milliseconds(seconds_per_image * n) for n in counts}
        table[text("cost.search")] = [
            time if n == 1 else text("cost.extrapolated", time=time) for n, time in times.items()
        ]
    st.table(table, hide_index=True)
    st.caption(text("cost.caption"))

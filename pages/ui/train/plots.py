"""Plotly figures of training runs; colours of the theme are added when they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pages.ui.shared.foreign_text import plain
from pages.ui.shared.plot_style import COLOURS, GREY

__all__ = [
    "compared_figure",
    "curve_figure",
    "dimensions_figure",
    "map_figure",
    "path_figure",
    "terms_of",
]

_POINTS = 500  # of a curve; more cannot be told apart
_TERMS = {"reconstruction": "Reconstruction", "kl": "KL", "elbo": "ELBO"}
_ERROR = "squared_error"
_DASHES = ("solid", "dash", "dot", "dashdot")  # so that colour is not the only sign
_TRAIN, _HELDOUT = COLOURS[0], COLOURS[4]
_SMALL = {"l": 8, "r": 8, "t": 30, "b": 8}


def terms_of(rows: list[dict[str, Any]]) -> list[str]:
    """The terms that a run has: a standard autoencoder has no KL and no ELBO."""
    return [term for term in _TERMS if any(row.get(term) is not None for row in rows)]


def curve_figure(
    rows: list[dict[str, Any]],
    term: str,
    band: dict[str, Any] | None,
    epochs: int,
    moved: Sequence[tuple[float, str]] = (),
    now: float | None = None,
) -> go.Figure:
    """Draws reconstruction, KL or ELBO, in nats per image.

    Args:
        rows: rows of `metrics.jsonl`.
        term: `reconstruction`, `kl` or `elbo`.
        band: output of `read_band` for a preset.
        epochs: number of epochs of the run, which is the width of the axis.
        moved: epochs at which visitors changed something, and what.
        now: the epoch that is replayed, which a line marks.
    """
    figure = go.Figure()
    if band:
        _add_band(figure, band.get(f"heldout_{term}"))
    for name, key, colour in (
        ("training", term, _TRAIN),
        ("held-out", f"heldout_{term}", _HELDOUT),
    ):
        x, y = _curve(rows, key)
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines+markers" if len(x) < 40 and key != term else "lines",
            line={"color": colour, "width": 2 if key != term else 1.3},
            marker={"size": 5},
        )
    # The first steps of training are so far off that they would flatten all the rest.
    shown = [*_settled(rows, term), *_curve(rows, f"heldout_{term}")[1]]
    if shown:
        figure.update_yaxes(range=_range(shown, term))
    for epoch, change in moved:
        figure.add_vline(epoch, line={"width": 1, "dash": "dot"}, annotation_text=change)
    if now is not None:
        figure.add_vline(now, line={"width": 2})
    figure.update_annotations(font_size=11)
    figure.update_xaxes(title={"text": "epoch", "standoff": 2}, range=[0, epochs])
    figure.update_layout(
        title={"text": _TERMS[term], "x": 0.5, "font": {"size": 15}},
        margin=_SMALL | {"t": 36},
        height=280,
        uirevision="curves",
        legend={"orientation": "h", "y": -0.22, "x": 0},
    )
    return figure


def compared_figure(runs: dict[str, list[dict[str, Any]]], term: str) -> go.Figure:
    """Overlays one held-out curve of several runs that may be compared.

    Args:
        runs: rows of each, by its name.
        term: `reconstruction`, `kl`, `elbo` or `squared_error`.
    """
    figure = go.Figure()
    for k, (name, rows) in enumerate(runs.items()):
        x, y = _curve(rows, f"heldout_{term}")
        figure.add_scatter(
            x=x,
            y=y,
            name=plain(name, "chart"),
            mode="lines",
            line={"color": COLOURS[k % len(COLOURS)], "dash": _DASHES[k % len(_DASHES)]},
        )
    shown = [v for rows in runs.values() for v in _curve(rows, f"heldout_{term}")[1]]
    if shown and term != _ERROR:
        figure.update_yaxes(range=_range(shown, term))
    figure.update_layout(
        margin=_SMALL,
        height=300,
        uirevision="compared",
        title={"text": _TERMS.get(term, "Squared error"), "font": {"size": 14}},
        xaxis_title="epoch",
        yaxis_title="mean over pixels" if term == _ERROR else "nats per image",
        showlegend=True,
        legend={"orientation": "h", "y": -0.3, "x": 0},
    )
    return figure


def dimensions_figure(kl: list[float]) -> go.Figure:
    """Draws the KL of each latent dimension; each keeps its place while they grow."""
    figure = go.Figure()
    figure.add_bar(
        x=[f"z{k + 1}" for k in range(len(kl))],
        y=kl,
        marker={"color": [_TRAIN if v > 0.1 else GREY for v in kl]},
    )
    figure.update_layout(
        margin=_SMALL,
        height=260,
        uirevision="dimensions",
        yaxis={"title": {"text": "KL, nats"}, "rangemode": "tozero"},
        xaxis={"type": "category"},
    )
    return figure


def path_figure(rows: list[dict[str, Any]]) -> go.Figure:
    """Draws the way through the plane of rate (KL) and distortion (−reconstruction)."""
    rows = [row for row in rows if row.get("heldout_kl") is not None]
    rate = [row["heldout_kl"] for row in rows]
    distortion = [-row["heldout_reconstruction"] for row in rows]
    figure = go.Figure()
    if rows:
        best = min(r + d for r, d in zip(rate, distortion, strict=True))
        window = _seen(rate, 0.5)
        window[0] = max(window[0], 0.0)
        figure.add_scatter(
            x=window,
            y=[best - r for r in window],
            mode="lines",
            name="constant ELBO: the best so far",
            line={"dash": "dot", "width": 1, "color": GREY},
        )
        figure.add_scatter(
            x=rate,
            y=distortion,
            mode="lines+markers",
            name="held-out, epoch by epoch",
            line={"color": _HELDOUT},
            marker={"size": 4},
            customdata=[row["epoch"] for row in rows],
            hovertemplate="epoch %{customdata:.0f}: rate %{x:.1f}, distortion %{y:.1f}",
        )
        figure.add_scatter(
            x=rate[-1:], y=distortion[-1:], mode="markers", name="now",
            marker={"size": 10, "color": _HELDOUT},
        )  # fmt: skip
        figure.update_xaxes(range=window)
        figure.update_yaxes(range=_seen(distortion, 2))
    figure.update_layout(
        margin=_SMALL,
        height=260,
        uirevision="path",
        xaxis_title="rate: KL, nats",
        yaxis_title="distortion, nats",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def _seen(values: list[float], least: float) -> list[float]:
    """What an axis shows: all but the first tenth, where most changes, and some room."""
    settled = values[len(values) // 10 :]
    room = max(0.1 * (max(settled) - min(settled)), least)
    return [min(settled) - room, max(settled) + room]


def map_figure(
    places: np.ndarray, labels: np.ndarray | None, classes: tuple[str, ...] | None
) -> go.Figure:
    """Draws codes of held-out images at their places `(N, 2)`, by class where there are any."""
    figure = go.Figure()
    groups = [(None, np.ones(len(places), bool))]
    if labels is not None and classes:
        groups = [(name, labels == k) for k, name in enumerate(classes)]
    for k, (name, chosen) in enumerate(groups):
        figure.add_scatter(
            x=places[chosen, 0],
            y=places[chosen, 1],
            mode="markers",
            name=None if name is None else plain(name, "chart"),
            marker={"size": 5, "opacity": 0.8, "color": COLOURS[k % len(COLOURS)]},
        )
    figure.update_layout(
        margin=_SMALL,
        height=380,
        showlegend=len(groups) > 1,
        xaxis={"zeroline": False},
        yaxis={"scaleanchor": "x", "zeroline": False},
        legend={"itemsizing": "constant"},
    )
    return figure


def _curve(rows: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    points = [row for row in rows if row.get(key) is not None]
    step = -(-len(points) // _POINTS) or 1
    points = points[::-step][::-1]  # counted from the last, which is always there
    return [row["epoch"] for row in points], [row[key] for row in points]


def _settled(rows: list[dict[str, Any]], key: str) -> list[float]:
    values = _curve(rows, key)[1]
    if key == "kl":  # which rises from 0
        return values
    return values[len(values) // 8 :] if len(values) > 8 else values[-2:]


def _range(values: list[float], term: str) -> list[float]:
    room = max(0.15 * (max(values) - min(values)), 1.0)
    return [0.0 if term == "kl" else min(values) - room, max(values) + room]


def _add_band(figure: go.Figure, band: dict[str, list[float]] | None) -> None:
    if not band:
        return
    figure.add_scatter(
        x=band["epoch"] + band["epoch"][::-1],
        y=band["high"] + band["low"][::-1],
        fill="toself",
        fillcolor="rgba(232,129,46,0.22)",
        line={"width": 4, "color": "rgba(232,129,46,0.18)"},
        hoverinfo="skip",
        name="other seeds",
    )

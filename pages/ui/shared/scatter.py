"""Maps of codes, without colours of the theme, which the browser adds.

A map is Plotly's axes and legend, a trace for each way in which points look, and no points: where
these lie and which trace each belongs to, the browser is sent as bytes, and draws itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.legend import Entry, colours, legend

__all__ = [
    "LATTICE",
    "axis_name",
    "colours",
    "first_view",
    "lattice_bounds",
    "map_figure",
    "marks",
    "plane",
    "positions",
    "projections",
]


PROJECTIONS = {"latent": "Latent axes", "pca": "PCA plane", "tsne": "t-SNE"}


def projections(space: LatentSpace) -> dict[str, str]:
    """Maps that a model can be shown on: key and name."""
    ok = {"latent": space.mean.shape[1] > 1, "pca": True, "tsne": "tsne" in space.embeddings}
    return {key: name for key, name in PROJECTIONS.items() if ok[key]}


def first_view(space: LatentSpace) -> tuple[str, tuple[int, int], str]:
    """Projection, axes and colour of a model's first map."""
    projection = "latent" if space.mean.shape[1] == 2 else "pca"
    return projection, first_axes(space), next(iter(colours(space)))


def first_axes(space: LatentSpace) -> tuple[int, int]:
    """The two most informative dimensions, in their own order where there are but two."""
    if space.mean.shape[1] <= 2:
        return 0, space.mean.shape[1] - 1
    return int(space.order[0]), int(space.order[1])


def axis_name(space: LatentSpace, k: int) -> str:
    """A latent dimension with what it carries."""
    unit = "nats" if space.has_nats_by_dimension else "variance"
    return f"z{k + 1} · {space.information[k]:.2f} {unit}"


def positions(space: LatentSpace, projection: str, axes: tuple[int, int]) -> np.ndarray:
    """Where the reference images lie on a map, `(N, 2)`."""
    if projection == "latent":
        return space.mean[:, list(axes)]
    return space.embeddings[projection]


def plane(space: LatentSpace, projection: str, axes: tuple[int, int]) -> dict[str, object]:
    """How the browser gets from a place on the map to a code.

    Returns:
        {"kind": "linear", "origin", "u", "v"}, each `(D,)`: z = origin + x·u + y·v, with the mean
        code in all dimensions that the plane does not show; or {"kind": "nearest"}.
    """
    if projection == "tsne":
        return {"kind": "nearest"}
    d = space.mean.shape[1]
    origin = space.mean.mean(0).astype(np.float64)
    if projection == "latent":
        u, v = np.eye(d)[list(axes)]
        origin = origin * (1 - u) * (1 - v)
    else:
        components = space.pca.components[:2]
        u, v = np.pad(components, ((0, 2 - len(components)), (0, 0)))
    return {"kind": "linear", "origin": origin.tolist(), "u": u.tolist(), "v": v.tolist()}


LATTICE = 25  # places along each side of a lattice of completed places


def lattice_bounds(
    space: LatentSpace, projection: str, axes: tuple[int, int]
) -> tuple[float, float, float, float]:
    """The part of a plane that a lattice covers: left, right, bottom and top."""
    at = positions(space, projection, axes)
    low, high = at.min(0), at.max(0)
    margin = 0.15 * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top


def _frame(at: np.ndarray) -> list[list[float]]:
    """Ranges of both axes that hold positions `(N, 2)`, but for the few that lie far out."""
    low, high = np.quantile(at, (0.002, 0.998), axis=0)
    margin = 0.05 * (high - low) + 1e-6
    return np.stack([low - margin, high + margin], 1).tolist()


def _traces(space: LatentSpace, colour: str) -> list[tuple[Entry, bool, np.ndarray]]:
    """The ways in which points look: entry of the legend, whether train, and rows `(N,)` bool.

    What is drawn later covers what was drawn before.
    """
    held_out = np.arange(len(space)) < len(space) - space.trained
    parts = [
        (entry, train, entry.rows & (held_out != train))
        for entry in legend(space, colour)
        for train in (True, False)
    ]
    return [part for part in parts if part[2].any()]


def marks(space: LatentSpace, colour: str) -> np.ndarray:
    """How each point looks, `(2, N)` uint8: the number of its trace, and its place on the scale.

    Args:
        space: the model and its codes.
        colour: a key of `colours`.

    Returns:
        Numbers of the traces of `map_figure`; 0 to 255 from the lower to the upper end of the
        scale of colours, 0 where points have one colour.
    """
    found = np.zeros((2, len(space)), np.uint8)
    for number, (entry, _, part) in enumerate(_traces(space, colour)):
        found[0, part] = number
        marker = entry.restricted(part)
        if not isinstance(marker["color"], str):
            low, high = marker["cmin"], marker["cmax"]
            share = (marker["color"] - low) / max(high - low, 1e-30)
            found[1, part] = (255 * share.clip(0, 1)).round()
    return found


def map_figure(
    space: LatentSpace, projection: str, axes: tuple[int, int], colour: str
) -> dict[str, Any]:
    """Draws the axes and the legend of a map; `positions` and `marks` are its points.

    As Plotly's JSON, without its Python package, whose import the first map would wait for.

    Args:
        space: the model and its codes.
        projection: "latent", "pca" or "tsne".
        axes: dimensions of the latent axes, from 0.
        colour: a key of `colours`.

    Returns:
        "data" with a trace for each way in which points look, and "layout", whose "meta" are their
        256 colours from the lower end of the scale to the upper, where numbers give colours.
    """
    size = 6 if len(space) <= 6_000 else 4 if len(space) <= 20_000 else 3
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {}
    filled = {entry.name for entry, train, _ in _traces(space, colour) if not train}
    for entry, train, _ in _traces(space, colour):
        marker = {"size": size, "opacity": opacity(space), **entry.marker}
        if not isinstance(entry.marker["color"], str):  # Plotly draws the scale alone
            low, high = float(marker["cmin"]), float(marker["cmax"])
            marker |= {"color": [low], "cmin": low, "cmax": high}
            layout["meta"] = {"shades": _shades(marker["colorscale"])}
        if train:  # hollow
            marker["symbol"] = marker.get("symbol", "circle") + "-open"
        data.append(
            {
                "type": "scatter",
                "x": [None],
                "y": [None],
                "mode": "markers",
                "name": plain(entry.name, "chart"),
                "legendgroup": entry.name,
                "showlegend": not train or entry.name not in filled,
                "marker": marker,
            }
        )
    names = _axis_titles(space, projection, axes)
    bare = projection == "tsne"
    axis = {"zeroline": not bare, "showgrid": not bare, "showticklabels": not bare, "ticks": ""}
    across, up = _frame(positions(space, projection, axes))
    layout |= {
        "uirevision": f"{space.name}|{space.stamp}|{projection}|{axes}",
        "margin": {"l": 12 if bare else 48, "r": 12, "t": 12, "b": 28 if bare else 42},
        "xaxis": {"title": {"text": names[0], "standoff": 6}, "range": across, **axis},
        "yaxis": {
            "title": {"text": names[1], "standoff": 4},
            "range": up,
            "scaleanchor": "x",
            **axis,
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yanchor": "bottom",
            "itemsizing": "constant",
            "bgcolor": "rgba(0,0,0,0)",
        },
        "showlegend": False,  # the map has its own, which waits for no Plotly
        "shapes": _circles(space, axes) if projection == "latent" else [],
    }
    return {"data": data, "layout": layout}


def _shades(scale: str) -> list[str]:
    from plotly.colors import sample_colorscale

    return sample_colorscale(scale, [k / 255 for k in range(256)])


def _circles(space: LatentSpace, axes: tuple[int, int]) -> list[dict[str, Any]]:
    """One, two and three standard deviations of the prior, or one of each of its components."""
    line: dict[str, object] = {"width": 1, "color": "rgba(128,128,128,0.45)"}
    ovals: list[tuple[list[float], list[float]]] = []
    if space.has_prior:
        line["dash"] = "dot"
        ovals = [([-radius] * 2, [radius] * 2) for radius in (1, 2, 3)]
    elif space.prior:
        parts = space.model.prior.component_distribution.base_dist
        for mean, sigma in zip(parts.loc[:, list(axes)], parts.scale[:, list(axes)], strict=True):
            ovals.append(((mean - sigma).tolist(), (mean + sigma).tolist()))
    return [
        {"type": "circle", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "layer": "below", "line": line}
        for (x0, y0), (x1, y1) in ovals
    ]


def opacity(space: LatentSpace) -> float:
    """How solid a point is drawn."""
    return 0.8 if len(space) <= 6_000 else 0.55


def _axis_titles(space: LatentSpace, projection: str, axes: tuple[int, int]) -> tuple[str, str]:
    if projection == "latent":
        return axis_name(space, axes[0]), axis_name(space, axes[1])
    if projection == "tsne":
        return "", ""
    shares = [*space.pca.shares, 0.0]  # codes of one dimension lie on a line
    return tuple(f"Principal axis {k + 1} · {shares[k]:.0%} of the variance" for k in (0, 1))

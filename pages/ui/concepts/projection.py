"""All codes projected onto a concept vector, and the path of an edit among them."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.concepts.edit import EditResult
from pages.ui.shared import formatting, labels, plot_style
from pages.ui.shared.foreign_text import plain
from vae.concepts.vectors import split_by_attribute
from vae.latent import evenly

__all__ = ["show_projection"]

_MOST = 3_000  # points that are drawn


def show_projection(result: EditResult) -> None:
    """All codes with the concept as x and the widest direction orthogonal to it as y."""
    edit, space = result.edit, result.edit.space
    names = [concept.name for concept in edit.active]
    chosen = st.selectbox(
        "Concept", names, format_func=formatting.concept, key="map-concept", width=220
    )
    concept = edit.active[names.index(chosen) if chosen in names else 0]
    v = concept.vector.astype(np.float64)
    length = np.linalg.norm(v)
    if length < 1e-9:
        st.info("This vector has length 0, so it has no direction.")
        return
    axis = v / length
    centre = space.mean.mean(0)
    flat = space.mean - centre
    flat = flat - np.outer(flat @ axis, axis)
    y_axis = np.linalg.svd(flat, full_matrices=False)[2][0] if len(v) > 1 else 0 * axis

    def place(z: np.ndarray) -> np.ndarray:
        z = np.atleast_2d(z) - centre
        return np.stack([z @ axis / length, z @ y_axis], 1)

    at = place(space.mean)
    figure = go.Figure()
    if concept.target in labels.table(space):
        word, known = (
            formatting.concept(formatting.words(concept.target)).lower(),
            labels.table(space),
        )
        excluded = labels.excluded(space, concept.target)
        with_it, without = split_by_attribute(known, concept.target, excluded)
        parts = [(f"without {word}", without), (f"with {word}", with_it)]
        if not (with_it | without).all():
            others = " or ".join(formatting.concept(formatting.words(n)).lower() for n in excluded)
            parts.append((f"{others} instead", ~(with_it | without)))
    else:
        parts = [("real images", np.ones(len(space), dtype=bool))]
    colours = (plot_style.COLOURS[0], plot_style.COLOURS[4], plot_style.GREY)
    for (name, part), colour in zip(parts, colours, strict=False):
        rows = evenly(np.flatnonzero(part), _MOST // len(parts))
        figure.add_scatter(
            x=at[rows, 0],
            y=at[rows, 1],
            name=plain(name, "chart"),
            mode="markers",
            marker={"size": 5, "opacity": 0.5, "color": colour},
            text=[plain(space.title(int(r)), "chart") for r in rows],
            hovertemplate="%{text}<extra></extra>",
        )
    steps = np.linspace(0, 1, 9)[:, None]
    walk = place(edit.pin.z + steps * edit.step_at(edit.pin.z))
    figure.add_scatter(
        x=walk[:, 0],
        y=walk[:, 1],
        name="the edit",
        mode="lines+markers",
        line={"width": 3, "color": plot_style.COLOURS[3]},
        marker={"size": [12, *[6] * 7, 14], "symbol": ["circle", *["circle"] * 7, "star"]},
    )
    figure.update_layout(
        height=480,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis_title=f"{plain(formatting.concept(chosen), 'chart')}, in units of strength",
        yaxis_title="orthogonal direction of largest variance",
        legend={"orientation": "h", "y": -0.18},
    )
    alt = f"Map whose horizontal axis is {chosen}, with the path of this edit"
    chart(figure, key="concept-map", alt=alt)
    st.caption(
        "Each point is a real image. If positives and negatives separate from left to right, the "
        "vector captures the concept. Other active concepts move the path up or down."
    )

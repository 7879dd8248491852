"""Dose and response: what the classifier sees as the strength of a concept grows."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.concepts.edit import Edit
from pages.ui.shared import classifier, formatting
from pages.ui.shared.foreign_text import plain
from vae.codes import UNUSUAL, decode

__all__ = ["show_dose"]


def show_dose(edit: Edit) -> None:
    """What the classifier sees as the strength grows, and where the code leaves the data."""
    seen_by = classifier.judge(edit.space)
    if seen_by is None or not edit.active:
        st.info("There is no classifier for these images, so no response can be measured.")
        return
    names = [m.concept.name for m in edit.active]
    chosen = st.selectbox(
        "Concept", names, format_func=formatting.verbatim, key="dose-concept", width=260
    )
    k = names.index(chosen) if chosen in names else 0
    made = edit.active[k]
    at = np.linspace(-1.5, 2.5, 33)
    single = edit.pin.z + (edit.strengths * (np.arange(len(names)) != k)) @ np.stack(
        [m.concept.vector for m in edit.active]
    )
    codes = (single + at[:, None] * made.concept.vector).astype(np.float32)
    seen = seen_by.probabilities(decode(edit.space.model, codes)).detach().numpy()
    outside = edit.space.aggregate_posterior.unusualness(codes) > UNUSUAL
    moved = np.abs(seen - seen[np.argmin(np.abs(at))]).max(0)
    shown = [n for n in np.argsort(-moved) if seen_by.names[n] != made.target][:5]
    figure = go.Figure()
    for n in shown:
        figure.add_scatter(
            x=at,
            y=seen[:, n],
            name=plain(formatting.words(seen_by.names[n]), "chart"),
            opacity=0.7,
        )
    if made.target in seen_by.names:
        y = seen[:, seen_by.names.index(made.target)]
        word = plain(formatting.words(made.target), "chart")
        figure.add_scatter(x=at, y=y, name=word, line={"width": 5})
    for side in (at < 0, at > 0):
        left = at[outside & side]
        if len(left):
            first = left[np.argmin(np.abs(left))]
            figure.add_vline(
                first,
                line_dash="dash",
                annotation_text="leaves the data",
                annotation_yref="y domain",
                annotation_y=1.08,
            )
    now = {"annotation_text": "now", "annotation_yref": "y domain", "annotation_y": 1.08}
    figure.add_vline(float(edit.strengths[k]), line_dash="dot", **now)
    figure.update_layout(
        height=360,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        xaxis_title=f"Strength of “{plain(chosen, 'chart')}”",
        yaxis_title="Probability",
        yaxis_range=[-0.02, 1.02],
        yaxis_tickformat=".0%",
        legend={"orientation": "h", "y": -0.25},
    )
    chart(figure, key="dose", alt=f"Classifier’s answers by strength of {chosen}")
    st.caption(
        "This picture, the other sliders as they stand. The thick line is the concept itself; the "
        "five that move most beside it. "
        + (
            "Dashed: from here on the code is more unusual than 99 % of real ones."
            if outside.any()
            else "Nowhere here is the code more unusual than 99 % of real ones."
        )
    )

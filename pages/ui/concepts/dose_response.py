"""Dose–response curves: predictions of the classifier against the strength of a concept."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.concepts.edit import EditResult
from pages.ui.shared import formatting
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.inside import judge_edited
from vae.codes import decode
from vae.latent import UNJUDGED

__all__ = ["show_dose"]

_SPARSE = 4  # every 4th strength is tested for having left the data


def show_dose(result: EditResult) -> None:
    """Predictions against strength, and where the edited code leaves the data."""
    edit = result.edit
    classifier = edit.space.classifier
    if classifier is None or not edit.active:
        st.info("There is no classifier of these images, so the response cannot be measured.")
        return
    names = [concept.name for concept in edit.active]
    chosen = st.selectbox(
        "Concept", names, format_func=formatting.concept, key="dose-concept", width=260
    )
    k = names.index(chosen) if chosen in names else 0
    concept = edit.active[k]
    at = np.linspace(-1.5, 2.5, 33)
    step = concept.at(edit.pin.z)
    codes = edit.edited + (at[:, None] - edit.strengths[k]) * step
    probabilities = classifier.probabilities(decode(edit.space.model, codes)).numpy()
    judged = edit.space.neighbour_distances.judged
    some = np.arange(0, len(at), _SPARSE)  # each is tested separately
    zones = [judge_edited(edit.space, z).zone for z in codes[some].astype(np.float32)]
    outside = np.array([zone == "outside" for zone in zones])
    moved = np.abs(probabilities - probabilities[np.argmin(np.abs(at))]).max(0)
    shown = [n for n in np.argsort(-moved) if classifier.names[n] != concept.target][:5]
    figure = go.Figure()
    for n in shown:
        figure.add_scatter(
            x=at,
            y=probabilities[:, n],
            name=plain(formatting.concept(formatting.words(classifier.names[n])), "chart"),
            opacity=0.7,
        )
    if concept.target in classifier.names:
        y = probabilities[:, classifier.names.index(concept.target)]
        word = plain(formatting.concept(formatting.words(concept.target)), "chart")
        figure.add_scatter(x=at, y=y, name=word, line={"width": 5})
    for side in (at < 0, at > 0):
        left = at[some][outside & side[some]]
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
        xaxis_title=f"Strength of “{plain(formatting.concept(chosen), 'chart')}”",
        yaxis_title="Predicted probability",
        yaxis_range=[-0.02, 1.02],
        yaxis_tickformat=".0%",
        legend={"orientation": "h", "y": -0.25},
    )
    chart(figure, key="dose", alt=f"Predicted probabilities by strength of {chosen}")
    if not judged:
        where = f"Where the code leaves the data: {UNJUDGED}."
    else:
        beyond = "Beyond the dashed line" if outside.any() else "At no strength shown"
        measure = (
            "less likely than 99 % of held-out codes"
            if edit.space.judges_likelihood
            else "at a larger Mahalanobis distance than 99 % of real codes"
        )
        where = f"{beyond} is the code {measure}."
    st.caption(
        "For this picture, with the other sliders where they are. Thick: the concept itself; "
        f"thin: the five other predictions that change most. {where}"
    )

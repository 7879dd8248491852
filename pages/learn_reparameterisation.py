"""Reparameterisation: how a gradient gets through a random draw.

A visitor drags ε and sees z and its picture move; every slope is computed for that very draw.
"""

import numpy as np
import streamlit as st

from pages.ui.components.noise_pad import noise_pad
from pages.ui.learn import layout, reparameterisation
from pages.ui.shared import model_picker, scatter, url_state
from pages.ui.shared.plot_style import coloured

HERE = "learn_reparameterisation.py"

layout.begin(
    HERE,
    "A draw from q(z|x) is written as a formula: the noise "
    f"{coloured('noise', 'ε')} is drawn, z is only computed from it. So z has a slope by "
    f"{coloured('mean', 'μ')} and by {coloured('deviation', 'σ')}, and the encoder "
    "can learn from what the decoder says.",
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    space = model_picker.choose_model()
    if not space.variational or space.mean.shape[1] < 2:
        st.info("This page needs a variational model of two dimensions or more: choose another.")
        st.stop()
    row = layout.choose_image(space)
    seed = layout.seed()
model_picker.show_notices(space)
axes = scatter.first_axes(space)
mean, sigma = reparameterisation.posterior_of(space, row)


def take_noise(dragged: list[float]) -> None:
    """What was dragged becomes the state of the two fields, and so of the address."""
    st.session_state["e1"], st.session_state["e2"] = (round(float(v), 2) for v in dragged)


@st.fragment
def hold_noise() -> None:
    """The pad and its slopes: letting go reruns only this."""
    model_picker.rerun_if_changed(space)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        noise = reparameterisation.choose_noise(axes)
        times = st.select_slider(
            "σ, times the encoder's",
            reparameterisation.WIDENINGS,
            reparameterisation.visible_widening(space),
            key="widen",
            bind=url_state.bind_choice("widen", map(str, reparameterisation.WIDENINGS)),
            width=260,
            help="At 1 the ellipses are q(z|x) itself, often too narrow to be seen.",
        )
    epsilon = np.zeros(len(mean))
    epsilon[list(axes)] = noise
    found = reparameterisation.pull_at(space, row, mean, times * sigma, epsilon, axes)
    draws = np.random.default_rng(seed).standard_normal((120, 2))
    noise_pad(
        space, mean, times * sigma, axes, tuple(noise), key="noise-pad", draws=draws,
        slope=found.wrt_z.numpy(), on_release=take_noise,
    )  # fmt: skip
    left, right = st.columns([3, 2], gap="medium")
    with left:
        reparameterisation.reparameterisation_formula()
        reparameterisation.show_slopes(found, epsilon)
    with right:
        layout.to_try(
            "Drag ε: z makes the same move, stretched by σ and begun at μ.",
            "Put ε at 0: z is μ, and σ has no slope at all.",
            "Widen σ: the same ε goes further, and other digits come into reach.",
            "Follow the arrow: L rises. Where the slopes vanish, no step of z fits better.",
        )


hold_noise()
names = ["Against the score function", "What detaching breaks"]
views = st.tabs(names, key="view", on_change="rerun", bind=url_state.bind_choice("view", names))
if views[0].open:
    with views[0]:
        reparameterisation.compare_estimators(space, row, seed)
if views[1].open:
    with views[1]:
        reparameterisation.compare_graphs(space, row, seed)
with layout.details("How it is computed"):
    st.markdown(reparameterisation.ABOUT_GRADIENTS)
layout.end(HERE)

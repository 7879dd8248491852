"""Reparameterisation: how a gradient flows through a random draw.

A visitor drags ε, and z and its picture move; all gradients are computed for that very draw.
"""

import numpy as np
import streamlit as st

from pages.ui.components import address
from pages.ui.components.noise_pad import noise_pad
from pages.ui.learn import as_python, layout, prediction, reparameterisation
from pages.ui.learn.texts import lesson
from pages.ui.shared import links, model_picker, problems, scatter, share

text = lesson("reparameterisation")
layout.begin(text)
widenings = text.number("widenings")
with st.container(horizontal=True, vertical_alignment="bottom"):
    space = model_picker.choose_model(lesson("frame")("model"))
    if not (space.has_nats_by_dimension and space.differentiable) or space.mean.shape[1] < 2:
        st.info(text("needs"))
        problems.end_page()
    row = layout.choose_image(space)
    seed = layout.seed()
model_picker.show_notices(space)
axes = scatter.first_axes(space)
mean, sigma = reparameterisation.posterior_of(space, row)


@address.fragment
def hold_noise() -> None:
    """The pad and its gradients: releasing it reruns only this."""
    model_picker.rerun_if_changed(space)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        noise = reparameterisation.choose_noise(axes)
        times = st.select_slider(
            text("widen.label"),
            widenings,
            **links.choice("widen", widenings, reparameterisation.visible_widening(space)),
            width=260,
            help=text("widen.help"),
        )
    if list(noise) != text.number("noise"):
        layout.did(text)
    epsilon = np.zeros(len(mean))
    epsilon[list(axes)] = noise
    gradient = reparameterisation.pull_at(space, row, mean, times * sigma, epsilon, axes)
    share.python(lambda: as_python.reparameterisation_as_python(space, row, epsilon, times, axes))
    draws = np.random.default_rng(seed).standard_normal((120, 2))
    noise_pad(
        space, mean, times * sigma, axes, tuple(noise), key="noise-pad", draws=draws,
        gradient=gradient.wrt_z.numpy(), on_release=reparameterisation.take_noise,
        words=reparameterisation.pad_words(),
    )  # fmt: skip
    left, right = st.columns([3, 2], gap="medium")
    with left:
        layout.formula(text)
        reparameterisation.show_gradients(gradient, epsilon)
    with right:
        layout.to_try(text)


hold_noise()
names = [text("estimators.tab"), text("detached.tab")]
texts = dict(zip(names, ("estimators", "detached"), strict=True))
views = st.tabs(names, on_change="rerun", **links.choice("view", names, names[0], text=texts.get))
if views[0].open:
    with views[0]:
        question = prediction.choice(text)
        if question.looked:
            question.tell_choice(*reparameterisation.widest(space, row, seed))
            reparameterisation.compare_estimators(space, row, seed)
if views[1].open:
    with views[1]:
        reparameterisation.compare_graphs(space, row, seed)
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

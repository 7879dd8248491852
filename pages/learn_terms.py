"""Reconstruction favours posteriors narrow and far apart, the KL all alike: beta decides.

A q moved by hand, models trained with five weights of the KL, and measured gradients.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import autoencoder, layout, prediction, terms
from pages.ui.learn.texts import lesson

text = lesson("terms")
layout.begin(text)
space = autoencoder.open_model(text.number("model"))
with st.container(horizontal=True, vertical_alignment="bottom"):
    row = layout.choose_image(space, default=text.number("image"), width=64)
    seed = layout.seed(help=text("seed.help"))
panel, place = terms.guess_panel(space), space.mean[row]
question = prediction.place(text, panel, (0.5, 0.5))
if question.looked:
    x, y = (f"{value:.2f}".replace("-", "−") for value in place)
    question.tell_place(terms.is_near(question.given, place), x=x, y=y)
    address.fragment(terms.move_posterior)(space, row, seed)

layout.formula(text)

st.header(text("sweep.title"), anchor=False)
terms.sweep(row, seed)
left, right = st.columns(2, gap="medium")
with left:
    st.markdown(f"**{text('rate.title')}**")
    chart(terms.rate_distortion(), key="rate", alt=text("rate.alt"))
    st.caption(text("rate.caption"))
with right:
    st.markdown(f"**{text('gradients.title')}**")
    chart(terms.gradients(space, seed), key="gradients", alt=text("gradients.alt"))

layout.to_try(text)
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

"""Amortised inference: one network predicts every image's posterior, in one pass and imperfectly.

A visitor draws a digit and sees its code; optimisation of q shows what the prediction loses.
"""

import streamlit as st

from pages.ui.learn import amortised, as_python, layout, prediction
from pages.ui.learn.texts import lesson
from pages.ui.shared import formatting, images, links, model_picker, problems, scatter, share
from pages.ui.shared.foreign_text import plain

text = lesson("amortised")
layout.begin(text)
counts = text.number("steps")
with st.container(horizontal=True, vertical_alignment="bottom"):
    space = model_picker.choose_model(lesson("frame")("model"))
    if not (space.has_nats_by_dimension and space.differentiable) or space.mean.shape[1] < 2:
        st.info(text("needs"))
        problems.end_page()
    steps = st.select_slider(
        text("steps.label"),
        counts,
        **links.choice("steps", counts, text.number("first_steps")[max(space.shape[1:]) > 32]),
        width=260,
        help=text("steps.help"),
    )
    seed = layout.seed()
model_picker.show_notices(space)

left, middle, right = st.columns([5, 3, 6], gap="medium")
with left:
    x, title, row = amortised.choose_image(space)
share.python(lambda: as_python.amortised_as_python(space, row, steps, seed))
guess = amortised.encode_now(space, x)
with middle:
    picture = images.data_url(space.model.observe(x[None])[0], 224)
    st.image(picture, text("image.input", name=plain(title)), 160, alt=plain(title, "text"))
    st.metric(text("code.time"), formatting.milliseconds(guess.seconds))
    code = ", ".join(
        f"{guess.mean[k]:.2f} ± {guess.sigma[k]:.2f}" for k in scatter.first_axes(space)
    )
    st.metric(text("code.whole" if len(space.order) == 2 else "code.part"), code)
with right:
    chart = st.empty()
with chart:
    amortised.show_map(space, guess, None)
if row is None:  # drawn, or brought
    layout.did(text)
question, search = prediction.number(text, 0.0, 500.0, 0.5), None
result = st.container()
columns = st.columns([3, 2], gap="medium")
with columns[0]:
    layout.formula(text)
with columns[1]:
    layout.to_try(text)
if question.looked:
    with result, st.spinner(text("search.running"), show_time=True):
        search = amortised.search(space, x, row, steps, seed)
    with chart:
        amortised.show_map(space, guess, search)
    with result:
        question.tell_number(*amortised.gain(search))
        amortised.show_search(space, guess, search)
st.header(text("cost.title"), anchor=False)
amortised.encoder_cost(space, guess, search)
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

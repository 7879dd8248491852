"""A VAE of points of a plane, trained in the browser with all of it in view.

Beside the ELBO stands log p(x), summed over the latent plane.
"""

import streamlit as st

from pages.ui.learn import layout, plane, prediction
from pages.ui.learn.texts import lesson

text = lesson("plane")
layout.begin(text)
with st.container(horizontal=True, vertical_alignment="bottom"):
    shape = plane.choose_shape()
    seed = layout.seed(help=text("seed.help"))
question = prediction.choice(text)
change = plane.train(shape, seed, held=not question.looked)
if question.looked and change is None:
    question.tell(text("predict.do"))
elif question.looked:
    question.tell_choice(*plane.what_became(change))

layout.formula(text)
layout.to_try(text)
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

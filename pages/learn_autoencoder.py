"""What noise and KL do for a variational autoencoder: its codes lie where N(0, I) does.

Two pairs of networks that differ only in these: samples and paths judged by a classifier, and two
planes under one pointer.
"""

import streamlit as st

from pages.ui.learn import as_python, autoencoder, layout, prediction
from pages.ui.learn.texts import lesson
from pages.ui.shared import share

text = lesson("autoencoder")
layout.begin(text)
twins = autoencoder.open_twins(*text.number("twins"))
with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(text("twins"), width="stretch")
    seed = layout.seed()
share.python(lambda: as_python.autoencoder_as_python(twins, seed))
question = prediction.choice(text)
if question.looked:
    autoencoder.show_samples(twins, "prior", seed)
    question.tell_choice(*autoencoder.clearer(twins, seed))
    autoencoder.show_fitted(twins, seed)

st.header(text("walk.title"), anchor=False)
autoencoder.show_walk(twins, seed)

st.header(text("planes.title"), anchor=False)
autoencoder.show_planes(autoencoder.open_twins(*text.number("planes")))

layout.formula(text)
layout.to_try(text)
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

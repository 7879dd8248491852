"""What the lessons have shown, each with its number, what the KL does, and where to go next."""

import streamlit as st

from pages.ui.learn import autoencoder, conclusion, layout, prediction
from pages.ui.learn.texts import lesson, numbers

text = lesson("conclusion")
layout.begin(text)
space = autoencoder.open_model(text.number("model"))
deep = autoencoder.open_model(text.number("deep"))
twins = autoencoder.open_twins(*numbers("autoencoder")["twins"])
with st.spinner(text("counting")):
    conclusion.show_lessons(space, deep, twins)

st.header(text("structure.title"), anchor=False)
left, right = st.columns(2, gap="medium")
with left, st.container(border=True):
    active, dimensions = conclusion.active_variables(deep)
    question = prediction.number(text, 0.0, float(dimensions), 1.0, dimensions=dimensions)
    if question.looked:
        question.tell_number(active, 1, str(active))
        if question.given is not None:
            layout.did(text)
        conclusion.show_results_of_the_kl(deep)
with right, st.container(border=True):
    conclusion.show_what_is_no_result(deep, twins)

layout.formula(text)
layout.to_try(text)
st.header(text("next.title"), anchor=False)
conclusion.show_ways_on()
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

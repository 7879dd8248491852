"""Where codes live: far from their mean, on a shell; averages and lines leave it.

A visitor counts dimensions, averages images, walks between two and follows a draw from noise to
code; beside each stands what a learned distribution of the codes makes of it.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.learn import codes, layout
from pages.ui.learn.texts import lesson
from pages.ui.shared import links

text = lesson("codes")
layout.begin(text)
stages = {key: text(f"stage.{key}") for key in codes.STAGES}
with st.container(horizontal=True, vertical_alignment="bottom"):
    with st.container(width=220):
        space = codes.open_model()
    stage = st.segmented_control(
        text("step"),
        list(stages),
        format_func=stages.get,
        required=True,
        **links.choice("stage", stages, "shell", labels=stages.get),
    )
    seed = 0 if stage == "path" else layout.seed(help=text("seed_help"))

st.markdown(text(f"about_stage.{stage}"))
address.fragment(codes.STAGES[stage])(space, seed)
if stage == list(codes.STAGES)[-1]:
    layout.did(text)

left, right = st.columns([3, 2], gap="medium")
with left:
    layout.formula(text)
with right:
    layout.to_try(text)
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

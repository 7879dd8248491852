"""Latent arithmetic: a concept is a direction, "with" minus "without".

A visitor takes one pair, then many, and repeats it in a model without a prior; an independent
classifier measures how often it works and what else it changes.
"""

import streamlit as st

from pages.ui.learn import arithmetic, as_python, layout
from pages.ui.learn.texts import lesson
from pages.ui.shared import links, share

text = lesson("arithmetic")
layout.begin(text)
space, twin = arithmetic.open_models()
stages = {key: text(f"stage.{key}") for key in arithmetic.STAGES}
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = arithmetic.choose_concept(space)
    seed = layout.seed(help=text("seed_help"))
    stage = st.segmented_control(
        text("step"),
        list(stages),
        format_func=stages.get,
        required=True,
        **links.choice("stage", stages, "pair", labels=stages.get),
    )

share.python(lambda: as_python.arithmetic_as_python(space, name, seed))
if stage == "pair":
    arithmetic.one_pair(space, name, seed)
elif stage == "add":
    arithmetic.on_another(space, name, seed)
elif stage == "many":
    arithmetic.from_many(space, name, seed)
else:
    arithmetic.two_models((space, twin), name, seed)
    layout.did(text)

left, right = st.columns([3, 2], gap="medium")
with left:
    layout.formula(text)
with right:
    layout.to_try(text)
st.page_link("concepts.py", label=text("own"), icon=":material/add_circle:", help=text("own_help"))
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

"""Latent arithmetic: a concept is a direction, "with" minus "without".

A visitor takes one pair, then many, and sees the same sum in a model without a prior; an
independent classifier counts how often it works and what else it changes.
"""

import streamlit as st

from pages.ui.learn import arithmetic, layout
from pages.ui.shared import plot_style, url_state

HERE = "learn_arithmetic.py"

layout.begin(
    HERE,
    "The code of a face with glasses, less the code of the same face without, is a "
    f"{plot_style.coloured('gap', 'direction')} that can be added to anybody's code. Each step "
    "below asks how far that carries.",
)
space, twin = arithmetic.open_models()
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = arithmetic.choose_concept(space)
    seed = layout.seed(help="Which pair and which examples are taken.")
    stage = st.segmented_control(
        "Step",
        list(arithmetic.STAGES.values()),
        default=arithmetic.STAGES["pair"],
        required=True,
        key="stage",
        bind=url_state.bind_choice("stage", arithmetic.STAGES.values()),
    )

if stage == arithmetic.STAGES["pair"]:
    arithmetic.one_pair(space, name, seed)
elif stage == arithmetic.STAGES["add"]:
    arithmetic.on_another(space, name, seed)
elif stage == arithmetic.STAGES["many"]:
    arithmetic.from_many(space, name, seed)
else:
    arithmetic.two_models((space, twin), name, seed)

left, right = st.columns([3, 2], gap="medium")
with left:
    vector, strength = plot_style.term("gap", "v"), plot_style.term("noise", "s")
    layout.formula(
        rf"{vector} = \frac1N\sum_i z_i^{{\text{{with}}}} - "
        rf"\frac1M\sum_j z_j^{{\text{{without}}}} \qquad z' = z + {strength}\cdot{vector}",
        ("gap", "v", "the concept: a difference of mean codes"),
        ("noise", "s", "the strength"),
    )
with right:
    layout.to_try(
        "Take another seed in step 2: how much does one pair's direction depend on the pair?",
        "Compare strangers with the same person in step 3: what does averaging take away?",
        "In step 4, look for a strength at which a model starts to change other things.",
    )
st.page_link(
    "concepts.py",
    label="Make, combine and judge concepts of your own",
    icon=":material/add_circle:",
)
with layout.details("How it is computed"):
    st.markdown(arithmetic.ABOUT)
layout.end(HERE)

"""Amortised inference: one network guesses every image's posterior, at once and a little wrong.

A visitor draws a digit and sees its code; a search by gradient steps shows what the guess costs.
"""

import streamlit as st

from pages.ui.learn import amortised, layout
from pages.ui.shared import formatting, images, model_picker, plot_style, scatter, url_state
from pages.ui.shared.foreign_text import plain

HERE = "learn_amortised.py"

layout.begin(
    HERE,
    "The encoder has learnt to guess "
    f"{plot_style.coloured('posterior', 'q(z|x)')} for images it has never seen, in one pass. "
    "Optimising μ and σ for one image alone takes hundreds of passes and ends higher: the "
    f"difference is the {plot_style.coloured('gap', 'amortisation gap')}.",
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    space = model_picker.choose_model()
    if not space.variational or space.mean.shape[1] < 2:
        st.info("This page needs a variational model of two dimensions or more: choose another.")
        st.stop()
    steps = st.select_slider(
        "Gradient steps of the search",
        amortised.STEPS,
        100 if max(space.shape[1:]) <= 32 else 50,
        key="steps",
        bind=url_state.bind_choice("steps", map(str, amortised.STEPS)),
        width=260,
        help="Of Adam, with 8 draws each, on μ and σ of this one image. The decoder stays as it "
        "is.",
    )
    seed = layout.seed()
model_picker.show_notices(space)

left, middle, right = st.columns([5, 3, 6], gap="medium")
with left:
    x, title = amortised.choose_image(space)
guess = amortised.encode_now(space, x)
with middle:
    seen = images.data_url(space.model.observe(x[None])[0], 224)
    st.image(seen, f"{plain(title)}, as the model sees it", 160, alt=plain(title, "text"))
    st.metric("Encoded in", formatting.milliseconds(guess.seconds))
    code = ", ".join(
        f"{guess.mean[k]:.2f} ± {guess.sigma[k]:.2f}" for k in scatter.first_axes(space)
    )
    st.metric("Code, μ ± σ" if len(space.order) == 2 else "First two of its code", code)
with right:
    chart = st.empty()
with chart:
    amortised.show_map(space, guess, None)
result = st.container()
columns = st.columns([3, 2], gap="medium")
with columns[0]:
    layout.formula(
        plot_style.term("gap", r"\text{gap}")
        + r" = \max_{\mu,\,\sigma}\; \mathrm{ELBO}(x;\, \mu, \sigma) - "
        + r"\mathrm{ELBO}(x;\, "
        + plot_style.term("posterior", r"\mu(x), \sigma(x)")
        + ")",
        ("posterior", r"\mu(x), \sigma(x)", "one network's guess for this image"),
        ("gap", r"\text{gap}", "what the guess gives away, in nats"),
    )
with columns[1]:
    layout.to_try(
        "Draw an ordinary 1, then a crossed 7: which one does the encoder guess well?",
        "Scribble: the code is still there at once, and the gap grows.",
        "Take 400 steps from the prior: does the search reach the encoder's answer?",
    )
with result, st.spinner("Optimising μ and σ for this image…", show_time=True):
    found = amortised.search(space, x, steps, seed)
with chart:
    amortised.show_map(space, guess, found)
with result:
    amortised.show_search(space, guess, found)
st.subheader("What a code costs", anchor=False)
amortised.encoder_cost(space, guess, found)
with layout.details("How it is computed"):
    st.markdown(amortised.ABOUT)
layout.end(HERE)

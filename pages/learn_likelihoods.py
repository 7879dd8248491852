"""A decoder gives a distribution for every pixel, not a picture: what that says and costs.

Three likelihoods on one image, pixel by pixel; and why their product is computed in logarithms.
"""

import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.learn import autoencoder, layout, likelihoods
from pages.ui.shared import plot_style

FILE = "learn_likelihoods.py"
layout.begin(
    FILE,
    "A decoder does not draw a picture: it gives a distribution for every pixel, and the picture "
    "that is shown is its mean. Which distribution decides what an error costs, and whether the "
    "model may say where it is unsure.",
)
space = autoencoder.open_model("digits")
with st.container(horizontal=True, vertical_alignment="bottom"):
    row = layout.choose_image(space, default=0, width=64)
    seed = layout.seed()
x = space.image(row)


@st.fragment
def pixels() -> None:
    """The three readings, and the curve of the pixel that was clicked."""
    at = likelihoods.read_pixels(x)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown(
            "**What a larger deviation forgives, and what it costs** "
            f"(row {at[0]}, column {at[1]})"
        )
        alt = "log p of one pixel, and its two terms, by the deviation that the decoder gives"
        chart(likelihoods.forgiveness(x, at), key="forgiveness", alt=alt)
    with right:
        st.markdown("**Why the picture blurs**")
        likelihoods.blur(space, row)
        st.caption(
            "Images that share a code get one answer, and the mean is the one that costs least. "
            "Here with two latent dimensions, where many share."
        )


pixels()
mean, width = plot_style.term("mean", r"m"), plot_style.term("deviation", r"\sigma")
layout.formula(
    rf"\log p(x \mid z) = \sum_{{\text{{pixels}}}} \;\; x \log {mean} + (1 - x) \log (1 - {mean})"
    rf"\quad\text{{or}}\quad -\tfrac12 \left(\frac{{x - {mean}}}{{{width}}}\right)^{{\!2}}"
    rf" - \log {width} - \tfrac12 \log 2\pi",
    ("mean", r"m", "the mean that the decoder gives, different for every pixel and every z"),
    ("deviation", r"\sigma", "its deviation: large forgives an error, but costs log σ everywhere"),
)
st.subheader("Multiply the pixels, and watch the product vanish", anchor=False)
st.fragment(likelihoods.underflow)(space, x)
st.markdown("**Averaging likelihoods**")
likelihoods.averaging(space, x, seed)
layout.to_try(
    "Move over the edge of a stroke, then over the empty ground: where is the Gaussian unsure, "
    "and what does it earn where it is sure? Its floor of 1/64 keeps that from being unbounded.",
    "Click a pixel: is the decoder's σ near the best one, the size of the error?",
    "Multiply the Gaussian's densities: those above 1 make the product overflow instead.",
)
with layout.details("How this is measured"):
    st.markdown(
        "Three small models with eight latent dimensions, trained alike but for the likelihood "
        "(products and averages of the Bernoulli are those of the model with two); "
        "each image is decoded at the mean of its posterior. Bernoulli sees black and white, cut "
        "at ½. A probability of black and white and a density of grey values are not the same "
        "thing: nats of different likelihoods are never compared. The product is formed by "
        "multiplying in each precision, not worked out from the logs."
    )
layout.end(FILE)

"""Reconstruction wants codes narrow and far apart, the KL wants them all alike: beta decides.

A q moved by hand, models trained with five weights of the KL, and measured gradients.
"""

import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.learn import autoencoder, layout, terms
from pages.ui.shared import plot_style

FILE = "learn_terms.py"
layout.begin(
    FILE,
    "The reconstruction pulls each image's cloud of codes to where it is decoded best, and would "
    "have it as narrow as a point. The KL pulls every cloud to the middle and to width 1; what is "
    "learned lies between, and a factor $\\beta$ can shift it.",
)
space = autoencoder.open_model("digits")
with st.container(horizontal=True, vertical_alignment="bottom"):
    row = layout.choose_image(space, default=3, width=64)
    seed = layout.seed(help="Of the draws, and of the noise in the gradients.")
st.fragment(terms.move_posterior)(space, row, seed)

layout.formula(
    plot_style.term("reconstruction", r"\mathbb{E}_{q(z|x)}[\log p(x \mid z)]")
    + r" \;-\; \beta \cdot " + plot_style.term("kl", r"\mathrm{KL}(q(z|x) \,\|\, p(z))")
    + r", \qquad " + plot_style.term("kl", r"\mathrm{KL}")
    + r" = \tfrac12 \sum_d \left(\mu_d^2 + \sigma_d^2 - \log \sigma_d^2 - 1\right)",
    ("reconstruction", r"\mathbb{E}_q[\log p(x|z)]", "how well draws of q give the image back"),
    ("kl", r"\mathrm{KL}", "what q costs: its distance from the prior (dotted rings)"),
)  # fmt: skip

st.subheader("From isolated points to one heap", anchor=False)
terms.sweep(row, seed)
left, right = st.columns(2, gap="medium")
with left:
    st.markdown("**Rate against distortion**")
    alt = "Rate and distortion of models with betas from small to large"
    chart(terms.rate_distortion(), key="rate", alt=alt)
    st.caption(
        "Of images that training never saw. Below β = 1 codes cost more nats and reconstruct no "
        "better; nor do they the training images, whose distortion is 148 nats at β = 1, 149 at "
        "0.1 and 152 at 0."
    )
with right:
    st.markdown("**Which term moves which network**")
    alt = "Sizes of the two terms' gradients in the encoder and in the decoder"
    chart(terms.gradients(space, seed), key="gradients", alt=alt)

layout.to_try(
    "Widen q: the draws below the plane begin to differ, the reconstruction falls, the KL falls, "
    "too. Where is their sum best, and is that where the encoder puts it?",
    "Drag q onto a code of another class: what does the reconstruction say?",
    "Read the planes from left to right: at β = 0 clouds shrink to points that nothing keeps near "
    "the prior; at β = 20 they all lie on it. Then the code says nothing: posterior collapse.",
)
with layout.details("How this is measured"):
    st.markdown(
        "Your q's expectation is integrated with 144 Gauss–Hermite nodes, not sampled. The five "
        "models are small, have two latent dimensions, and were trained alike but for β; ellipses "
        "are two deviations of q, rate and distortion are means over the images that training "
        "never saw. With β below 1 the objective asks less of the KL, yet after their 15 epochs "
        "these models reconstruct the training images no better, either. "
        "Gradients are those of the means over 128 images, at the trained model, where the terms "
        "balance: the KL does not contain the decoder, so it sends it exactly nothing."
    )
layout.end(FILE)

"""What noise and KL do for a variational autoencoder: its codes lie where N(0, I) does.

Two pairs of networks, alike but for these: draws and paths judged by a classifier, and two planes.
"""

import streamlit as st

from pages.ui.learn import autoencoder, layout
from pages.ui.shared import plot_style

FILE = "learn_autoencoder.py"
layout.begin(
    FILE,
    "An autoencoder squeezes each image into a few numbers, its code, and back; nothing tells it "
    "where the codes should lie. A variational autoencoder adds noise to its codes and keeps them "
    "near $N(0, I)$, so that what is drawn from there is decoded to something like the images.",
)
twins = autoencoder.open_twins("lab/digits-16-autoencoder", "lab/digits-16-variational")
with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(
        "Both networks have the same layers and codes of 16 numbers, and were trained on the same "
        "images for as long: only the noise and the KL differ.",
        width="stretch",
    )
    seed = layout.seed()
autoencoder.show_samples(twins, "prior", seed)
autoencoder.show_fitted(twins, seed)

st.subheader("From one image to another", anchor=False)
autoencoder.show_walk(twins, seed)

st.subheader("Two numbers for each image: where are the holes?", anchor=False)
autoencoder.show_planes(autoencoder.open_twins("digits-autoencoder", "digits"))

layout.formula(
    r"\text{autoencoder: }\;" + plot_style.term("reconstruction", r"\log p(x \mid z = \mu(x))")
    + r"\qquad \text{variational: }\;"
    + plot_style.term("reconstruction", r"\mathbb{E}_{q(z|x)}[\log p(x \mid z)]")
    + "-" + plot_style.term("kl", r"\mathrm{KL}(q(z|x) \,\|\, p(z))"),
    ("reconstruction", r"\log p(x|z)", "how well the image is given back"),
    ("kl", r"\mathrm{KL}", "how far its code, a cloud, is from the prior $N(0, I)$"),
)  # fmt: skip
layout.to_try(
    "Change the seed: how far do the counts move, and do they ever change places?",
    "Move the pointer through a hole of the autoencoder (strongly tinted): what is decoded?",
    "Cross from one class to the next on both planes: where does the picture stay a digit?",
)
with layout.details("How this is measured"):
    st.markdown(
        "A draw *looks like a digit* if an independent classifier, trained on real images only, "
        "is as sure of it as of 95 % of the real ones. That is a low bar: a classifier may be "
        "sure of nonsense, too."
    )
layout.end(FILE)

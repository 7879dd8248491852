"""What the noise of a variational autoencoder is for: no gaps, no jumps, and samples that work.

Two networks of the same size on the same images, under one pointer; draws judged by a classifier.
"""

import streamlit as st

from pages.ui.components.latent_planes import Panel, live_planes
from pages.ui.learn import autoencoder, layout
from pages.ui.shared import plot_style, url_state

FILE = "learn_autoencoder.py"
layout.begin(
    FILE,
    "An autoencoder squeezes each image into two numbers and back; nothing tells it what to put "
    "between them. A variational autoencoder adds noise to its codes and keeps them near "
    "$N(0, I)$, so every place in between has to mean something.",
)
twins = {
    "Autoencoder": autoencoder.open_model("digits-autoencoder"),
    "Variational autoencoder": autoencoder.open_model("digits"),
}
with st.container(horizontal=True, vertical_alignment="bottom"):
    behind = st.segmented_control(
        "Behind the codes",
        list(autoencoder.FIELDS),
        format_func=autoencoder.FIELDS.get,
        default="distance",
        required=True,
        key="behind",
        bind=url_state.bind_choice("behind", autoencoder.FIELDS.values()),
    )
    seed = layout.seed()
if behind == "confidence" and twins["Autoencoder"].classifier is None:
    st.info("No classifier is shipped for these images, so there is no confidence to show.")
colour = plot_style.TERMS["gap" if behind == "distance" else "elbo"]
start = (0.42, 0.55)
at = live_planes(
    [
        Panel(
            name,
            autoencoder.bounds_of(space),
            space.name,
            space.mean,
            space.class_of,
            autoencoder.field(space, behind, colour),
            rings=space.variational,
        )
        for name, space in twins.items()
    ],
    key="twins",
    start=url_state.read_numbers("at", 2, 0, 1) or start,
    legend=next(iter(twins.values())).classes,
)
url_state.write_numbers("at", None if at == start else at)

autoencoder.show_samples(twins, seed)
autoencoder.show_walk(twins)
layout.formula(
    r"\text{autoencoder: }\;" + plot_style.term("reconstruction", r"\log p(x \mid z = \mu(x))")
    + r"\qquad \text{variational: }\;"
    + plot_style.term("reconstruction", r"\mathbb{E}_{q(z|x)}[\log p(x \mid z)]")
    + "-" + plot_style.term("kl", r"\mathrm{KL}(q(z|x) \,\|\, p(z))"),
    ("reconstruction", r"\log p(x|z)", "how well the image is given back"),
    ("kl", r"\mathrm{KL}", "how far its code, a cloud, is from the prior $N(0, I)$"),
)  # fmt: skip
layout.to_try(
    "Move the pointer through a hole of the autoencoder (strongly tinted): what is decoded?",
    "Cross from one class to the next on both planes: where does the picture stay a digit?",
    "Compare the draws from $N(0, I)$: they fall in the middle of the autoencoder's codes, which "
    "have another scale. Are they clear? Are they of all kinds? Then those from a Gaussian fitted "
    "to each model's own codes: is that fairer, and is it enough?",
)
with layout.details("How this is measured"):
    st.markdown(
        "Both models have the same layers and saw the same images. A draw *looks like a digit* "
        "if an independent classifier, trained on real images only, is as sure of it as of 95 % "
        "of the real ones. That is a low bar: a classifier may be sure of nonsense."
    )
layout.end(FILE)

"""What the noise of a variational autoencoder is for: no gaps, no jumps, and samples that work.

Two networks of the same size on the same images, under one pointer; draws judged by a classifier.
"""

import streamlit as st

from pages.ui import learn, lessons
from pages.ui.plane import Panel, live_planes

FILE = "learn_autoencoder.py"
learn.begin(
    FILE,
    "An autoencoder squeezes each image into two numbers and back; nothing tells it what to put "
    "between them. A variational autoencoder adds noise to its codes and keeps them near "
    "$N(0, I)$, so every place in between has to mean something.",
)
twins = {
    "Autoencoder": lessons.open_model("digits-autoencoder"),
    "Variational autoencoder": lessons.open_model("digits"),
}
with st.container(horizontal=True, vertical_alignment="bottom"):
    behind = st.segmented_control(
        "Behind the codes",
        list(lessons.FIELDS),
        format_func=lessons.FIELDS.get,
        default="distance",
        required=True,
        key="behind",
        bind="query-params",
    )
    seed = learn.seed()
if behind == "confidence" and lessons.judge(twins["Autoencoder"]) is None:
    st.info("No classifier is shipped for these images, so there is no confidence to show.")
colour = learn.TERMS["gap" if behind == "distance" else "elbo"]
start = (0.42, 0.55)
at = live_planes(
    [
        Panel(
            name,
            lessons.bounds_of(ref),
            ref.name,
            ref.mean,
            ref.class_of,
            lessons.field(ref, behind, colour),
            rings=ref.variational,
        )
        for name, ref in twins.items()
    ],
    key="twins",
    start=learn.linked("at", 2) or start,
    legend=next(iter(twins.values())).classes,
)
learn.link("at", None if at == start else at)

lessons.show_samples(twins, seed)
lessons.show_walk(twins)
learn.formula(
    r"\text{autoencoder: }\;" + learn.term("reconstruction", r"\log p(x \mid z = \mu(x))")
    + r"\qquad \text{variational: }\;"
    + learn.term("reconstruction", r"\mathbb{E}_{q(z|x)}[\log p(x \mid z)]")
    + "-" + learn.term("kl", r"\mathrm{KL}(q(z|x) \,\|\, p(z))"),
    ("reconstruction", r"\log p(x|z)", "how well the image is given back"),
    ("kl", r"\mathrm{KL}", "how far its code, a cloud, is from the prior $N(0, I)$"),
)  # fmt: skip
learn.to_try(
    "Move the pointer through a hole of the autoencoder (strongly tinted): what is decoded?",
    "Cross from one class to the next on both planes: where does the picture stay a digit?",
    "Compare the draws from $N(0, I)$: they fall in the middle of the autoencoder's codes, which "
    "have another scale. Are they clear? Are they of all kinds? Then those from a Gaussian fitted "
    "to each model's own codes: is that fairer, and is it enough?",
)
with learn.details("How this is measured"):
    st.markdown(
        "Both models have the same layers and saw the same images. A draw *looks like a digit* "
        "if an independent classifier, trained on real images only, is as sure of it as of 95 % "
        "of the real ones. That is a low bar: a classifier may be sure of nonsense."
    )
learn.end(FILE)

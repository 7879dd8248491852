"""The ELBO lies below log p(x), by exactly the distance between q and the true posterior.

For a real image: the truth by quadrature, the bound with more and more samples, and the gap.
"""

import streamlit as st

from pages.ui.components.jensen import jensen
from pages.ui.components.latent_planes import live_planes
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import autoencoder, elbo, layout
from pages.ui.shared import plot_style

FILE = "learn_elbo.py"
layout.begin(
    FILE,
    "How likely a model finds an image, $\\log p(x)$, is an integral over all codes; the ELBO is "
    "a bound from below that needs only codes which the encoder proposes. What is lost is "
    "exactly the distance of that proposal, q, from the true posterior.",
)
space = autoencoder.open_model("digits")


def next_missed() -> None:
    """Goes to the image whose posterior q misses next worst."""
    order = elbo.missed(space).argsort()[::-1][:20].tolist()
    now = st.session_state.get("image", -1)
    st.session_state["image"] = order[(order.index(now) + 1) % 20 if now in order else 0]


with st.container(horizontal=True, vertical_alignment="bottom"):
    row = layout.choose_image(space, default=3, width=64)
    seed = layout.seed()
    st.button(
        "An image that q misses",
        icon=":material/search:",
        on_click=next_missed,
        help="Of 500 images, one whose true posterior has its mass where q is not. "
        "Press again for the next.",
    )
found = elbo.bound(space, row)
layout.balance(
    ("evidence", r"\log p(x)\text{, by quadrature}", found.evidence),
    ("elbo", r"\text{ELBO}", found.elbo),
    ("gap", r"\mathrm{KL}(q \,\|\, p(z|x))", found.gap),
    digits=2 if found.error <= 0.005 else 1,
)
left, right = st.columns(2, gap="medium")
with right:
    live_planes([elbo.posterior_panel(space, row)], key=f"posterior-{row}")
with left:
    run = elbo.curve(space, row, seed)
    alt = "log p(x), the ELBO, and the importance-weighted bound as its samples grow"
    chart(elbo.bound_figure(found, run, row), key="bound", alt=alt)

layout.formula(
    plot_style.term("evidence", r"\log p(x)") + r" = \log \int p(x, z)\,dz = \log \mathbb{E}_{q}"
    r"\!\left[\frac{p(x, z)}{q(z|x)}\right] \;\ge\; "
    + plot_style.term("elbo", r"\mathbb{E}_{q}\!\left[\log \frac{p(x, z)}{q(z|x)}\right]")
    + " = " + plot_style.term("evidence", r"\log p(x)") + " - "
    + plot_style.term("gap", r"\mathrm{KL}(q \,\|\, p(z|x))"),
    ("evidence", r"\log p(x)", "the evidence"),
    ("elbo", r"\mathbb{E}_q[\log w]", "the ELBO, a mean of logs"),
    ("gap", r"\mathrm{KL}", "the gap: how far q is from the true posterior"),
)  # fmt: skip
st.subheader("Why it is a bound: the log of a mean is above the mean of the logs", anchor=False)
tones = [plot_style.TERMS[name] for name in ("evidence", "elbo", "gap")]
jensen([0.15, 0.9, 3.2], above=tones[0], below=tones[1], gap=tones[2], key="jensen")
st.caption("Drag the points: each is a weight w = p(x, z) / q(z|x) of one draw of q.")
layout.to_try(
    "Press *An image that q misses*: the tint lies away from the ellipse, and even 5,000 samples "
    "of q stay nats below the truth. A better proposal, or quadrature, does find it.",
    "Follow one run: it may fall with more samples. Only its expectation rises with K.",
    "Drag all points of the curve together: equal weights leave no gap. So has a q that is the "
    "true posterior.",
)
with layout.details("The model in which all is exact", "straighten"):
    st.fragment(elbo.linear_gaussian)()
with layout.details("How this is measured"):
    st.markdown(
        "Quadrature adds up p(x, z) over a lattice on the latent plane, nine and eighty-one times "
        "finer where it has its mass. The ELBO is integrated with Gauss–Hermite nodes. The gap "
        "above is their difference; summed by itself, over a lattice of its own, it is "
        f"{found.gap:.2f} nats. The mixture proposal draws from q, q widened 4 and 12 times, and "
        "the prior; it may miss narrow modes, too."
    )
layout.end(FILE)

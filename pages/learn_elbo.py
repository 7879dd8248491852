"""The ELBO lies below log p(x), by exactly the distance between q and the true posterior.

For a real image: the truth by quadrature, the bound with more and more samples, and the gap.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.components.jensen import jensen
from pages.ui.components.latent_planes import live_planes
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import as_python, autoencoder, elbo, layout, prediction
from pages.ui.learn.texts import lesson
from pages.ui.shared import plot_style, share

text = lesson("elbo")
layout.begin(text)
space = autoencoder.open_model(text.number("model"))


def next_missed() -> None:
    """Goes to the image whose posterior q misses next worst."""
    order = elbo.missed(space).argsort()[::-1][:20].tolist()
    now = layout.shown_image()
    layout.show_image(order[(order.index(now) + 1) % 20 if now in order else 0])


with st.container(horizontal=True, vertical_alignment="bottom"):
    row = layout.choose_image(space, default=text.number("image"), width=64)
    seed = layout.seed()
    if st.button(
        text("missed.label"),
        icon=":material/search:",
        on_click=next_missed,
        help=text("missed.help"),
    ):
        layout.did(text)
share.python(lambda: as_python.elbo_as_python(space, row))
with st.spinner(text("bound.computing")):
    bound = elbo.bound(space, row)
question = prediction.number(text, 0.0, 500.0, 0.5)
if question.looked:
    question.tell_number(bound.gap, 0.5 + bound.gap / 2, f"{bound.gap:.2f}")
    layout.balance(
        ("evidence", r"\log p(x)" + text("balance.evidence"), bound.evidence),
        ("elbo", r"\text{ELBO}", bound.elbo),
        ("gap", r"\mathrm{KL}(q \,\|\, p(z|x))", bound.gap),
        digits=2 if bound.error <= 0.005 else 1,
    )
    left, right = st.columns(2, gap="medium")
    with right:
        panel = elbo.posterior_panel(space, row)
        live_planes([panel], words=layout.plane_words(), key=f"posterior-{row}")
    with left:
        run = elbo.curve(space, row, seed)
        chart(elbo.bound_figure(bound, run, row), key="bound", alt=text("bound.alt"))

layout.formula(text)
if question.looked:
    st.header(text("derivation.title"), anchor=False)
    st.markdown(text("derivation.intro"))
    elbo.derivation(space, row, bound)

st.header(text("jensen.title"), anchor=False)
tones = [plot_style.TERMS[name] for name in ("evidence", "elbo", "gap")]
names = ("function", "mean", "above", "below", "gap", "alt")
words = {name: text(f"jensen.{name}") for name in names}
functions = {name: text(f"jensen.functions.{name}") for name in ("log", "root", "line", "square")}
jensen(
    text.number("weights"),
    above=tones[0],
    below=tones[1],
    gap=tones[2],
    words=words | {"functions": functions},
    key="jensen",
)
st.caption(text("jensen.caption"))

st.header(text("integral.title"), anchor=False)
elbo.cost_of_the_integral(space)
layout.to_try(text)
with layout.details(text("linear.title"), "straighten"):
    address.fragment(elbo.linear_gaussian)()
with layout.details(text("measured.title")):
    st.markdown(text("measured.text", gap=f"{bound.gap:.2f}"))
layout.end(text)

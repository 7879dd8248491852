"""A decoder predicts a distribution for every pixel, not a picture: what that means and costs.

Three likelihoods on one image, pixel by pixel; and why their product is computed in logarithms.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import as_python, autoencoder, layout, likelihoods, prediction
from pages.ui.learn.texts import lesson
from pages.ui.shared import share

text = lesson("likelihoods")
layout.begin(text)
space = autoencoder.open_model(text.number("model"))
with st.container(horizontal=True, vertical_alignment="bottom"):
    row = layout.choose_image(space, default=text.number("image"), width=64)
    seed = layout.seed()
x = space.image(row)
share.python(lambda: as_python.likelihoods_as_python(space, likelihoods.models(), row))


@address.fragment
def pixels() -> None:
    """The three readings, and the curve of the pixel that was clicked."""
    at = likelihoods.read_pixels(x)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown(text("spread.title", row=at[0], column=at[1]))
        figure = likelihoods.spread_figure(x, at)
        chart(figure, key="forgiveness", alt=text("spread.alt"))
    with right:
        st.markdown(text("blur.title"))
        likelihoods.blur(space, row)
        st.caption(text("blur.caption"))


pixels()
layout.formula(text)
st.header(text("names.title"), anchor=False)
st.markdown(text("names.text"))
st.header(text("product.title"), anchor=False)
question = prediction.choice(text)
if question.looked:
    question.tell_choice(*likelihoods.product_in_halves(space, x))
    address.fragment(likelihoods.underflow)(space, x)
st.markdown(text("average.title"))
likelihoods.averaging(space, x, seed)
layout.to_try(text)
with layout.details(text("measured.title")):
    st.markdown(text("measured.text"))
layout.end(text)

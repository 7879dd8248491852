"""The glossary: each term in a sentence and a formula, and the page that shows it best.

Terms on other pages link here; each has an anchor of its own.
"""

import streamlit as st

from pages.ui.shared import share
from pages.ui.shared.glossary import glossary

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Glossary", anchor=False, width="content")
    share.button()
st.markdown(
    "The terms of the field as this app uses them. All quantities are in nats per image unless "
    "another unit is given."
)
terms = sorted(glossary().values(), key=lambda term: term.name.lower())
st.markdown(" · ".join(f"[{term.name}](#{term.anchor})" for term in terms))
for term in terms:
    with st.container(border=True):
        st.header(term.name, anchor=term.anchor)
        st.markdown(term.sentence)
        st.markdown(rf"$\displaystyle {term.formula}$")  # which breaks on a narrow page
        st.page_link(term.where, label="See it in the app", icon=":material/arrow_forward:")

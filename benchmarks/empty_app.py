"""What Streamlit itself costs: a component, three pictures and six lines in a fragment.

`benchmarks/classroom.py` puts it under the load that the app is under.
"""

import numpy as np
import streamlit as st

component = st.components.v2.component("empty", html="<p></p>", js="export default () => {}")
pictures = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)


@st.fragment
def explore() -> None:
    """A click of a visitor runs this."""
    component(data=["nothing"], key="map", on_pinned_change=lambda: None)
    st.image(list(pictures), width=104)
    for line in range(6):
        st.markdown(f"Line {line}")


st.title("Empty")
explore()

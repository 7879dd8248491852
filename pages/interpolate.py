"""Interpolate between pictures: along a path, inside a square, or along single directions.

The browser decodes every step; Python measures how close the path stays to the data.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.interpolate.corners import square_view
from pages.ui.interpolate.path import path_view
from pages.ui.interpolate.traversals import traversal_view
from pages.ui.shared import links, model_picker, own_things, share

VIEWS = {
    "path": ("Path", path_view),
    "corners": ("Four corners", square_view),
    "traversals": ("Traversals", traversal_view),
}

with st.container(horizontal=True, vertical_alignment="bottom", key="head"):
    st.title("Interpolate", anchor=False, width="content")
    with st.container(width=280):
        space = model_picker.choose_model()
        own_things.follow_address(space)
    view = st.segmented_control(
        "View",
        list(VIEWS),
        required=True,
        format_func=lambda name: VIEWS[name][0],
        **links.choice("walk", VIEWS, "path", labels=lambda name: VIEWS[name][0]),
    )
    share.button()

model_picker.show_notices(space)


@address.fragment
def walk() -> None:
    """The chosen view: moving something in it reruns only this."""
    model_picker.rerun_if_changed(space)
    VIEWS[view][1](space)


walk()

"""The library: import pictures once, and keep datasets, models and runs.

It shows what there is, how much disk it takes, and what an import would be like beforehand.
"""

import streamlit as st

from pages.ui.library.datasets import show_datasets
from pages.ui.library.drawing import show_drawing
from pages.ui.library.importing import show_import
from pages.ui.library.models import show_models
from pages.ui.library.runs import show_runs
from pages.ui.library.sizes import show_room
from pages.ui.shared import links, permissions, share, visitor
from pages.ui.shared.foreign_text import message

SHELVES = {
    "datasets": "Datasets",
    "models": "Models",
    "runs": "Runs",
    "import": "Import",
    "draw": "Draw",
}
state = visitor.current().library
with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Library", anchor=False, width="content")
    shelf = st.segmented_control(
        "Shelf",
        list(SHELVES),
        required=True,
        format_func=SHELVES.get,
        label_visibility="collapsed",
        **links.choice("shelf", SHELVES, "datasets"),
    )
    share.button()
if state.message and shelf != "import":
    st.toast(message(state.message))
    state.message = None
if shelf in ("datasets", "models", "runs") and permissions.may_change():
    show_room()
if shelf == "import":
    show_import()
elif shelf == "models":
    show_models()
elif shelf == "runs":
    show_runs()
elif shelf == "draw":
    show_drawing()
else:
    show_datasets()

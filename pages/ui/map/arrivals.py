"""Drawings of the room that appear on the presenter's map as they come."""

from __future__ import annotations

import streamlit as st

from pages.ui.components import address
from pages.ui.shared import drawings, permissions, visitor
from pages.ui.shared.latent_space import LatentSpace

__all__ = ["show_arrivals"]


def show_arrivals(space: LatentSpace) -> None:
    """Looks every second whether something has come, if the presenter watches for it.

    Args:
        space: the model on the map.
    """
    state = visitor.current()
    if state.drawings_seen is None or not drawings.fits(space) or not permissions.may_change():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            ":material/draw: Drawings of the room appear here as they come: "
            f"{state.drawings_seen:,} so far."
        )
        st.button("Stop", key="stop-arrivals", type="tertiary", on_click=_stop)

    def look() -> None:
        if state.drawings_seen is not None and drawings.pin_new(space):
            st.rerun()

    address.fragment(look, run_every=1.0, writes=False)()


def _stop() -> None:
    visitor.current().drawings_seen = None

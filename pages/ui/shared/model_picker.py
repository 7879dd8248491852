"""The choice of a model, the same on every page."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import links, problems, visitor
from pages.ui.shared.cache import latent_space
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.latent_space import LatentSpace
from vae import CheckpointError, DatasetError, list_checkpoints

__all__ = ["choose_model", "rerun_if_changed", "show_notices"]

_KEY = "model"  # of the select box


def choose_model(label: str = "Model", *, first: str | None = None) -> LatentSpace:
    """Lets the visitor choose a model, the same on every page, and opens it.

    A link names a model (`?model=`); from then on it goes with the visitor, and every page writes
    it into its address. Stops the page with a message where there is no model or it cannot be
    opened.

    Args:
        label: label of the select box.
        first: name of a model that this page opens if nobody has chosen one.
    """
    names = [c.name for c in list_checkpoints()]
    if not names:
        st.error(
            "There are no models yet. Train one on the Train page, or with python -m vae train."
        )
        problems.end_page()
    known = visitor.current()
    if known.address.query is None:  # a page by itself, as in tests
        links.arrive(known.address.page, back=False)
    # Forgotten at last: at each access to the session's state the run may be cut off by the next.
    requested = known.asked
    if known.address.arrived:  # the select box of another page is gone, and what it said
        last = known.model or st.session_state.get(_KEY)
        if first in names and last in (None, names[0]):  # which every other page opens on
            last = first
        st.session_state[_KEY] = requested if requested in names else last
    if st.session_state.get(_KEY) not in names:  # none yet, or deleted meanwhile
        st.session_state[_KEY] = names[0]
    name = known.model = st.selectbox(label, names, key=_KEY)
    known.asked, known.address.arrived = None, False
    if requested not in (None, *names):
        st.toast(
            f"This link asks for the model “{plain(requested)}”, which does not exist here. "
            f"Showing {plain(name)} instead.",
            icon=":material/link_off:",
            duration="long",
        )
    try:
        return latent_space(name)
    except (CheckpointError, DatasetError) as problem:
        st.error(f"This model cannot be shown. {message(problem)}")
        problems.end_page()


def show_notices(space: LatentSpace) -> None:
    """Shows the notices of a model, such as that its pictures have changed, and what it lacks."""
    for notice in space.notices:
        st.warning(message(notice), icon=":material/history:")
    lacks = list(space.model.config.limits)
    if space.card.get("samples") is True:
        lacks.insert(0, "The images are samples of this decoder itself: none of them is real.")
    if lacks:
        st.caption(message(" ".join(lacks)))


def rerun_if_changed(space: LatentSpace) -> None:
    """Draws the whole page again if a model or its images changed since it was opened.

    Call it first in a fragment, which would go on with the model that the page was drawn with.
    """
    try:
        changed = latent_space(space.name).stamp != space.stamp
    except (CheckpointError, DatasetError):
        changed = True  # the page says why
    if changed:
        st.rerun()

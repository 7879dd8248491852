"""The choice whether the map shows the held-out images alone, or the train images as well."""

from __future__ import annotations

import streamlit as st

from pages.ui.components.job_progress import show_job
from pages.ui.shared import all_images, links
from pages.ui.shared.foreign_text import message
from pages.ui.shared.formatting import time_words
from pages.ui.shared.latent_space import LatentSpace
from vae import DatasetError

__all__ = ["choose_images", "explain_marks", "show_progress"]

_AT_ONCE = 20.0  # seconds of encoding that nobody is asked about


def choose_images(space: LatentSpace) -> LatentSpace:
    """Lets the visitor choose, and gives the model with all that can be shown by now."""
    if not space.encodes:  # the codes of train images are not known
        return space
    names = {"held-out": "Held out", "all": "All, train too"}
    chosen = st.selectbox(
        "Images",
        list(names),
        format_func=names.get,
        **links.choice("images", names, "held-out", labels=names.get),
        help="Held-out images are those that the model never trained on. Train images are encoded "
        "when they are first shown; their points are hollow.",
    )
    return (all_images.ready(space) if chosen == "all" else None) or space


def show_progress(space: LatentSpace, shown: LatentSpace) -> None:
    """Encodes the train images where they were chosen and are not there yet, and says how far.

    Args:
        space: the model with its held-out images.
        shown: what `choose_images` gave.
    """
    if not space.encodes or shown is not space or st.session_state.get("images") != "all":
        return
    job = all_images.job_of(space)
    if job is not None and job.live:
        show_job(job)
        return
    if job is not None:
        show_job(job)
    try:
        count, seconds, size = all_images.cost(space)
    except DatasetError as problem:
        st.error(f"The train images cannot be shown. {message(problem)}")
        return
    if job is None and seconds < _AT_ONCE:
        show_job(all_images.begin(space))
        return
    st.info(
        f"Encoding the {count:,} train images takes about {time_words(seconds)} and "
        f"{max(1, round(size / 1e6)):,} MB of memory."
    )
    if st.button("Encode them", icon=":material/play_arrow:", key="encode-all"):
        all_images.begin(space)
        st.rerun()


def explain_marks(space: LatentSpace) -> None:
    """Says which points are train images."""
    if space.trained:
        held_out = len(space) - space.trained
        st.caption(
            f"Filled: {held_out:,} held-out images. Hollow: {space.trained:,} train images, "
            "which the model has learned to reconstruct."
        )

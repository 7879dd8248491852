"""Drawings of the room: everybody sends theirs, and the presenter sees them as they come."""

from __future__ import annotations

import functools

import streamlit as st

from pages.ui.components import address
from pages.ui.components.digit_canvas import draw_digit
from pages.ui.components.job_progress import show_job
from pages.ui.shared import cache, drawings, images, jobs, permissions, room, visitor
from pages.ui.shared.changes import import_images
from pages.ui.shared.drawings import DRAWN
from pages.ui.shared.foreign_text import message, plain
from vae import DatasetError
from vae.imports import ImportedDataset

__all__ = ["show_gathered", "show_sending"]

_MODEL = "digits"  # on whose map they are shown
_JOB = "gathered-drawings"
_SHOWN = 120  # of the latest


def show_sending() -> None:
    """Lets a visitor draw something and send it to the presenter, without a name."""
    state = visitor.current()
    drawn = draw_digit(DRAWN, key=f"room-canvas-{state.drawings_sent}")
    if st.button("Send", icon=":material/send:", type="primary", disabled=drawn is None):
        if room.ROOM.gather(images.png(drawn)):
            state.drawings_sent += 1
            st.rerun()
        st.error("This drawing is too large to be sent. Draw it again, with fewer strokes.")
    if state.drawings_sent:
        st.caption(f"Sent: {state.drawings_sent}. They carry no name.")


def show_gathered() -> None:
    """Shows the presenter what has come, on the map or as a dataset if wanted."""
    address.fragment(_show, run_every=1.0, writes=False)()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button(f"Watch them come on the map of {_MODEL}", icon=":material/explore:"):
            _watch()
        name = st.text_input("Name of the dataset", "drawings-of-the-room", width=240)
        if st.button("Make a dataset", icon=":material/library_add:"):
            jobs.forget(_JOB)
            work = functools.partial(_import, room.ROOM.gathered(), name.strip())
            jobs.start(_JOB, "Making the dataset", work, (DatasetError,))
        st.button("Forget them", icon=":material/delete:", on_click=room.forget_drawings)
    if (job := jobs.find(_JOB)) is not None and job.state == "done":
        dataset: ImportedDataset = job.result
        st.success(f"{plain(dataset.name)} is a dataset now. {message(' '.join(dataset.told))}")
    elif job is not None:
        show_job(job)


def _show() -> None:
    came = room.ROOM.gathered()
    if not came:
        st.caption("Nothing has come yet. Everybody's page Room has a canvas.")
        return
    st.markdown(f"**{len(came):,} drawings**")
    sheet = images.sheet(drawings.pixels(came[-_SHOWN:]), min(20, len(came)))
    alt = f"The latest {min(len(came), _SHOWN)} drawings of the room"
    st.image(images.data_url(sheet, 2 * sheet.shape[1]), alt=alt)


@permissions.presenter_only
def _watch() -> None:
    visitor.current().drawings_seen = 0
    drawings.pin_new(cache.latent_space(_MODEL))
    st.switch_page("map.py", query_params={"model": _MODEL})


def _import(came: list[bytes], name: str, job: jobs.Job) -> ImportedDataset:
    if not came:
        raise DatasetError("There is no drawing yet; a dataset needs two or more.")
    return import_images(
        (drawings.pixels(came)[:, 0] * 255).byte().numpy(),
        name,
        licence="Drawn by hand in the app",
        progress=job.tell,
        cancelled=job.cancelled,
    )

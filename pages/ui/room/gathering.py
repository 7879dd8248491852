"""Drawings of the room: everybody sends theirs, and the presenter sees them as they come."""

from __future__ import annotations

import functools
import io

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from pages.ui.components import address
from pages.ui.components.digit_canvas import draw_digit
from pages.ui.components.job_progress import show_job
from pages.ui.shared import cache, images, jobs, permissions, room, visitor
from pages.ui.shared.changes import import_images
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.pins import upload_pin
from vae import DatasetError
from vae.imports import ImportedDataset

__all__ = ["show_gathered", "show_sending"]

_SHAPE = (1, 28, 28)
_MODEL = "digits"  # on whose map they are shown
_JOB = "gathered-drawings"
_SHOWN = 120  # of the latest


def show_sending() -> None:
    """Lets a visitor draw something and send it to the presenter, without a name."""
    state = visitor.current()
    drawn = draw_digit(_SHAPE, key=f"room-canvas-{state.drawings_sent}")
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
        if st.button(f"The latest on the map of {_MODEL}", icon=":material/explore:"):
            _pin_latest()
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
    drawings = room.ROOM.gathered()
    if not drawings:
        st.caption("Nothing has come yet. Everybody's page Room has a canvas.")
        return
    st.markdown(f"**{len(drawings):,} drawings**")
    sheet = images.sheet(_pixels(drawings[-_SHOWN:]), min(20, len(drawings)))
    alt = f"The latest {min(len(drawings), _SHOWN)} drawings of the room"
    st.image(images.data_url(sheet, 2 * sheet.shape[1]), alt=alt)


@permissions.presenter_only
def _pin_latest() -> None:
    space = cache.latent_space(_MODEL)
    for number, x in enumerate(_pixels(room.ROOM.gathered()[-visitor.MOST_PINS :]), 1):
        visitor.add_pin(upload_pin(space, x, f"drawing {number} of the room"))
    st.switch_page("map.py", query_params={"model": _MODEL})


def _pixels(drawings: list[bytes]) -> Tensor:
    """Drawings `(n, 1, 28, 28)` in [0, 1]."""
    read = [np.asarray(Image.open(io.BytesIO(d), formats=["PNG"])) for d in drawings]
    return torch.from_numpy(np.stack(read)).float()[:, None] / 255


def _import(drawings: list[bytes], name: str, job: jobs.Job) -> ImportedDataset:
    if not drawings:
        raise DatasetError("There is no drawing yet; a dataset needs two or more.")
    return import_images(
        (_pixels(drawings)[:, 0] * 255).byte().numpy(),
        name,
        licence="Drawn by hand in the app",
        progress=job.tell,
        cancelled=job.cancelled,
    )

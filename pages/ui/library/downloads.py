"""A file that takes a while to be made, and then a link to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.ui.components.job_progress import show_job
from pages.ui.library.sizes import size_words
from pages.ui.shared import jobs, outgoing
from vae import CheckpointError, DatasetError
from vae.files import OutputError

__all__ = ["offer_file"]


def offer_file(key: str, label: str, name: str, make: Callable[[Path], object]) -> None:
    """Shows a button that makes a file, how far that is, and at last a link to it.

    Args:
        key: tells files apart, versions of their contents included.
        label: what the button says.
        name: name of the file.
        make: writes it to a path.
    """
    key = f"export-{key}"
    job = jobs.find(key)
    if job is not None and job.state == "done" and job.result.is_file():
        st.link_button(
            f"Download, {size_words(job.result.stat().st_size)}",
            outgoing.address_of(job.result).lstrip("/"),  # beside the page
            icon=":material/download:",
            type="primary",
        )
        return
    if job is not None and job.live:
        show_job(job)
        return
    if job is not None:
        show_job(job)

    def work(job: jobs.Job) -> Path:
        job.tell(0.0, "packing")
        return outgoing.make_file(name, make)

    if st.button(label, key=key, icon=":material/folder_zip:"):
        jobs.forget(key)
        jobs.start(key, "Exporting", work, (DatasetError, CheckpointError, OutputError))
        st.rerun()

"""How far a long step is, with a button that stops it."""

from __future__ import annotations

import time

import streamlit as st

from pages.ui.components import address
from pages.ui.shared.foreign_text import message
from pages.ui.shared.jobs import Job

__all__ = ["show_job"]


def show_job(job: Job) -> None:
    """Shows a live job with its bar and a button that stops it, and the page again at its end.

    A job that failed says why.
    """
    if job.state == "failed":
        st.error(message(job.problem))
    elif job.state == "stopped":
        st.info("Stopped. Nothing of it was kept.")
    if job.live:
        address.fragment(_follow, run_every=0.5)(job)


def _follow(job: Job) -> None:
    job.look()
    if not job.live:
        st.rerun()
    taken = time.monotonic() - job.since
    left = taken / job.fraction - taken if job.fraction > 0.02 else None
    words = "Waiting for another long step to end" if job.state == "waiting" else job.words
    rest = f" · about {max(1, round(left)):,} s left" if left is not None else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.fraction, f"{job.title}: {message(words or 'starting')}{rest}")
        st.button(
            "Stop",
            key=f"stop-{job.key}",
            icon=":material/stop:",
            on_click=job.stop,
            disabled=not job.may_stop(),
        )

"""The figures of a model's card, measured when somebody asks for them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.components.job_progress import show_job
from pages.ui.shared import jobs, permissions
from pages.ui.shared.changes import evaluate
from vae import CheckpointError, DatasetError

__all__ = ["offer_measure"]


def offer_measure(name: str, folder: Path, card: dict[str, Any]) -> None:
    """Offers to measure a model on its held-out images, and shows how far that is.

    Args:
        name: name of the model.
        folder: its folder, whose card takes the figures.
        card: contents of its card.
    """
    key = f"measure-{name}"
    job = jobs.find(key)
    if job is not None:
        if job.state == "done":
            jobs.forget(key)
            st.rerun()
        show_job(job)
        if job.live:
            return
    measured = bool((card.get("metrics") or {}).get("n"))
    if st.button(
        "Measure again" if measured else "Measure",
        key=f"do-{key}",
        icon=":material/speed:",
        disabled=not permissions.may_change(),
        help="ELBO, log p(x), reconstruction error and samples, as `python -m vae evaluate` "
        "measures them on all held-out images; the model card on the map shows them. Takes a few "
        "minutes on one core.",
    ):
        jobs.forget(key)
        work = functools.partial(_measure, folder)
        jobs.start(key, "Measuring the model", work, (CheckpointError, DatasetError, ValueError))
        st.rerun()


def _measure(folder: Path, job: jobs.Job) -> None:
    evaluate(
        folder,
        save=True,
        log=lambda sentence: job.tell(job.fraction, sentence),
        progress=lambda done, count: job.tell(done / max(count, 1)),
    )

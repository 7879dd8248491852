"""The runs: their state, what they decode by now, and the disk that they take."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.library.measuring import offer_measure
from pages.ui.library.models import decoded, offer_files
from pages.ui.library.paging import choose_page
from pages.ui.library.sizes import folder_size, size_words
from pages.ui.shared import permissions
from pages.ui.shared.foreign_text import message, plain
from vae import CheckpointError
from vae.checkpoint import load_card
from vae.runs.config import RunError, read_config
from vae.runs.manager import Run, list_runs
from vae.runs.status import read_status

__all__ = ["show_runs"]


def show_runs() -> None:
    """Lists the runs, a page at a time; the training page does the rest."""
    runs = list_runs()
    if not runs:
        st.info("Nothing has been trained yet. The Train page starts runs.")
        return
    permissions.explain("measures runs")
    for run in choose_page(runs, "runs-page"):
        with st.container(border=True):
            _show(run)


def _show(run: Run) -> None:
    status = read_status(run.folder)
    left, right = st.columns([1, 2])
    stamp = ""
    with left:
        try:
            stamp = str((run.folder / "model.safetensors").stat().st_mtime_ns)
            picture, _ = decoded(run.name, str(run.folder), stamp)
            alt = f"Pictures that {plain(run.name, 'text')} decodes"
            st.image(picture, alt=alt, width="stretch")
        except (CheckpointError, OSError):
            st.caption("No checkpoint yet.")
    with right:
        st.markdown(f"**{plain(run.name)}** · {status.state}")
        dataset = None
        try:
            config = read_config(run.folder)
            dataset = config.dataset
            about = f"{plain(dataset)} · {config.training.epochs} epochs"
        except RunError as problem:
            about = message(problem)
        st.caption(f"{about} · {size_words(folder_size(run.folder))}")
        with st.container(horizontal=True):
            if st.button(
                "Open on the Train page", icon=":material/model_training:", key=f"run-{run.name}"
            ):
                st.switch_page("train.py", query_params={"run": run.name})
            if not stamp:
                return
            with st.popover(
                "Export", icon=":material/download:", key=f"files-{run.name}", on_change="rerun"
            ) as popover:
                if popover.open:
                    offer_files(run.name, dataset, stamp)
        if not status.live:
            offer_measure(run.name, run.folder, _card_of(run))


def _card_of(run: Run) -> dict[str, Any]:
    try:
        return load_card(run.folder)
    except CheckpointError:
        return {}

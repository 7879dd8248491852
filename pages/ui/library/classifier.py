"""The classifier of an import: evidence whether an edit shows what it should, for own labels."""

from __future__ import annotations

import functools
from typing import TypedDict

import streamlit as st

from pages.ui.components.job_progress import show_job
from pages.ui.shared import jobs, permissions
from pages.ui.shared.changes import classify_import
from pages.ui.shared.foreign_text import message, plain
from vae import CheckpointError, DatasetError
from vae.classifier import classifier_file
from vae.imports import ImportedDataset
from vae.imports.classifying import ImportClassifier
from vae.schema import Number, SchemaError, convert
from vae.tensors import read_tensors

__all__ = ["offer_classifier"]

_SHOWN = 12


class _Built(TypedDict, total=False):
    accuracy: dict[str, Number] | None
    refused: dict[str, str] | None


def offer_classifier(dataset: ImportedDataset) -> None:
    """Shows how well the classifier of a dataset does, and trains it when asked."""
    if not dataset.card["classes"] and not dataset.card["columns"]:
        return
    key = f"classifier-{dataset.reference}"
    job = jobs.find(key)
    file = classifier_file(dataset.reference)
    with st.expander("Classifier", icon=":material/verified:", key=f"show-{key}"):
        st.caption(
            "Trained on real train images alone, it tells on the Concepts page whether an edit "
            "shows what it should. Labels that it cannot tell on held-out images are left out. "
            "Training takes about a minute, and a few hundred megabytes of memory."
        )
        if job is not None and job.state in ("failed", "stopped"):
            show_job(job)
        if file.is_file():
            _show_accuracy(dataset)
        if job is not None and job.live:
            show_job(job)
            return
        words = "Train it again" if file.is_file() else "Train the classifier"
        if st.button(
            words,
            key=f"do-{key}",
            icon=":material/play_arrow:",
            disabled=not permissions.may_change(),
        ):
            jobs.forget(key)
            work = functools.partial(_train, dataset.reference)
            jobs.start(key, "Training the classifier", work, (DatasetError, CheckpointError))
            st.rerun()


def _train(reference: str, job: jobs.Job) -> ImportClassifier:
    return classify_import(
        reference,
        progress=lambda done, count: job.tell(done / count, f"{done} of {count} epochs"),
    )


def _show_accuracy(dataset: ImportedDataset) -> None:
    file = classifier_file(dataset.reference)
    try:
        built = convert(read_tensors(file)[1].get("built"), _Built | None) or {}
    except (CheckpointError, SchemaError) as problem:
        st.error(f"{message(problem)} Train the classifier of {plain(dataset.name)} again.")
        return
    accuracy, refused = built.get("accuracy") or {}, built.get("refused") or {}
    shown = list(accuracy.items())
    listed = " · ".join(f"{plain(name)} {share:.0%}" for name, share in shown[:_SHOWN])
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    st.markdown(f"Accuracy on held-out images: {listed}{more}")
    for name, why in list(refused.items())[:_SHOWN]:
        st.caption(f"Left out: {plain(name)}, because {message(why)}.")

"""Importing: what was read and left out, twelve pictures as the model will see them, then more."""

from __future__ import annotations

import functools
import json
from typing import Any

import streamlit as st
import torch

from pages.ui.components.job_progress import show_job
from pages.ui.library.source import Chosen, choose_source, forget
from pages.ui.shared import images, jobs, permissions, visitor
from pages.ui.shared.changes import import_source, inspect_source
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.formatting import image_size, time_words
from pages.ui.shared.grid import show_table
from pages.ui.shared.jobs import Job
from vae import DatasetError
from vae.imports import ImportedDataset, Summary, list_datasets
from vae.imports.exporting import is_exported

__all__ = ["show_import"]

_SIZES = ("auto", 16, 28, 32, 48, 64, 96, 128, 192, 256)
_COLOURS = {"auto": "As in the pictures", "grey": "Grey", "colour": "Colour"}
_FITS = {"crop": "Crop", "pad": "Pad", "stretch": "Stretch"}
_LISTED = 200
_AS_IT_IS = {"image_size": None, "colour": None, "fit": "crop", "skip_broken": False}


def show_import() -> None:
    """Lets a visitor bring pictures, look at what the model will see, and import them."""
    if not permissions.explain("imports pictures; on the Map you can bring one of your own"):
        return
    state = visitor.current().library
    if state.imported is not None:
        _show_imported(state.imported)
        return
    chosen = choose_source()
    if chosen is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(chosen.name)}**", width="content")
        st.button("Take something else", icon=":material/close:", on_click=forget, type="tertiary")
    exported = chosen.path.is_file() and is_exported(chosen.path)
    options = dict(_AS_IT_IS) if exported else _options(chosen)
    importing = jobs.find(f"import-{chosen.key}")
    if importing is not None:
        _follow_import(chosen, importing)
        if importing.live:
            return
    if exported:
        st.info("This is an exported dataset: it is imported as it is.")
    key = f"inspect-{chosen.key}-{json.dumps(options)}"
    job = jobs.find(key) or jobs.start(
        key,
        "Looking at the pictures",
        functools.partial(_inspect, chosen, options),
        (DatasetError,),
        remembered=False,
    )
    if job.state == "done":
        _show_summary(chosen, options, job)
        return
    if job.state == "failed":
        job.problem = chosen.told(job.problem)
    show_job(job)
    if job.state in ("stopped", "failed") and st.button("Look again", key="look-again"):
        jobs.forget(job.key)
        st.rerun()


def _options(chosen: Chosen) -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = st.selectbox(
            "Image size",
            _SIZES,
            format_func=lambda s: "As proposed" if s == "auto" else f"{s}×{s}",
            key=f"size-{chosen.key}",
            width=150,
            help="Their own size where all pictures agree and are at most 64×64, else 64×64.",
        )
        colour = st.selectbox(
            "Colour",
            list(_COLOURS),
            format_func=_COLOURS.get,
            key=f"colour-{chosen.key}",
            width=180,
        )
        fit = st.segmented_control(
            "Pictures that are not square",
            list(_FITS),
            default="crop",
            required=True,
            format_func=_FITS.get,
            key=f"fit-{chosen.key}",
            help="Crop cuts off what is too long, pad adds a border, stretch distorts.",
        )
        skip = st.toggle(
            "Leave out what cannot be read",
            key=f"skip-{chosen.key}",
            help="Otherwise one broken picture stops the import.",
        )
    return {
        "image_size": None if size == "auto" else size,
        "colour": None if colour == "auto" else colour,
        "fit": fit,
        "skip_broken": skip,
    }


def _inspect(chosen: Chosen, options: dict[str, Any], job: Job) -> Summary:
    return inspect_source(
        chosen.path,
        labels=chosen.labels,
        progress=job.tell,
        cancelled=job.cancelled,
        **options,
    )


def _import(chosen: Chosen, options: dict[str, Any], name: str, job: Job) -> ImportedDataset:
    return import_source(
        chosen.path,
        name,
        labels=chosen.labels,
        progress=job.tell,
        cancelled=job.cancelled,
        **options,
    )


def _show_summary(chosen: Chosen, options: dict[str, Any], job: Job) -> None:
    summary: Summary = job.result
    c, h, w = summary.image_shape
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**As the model will see them**")
        if len(summary.pictures):
            sheet = images.sheet(torch.from_numpy(summary.pictures).float() / 255, 6)
            st.image(
                images.data_url(sheet, max(2 * sheet.shape[1], 240)),
                caption=f"{len(summary.pictures)} of {summary.total:,} pictures at "
                f"{image_size(c, h, w)}",
                alt=f"Contact sheet of {len(summary.pictures)} pictures",
            )
        for notice in summary.notices:
            st.info(message(chosen.told(notice)))
    with right:
        _show_counts(summary)
    _show_lists(chosen, summary)
    broken = bool(summary.broken) and not options["skip_broken"]
    size = summary.total * c * h * w
    taken = job.seconds * summary.total / max(summary.checked, 1)
    st.caption(
        f"Importing takes about {time_words(max(taken, 1))} and "
        f"{max(1, round(size / 1e6)):,} MB of disk."
    )
    _offer_import(chosen, options, broken)


def _offer_import(chosen: Chosen, options: dict[str, Any], broken: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name",
            _free_name(chosen.proposal),
            key=f"name-{chosen.key}",
            max_chars=64,
            width=280,
            help="Letters, digits, dots, hyphens and underscores. A name that is taken gets a "
            "new version of that dataset.",
        )
        if st.button(
            "Import",
            icon=":material/library_add:",
            type="primary",
            key="import",
            disabled=broken,
            help="Leave out what cannot be read, or put it right, first." if broken else None,
        ):
            work = functools.partial(_import, chosen, options, name.strip())
            jobs.forget(f"import-{chosen.key}")
            jobs.start(f"import-{chosen.key}", "Importing", work, (DatasetError,))
            st.rerun()


def _show_counts(summary: Summary) -> None:
    st.markdown("**What was read**")
    splits = {"train": "to train on", "validation": "for validation", "test": "held out"}
    words = ", ".join(f"{n:,} {splits[s]}" for s, n in summary.counts.items() if n)
    st.markdown(f"{summary.count:,} pictures: {words}.")
    if summary.checked < summary.total:
        st.caption(f"{summary.checked:,} of {summary.total:,} were looked at for this summary.")
    if summary.classes:
        named = ", ".join(f"{plain(k)} ({n:,})" for k, n in list(summary.classes.items())[:12])
        more = "…" if len(summary.classes) > 12 else ""
        st.markdown(f"{len(summary.classes)} classes: {named}{more}")
    else:
        st.markdown("No classes.")
    for column in summary.columns[:40]:
        missing = f", {column['missing']:,} missing" if column.get("missing") else ""
        st.markdown(f"{plain(column['name'])}: {_described(column)}{missing}")
    if len(summary.columns) > 40:
        st.caption(f"and {len(summary.columns) - 40} more columns")
    sizes = ", ".join(f"{w}×{h} ({n:,})" for (w, h), n in list(summary.sizes.items())[:5])
    st.caption(f"Their own sizes: {sizes}{'…' if len(summary.sizes) > 5 else ''}")


def _described(column: dict[str, Any]) -> str:
    if column["kind"] == "category":
        known = list(column["categories"])
        named = ", ".join(map(plain, known[:6]))
        return f"{len(known)} categories, {named}{'…' if len(known) > 6 else ''}"
    if column["kind"] == "number" and column.get("range"):
        low, high = column["range"]
        return f"numbers from {low:g} to {high:g}"
    return "yes or no" if column["kind"] == "yes/no" else column["kind"]


def _show_lists(chosen: Chosen, summary: Summary) -> None:
    lists = (
        ("Cannot be read", ":material/broken_image:", summary.broken),
        ("Left out", ":material/visibility_off:", summary.left_out),
    )
    for words, icon, entries in lists:
        if entries:
            with st.expander(f"{words}: {len(entries):,}", icon=icon):
                show_table(
                    {
                        "file": [plain(name, "text") for name, _ in entries[:_LISTED]],
                        "why": [
                            plain(chosen.told(why), "text", longest=300)
                            for _, why in entries[:_LISTED]
                        ],
                    },
                )


def _follow_import(chosen: Chosen, job: Job) -> None:
    if job.state != "done":
        if job.state == "failed":
            job.problem = chosen.told(job.problem)
        show_job(job)
        return
    dataset: ImportedDataset = job.result
    state = visitor.current().library
    state.imported = dataset.reference
    state.message = " ".join(dataset.told)
    jobs.forget(job.key)
    forget()
    st.rerun()


def _show_imported(reference: str) -> None:
    state = visitor.current().library
    name = reference.split("@")[0]
    st.success(f"{plain(name)} is imported. {message(state.message or '')}")

    def go_on() -> None:
        state.imported = state.message = None

    with st.container(horizontal=True):
        if st.button("Train a model on it", icon=":material/model_training:", type="primary"):
            go_on()
            visitor.current().train.dataset = name
            st.switch_page("train.py")
        st.button("Import something else", icon=":material/library_add:", on_click=go_on)


def _free_name(proposal: str) -> str:
    taken = {dataset.name for dataset in list_datasets()}
    names = (proposal, *(f"{proposal}-{k}" for k in range(2, 1_000)))
    return next((name for name in names if name not in taken), proposal)

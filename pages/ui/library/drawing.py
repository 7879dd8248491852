"""Handwriting of one's own: drawings with labels, collected into a dataset."""

from __future__ import annotations

import functools
import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from pages.ui.components.digit_canvas import draw_digit
from pages.ui.components.job_progress import show_job
from pages.ui.shared import images, incoming, jobs, links, permissions, visitor
from pages.ui.shared.changes import import_images
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.formatting import verbatim
from vae import DatasetError
from vae.files import explain_refusal, write_file
from vae.imports import ImportedDataset

__all__ = ["drawings_in", "keep_drawing", "show_drawing", "undo"]

_SHAPE = (1, 28, 28)
_DIGITS = tuple("0123456789")
_SHOWN = 60  # of the latest drawings
_ENOUGH = 20  # drawings with which a model can be trained for a first look
_MOST = 20_000


def show_drawing() -> None:
    """A canvas, the drawings that were kept, and a dataset made of them."""
    if not permissions.explain("collects drawings; on the Map you can draw one of your own"):
        return
    state = visitor.current().library
    linked = links.take(
        "drawings",
        lambda text: text if incoming.files_in(text) else None,
        "drawings that are here",
    )
    token = state.drawings = linked or state.drawings or incoming.new_token()
    links.put("drawings", lambda: token if incoming.files_in(token) else None)
    drawings = drawings_in(token)
    left, right = st.columns([1, 2], gap="large")
    with left:
        _draw(token, drawings)
    with right:
        _show(drawings)
        if drawings:
            _make(token, drawings)


def _draw(token: str, drawings: list[Path]) -> None:
    state = visitor.current().library
    known = sorted({file.parent.name for file in drawings} | set(_DIGITS))
    label = st.selectbox(
        "What it is",
        known,
        key="drawing-label",
        format_func=verbatim,
        accept_new_options=True,
        help="A digit, or a name of your own, such as cat. Type it to add it.",
    )
    drawn = draw_digit(_SHAPE, key=f"library-canvas-{state.drawn}")
    name = incoming.safe_path(str(label or "").strip())
    usable = name is not None and len(name.parts) == 1
    if label and not usable:
        st.error("This name cannot be used; choose letters and digits.")
    with st.container(horizontal=True):
        st.button(
            "Keep",
            icon=":material/check:",
            type="primary",
            key="drawing-keep",
            disabled=drawn is None or not usable or len(drawings) >= _MOST,
            on_click=_keep,
            args=(token, drawn, str(name)),
        )
        st.button("Clear", icon=":material/ink_eraser:", key="drawing-clear", on_click=_clear)
        st.button(
            "Undo",
            icon=":material/undo:",
            key="drawing-undo",
            disabled=not drawings,
            on_click=undo,
            args=(token,),
            help="Removes the drawing that was kept last.",
        )
    if drawn is not None:
        images.pictures([("as the model will see it", drawn)], 84)


def _keep(token: str, drawn: Tensor, label: str) -> None:
    try:
        keep_drawing(token, drawn, label)
    except OSError as problem:
        st.toast(message(explain_refusal(problem)), icon=":material/error:")
        return
    _clear()


def _clear() -> None:
    visitor.current().library.drawn += 1


@permissions.presenter_only
def keep_drawing(token: str, drawn: Tensor, label: str) -> None:
    """Adds a drawing `(1, 28, 28)` in [0, 1] to a collection, under its label."""
    number = 1 + max((int(f.stem) for f in drawings_in(token)), default=0)
    folder = incoming.folder_of(token)
    write_file(folder / label / f"{number:05d}.png", images.png(drawn))
    os.utime(folder)  # it is forgotten a day after it was last touched


@permissions.presenter_only
def undo(token: str) -> None:
    """Removes the drawing of a collection that was kept last."""
    drawings = drawings_in(token)
    if drawings:
        try:
            drawings[-1].unlink(missing_ok=True)
        except OSError as problem:
            st.toast(message(explain_refusal(problem)), icon=":material/error:")
            return
        _clear()


def drawings_in(token: str) -> list[Path]:
    """The files of a collection in the order in which they were drawn; folders are labels."""
    folder = incoming.folder_of(token)
    names = [Path(name) for name, _ in incoming.files_in(token)]
    own = [folder / n for n in names if len(n.parts) == 2 and n.stem.isdecimal()]
    return sorted(own, key=lambda file: int(file.stem))


def _show(drawings: list[Path]) -> None:
    counts = Counter(file.parent.name for file in drawings)
    if not drawings:
        st.info(
            "Draw something, say what it is, and keep it. Twenty or more drawings, two kinds or "
            "more, make a dataset that a model learns in a minute."
        )
        return
    st.markdown(f"**{len(drawings):,} drawings**")
    st.caption(" · ".join(f"{plain(label)}: {n}" for label, n in sorted(counts.items())))
    latest = drawings[-_SHOWN:]
    known = _readable(latest)
    if len(known) < len(latest):
        st.warning(
            f"{len(latest) - len(known)} of the latest are no drawings of 28 × 28 grey pixels, "
            "and are left out. Undo removes them."
        )
    if not known:
        return
    pixels = torch.from_numpy(np.stack(list(known.values()))).float()[:, None] / 255
    sheet = images.sheet(pixels, min(15, len(known)))
    st.image(
        images.data_url(sheet, 2 * sheet.shape[1]),
        alt=f"The latest {len(known)} drawings: {plain(', '.join(sorted(counts)), 'text')}",
    )


def _make(token: str, drawings: list[Path]) -> None:
    job = jobs.find(f"drawings-{token}")
    if job is not None and job.live:
        show_job(job)
        return
    if job is not None and job.state == "done":
        dataset: ImportedDataset = job.result
        st.success(f"{plain(dataset.name)} is a dataset now. {message(' '.join(dataset.told))}")
        if st.button("Train a model on it", key="drawing-train", icon=":material/model_training:"):
            visitor.current().train.dataset = dataset.name
            st.switch_page("train.py")
    elif job is not None:
        show_job(job)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the dataset", "handwriting", key="drawing-name", width=220)
        if st.button(
            "Make a dataset",
            icon=":material/library_add:",
            key="drawing-make",
            disabled=len(drawings) < 2,
            help="Later drawings make a new version of it.",
        ):
            jobs.forget(f"drawings-{token}")
            work = functools.partial(_import, drawings, name.strip())
            jobs.start(f"drawings-{token}", "Making the dataset", work, (DatasetError,))
            st.rerun()
        st.download_button(
            "Drawings, zip",
            lambda: _zip(drawings),
            "drawings.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
        )
    if len(drawings) < _ENOUGH:
        st.caption(f"{_ENOUGH - len(drawings)} more, and a model has something to learn from.")


def _import(drawings: list[Path], name: str, job: jobs.Job) -> ImportedDataset:
    known = _readable(drawings)
    if len(known) < 2:
        raise DatasetError(f"There are {len(known)} drawings; expected 2 or more.")
    labels = sorted({file.parent.name for file in known})
    return import_images(
        np.stack(list(known.values())),
        name,
        labels=[labels.index(file.parent.name) for file in known],
        classes=labels,
        names=[f"{file.parent.name}/{file.name}" for file in known],
        licence="Drawn by hand in the app",
        progress=job.tell,
        cancelled=job.cancelled,
    )


def _readable(drawings: list[Path]) -> dict[Path, np.ndarray]:
    """The pixels of drawings; a token can be used to upload something else, which is left out."""
    return {file: x for file in drawings if (x := _pixels(file)) is not None}


def _pixels(file: Path) -> np.ndarray | None:
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            if picture.mode != "L" or picture.size != (_SHAPE[2], _SHAPE[1]):
                return None
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _zip(drawings: list[Path]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in drawings:
            archive.write(file, f"{file.parent.name}/{file.name}")
    return out.getvalue()

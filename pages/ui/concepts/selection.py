"""Concepts as the page uses them: which there are, on whom they act, and the edited code."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.components import pickers
from pages.ui.shared import formatting, images
from pages.ui.shared.concepts import NamedConcept, concepts, keep_concept
from pages.ui.shared.foreign_text import message
from pages.ui.shared.labels import fit_rows, table
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin, refound, upload_pin
from vae import DatasetError

__all__ = [
    "choose_concepts",
    "choose_start",
    "start",
]

MOST_SLIDERS = 4  # more would be hard to use
_FIRST = ("glasses", "smile", "hat", "beard")  # shown first where the data have them


def choose_concepts(space: LatentSpace) -> list[NamedConcept]:
    """Lets the visitor choose which concepts are added."""
    key = f"concepts-{space.name}"
    # A new one takes the first slider: its widget can only be set before it is drawn.
    new = st.session_state.pop("concept-new", None)
    if new is not None:
        keep_concept(space, new)
        now = [n for n in st.session_state.get(key, []) if n != new.name]
        st.session_state[key] = [new.name, *now][:MOST_SLIDERS]
    known = concepts(space)
    if key not in st.session_state:
        first = [formatting.words(n) for n in _FIRST if formatting.words(n) in known] or list(
            known
        )
        # Nobody is of two classes: these are added one at a time.
        st.session_state[key] = first[: 2 if space.dataset.attributes else 1]
    st.session_state[key] = [n for n in st.session_state[key] if n in known]
    names = st.multiselect(
        "Concepts to add",
        list(known),
        format_func=formatting.verbatim,
        key=key,
        max_selections=MOST_SLIDERS,
        persist_state="session",
        help="Each concept gets a slider. Attributes of the dataset are ready to use; make your "
        "own below.",
    )
    return [known[name] for name in names]


def start(space: LatentSpace) -> Pin:
    """The picture that is edited: the visitor's choice, or a real image without the concepts."""
    chosen = st.session_state.get("concept-start")
    if isinstance(chosen, Pin) and chosen.model == space.name and (now := refound(space, chosen)):
        return now
    shown = table(space)
    bare = ~fit_rows(space)
    for name in (*_FIRST, "sunglasses", "bald", "open_mouth", "moustache"):
        if name in shown and (bare & ~shown[name]).any():
            bare &= ~shown[name]
    rows = np.flatnonzero(bare)
    return real_pin(space, int(rows[0]) if len(rows) else 0)


def choose_start(space: LatentSpace) -> None:
    """Offers everything that a concept can be added to: images, pins, samples, camera."""
    camera = st.segmented_control(
        "From",
        ["here", "camera"],
        default="here",
        required=True,
        format_func={"here": "The dataset or a file", "camera": "Camera"}.get,
        key="start-from",
        label_visibility="collapsed",
    )
    if camera == "camera":
        chosen = _photograph(space)
    else:
        chosen = pickers.choose_item(space, key="start", label="Start from")
    mark = None if chosen is None else (space.name, chosen.kind, chosen.row, chosen.z.tobytes())
    if mark is not None and st.session_state.get("concept-start-mark") != mark:
        st.session_state["concept-start-mark"] = mark
        st.session_state["concept-start"] = chosen
        st.rerun()


def _photograph(space: LatentSpace) -> Pin | None:
    file = st.camera_input("Take a picture", key="start-camera")
    if file is None:
        return None
    try:
        x = images.read_upload(file, space.shape)
    except DatasetError as problem:
        st.error(message(problem))
        return None
    return upload_pin(space, x, "Photograph")

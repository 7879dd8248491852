"""Choices of a picture: a reference image, a pin, a sample, a visitor's own file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from pages.ui.components.gallery import Picture, choose_picture, choose_pictures
from pages.ui.shared import formatting, images, visitor
from pages.ui.shared.foreign_text import message
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin, upload_pin
from vae import DatasetError
from vae.codes import decode

__all__ = [
    "DISTRIBUTIONS",
    "SOURCES",
    "choose_item",
    "choose_real",
    "choose_sample",
    "choose_upload",
    "draw_samples",
    "tick_real",
]


_PAGE = 60  # pictures of the dataset shown at once


SOURCES = {"real": "Real images", "pin": "My pins", "sample": "Samples", "upload": "Upload"}


DISTRIBUTIONS = {
    "fitted": "Gaussian fitted to the codes",
    "prior": "Prior, N(0, I)",
}


def choose_real(space: LatentSpace, *, key: str, label: str = "Choose a real image") -> int | None:
    """As `tick_real`, for one.

    Returns:
        A row of `space.mean`, None while nothing is chosen.
    """
    rows = tick_real(space, key=key, label=label, sheet=None)
    return rows[-1] if rows else None


def tick_real(space: LatentSpace, *, key: str, label: str, sheet: int | None = 0) -> list[int]:
    """Shows a model's reference images with filters and a search.

    Args:
        space: the model.
        key: prefix of all widgets.
        label: of the gallery.
        sheet: another number gives a gallery without ticks; None lets only one be chosen.

    Returns:
        Rows of `space.mean`; ticks stay while filters and pages change.
    """
    keep = np.ones(len(space), dtype=bool)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if space.classes:
            name = st.selectbox(
                "Class",
                space.classes,
                index=None,
                format_func=formatting.verbatim,
                key=f"{key}-class",
                width=150,
            )
            if name in space.classes:
                keep &= space.class_of == space.classes.index(name)
        if space.attributes:
            chosen = st.multiselect(
                "With", list(space.attributes), format_func=formatting.option, key=f"{key}-with"
            )
            without = st.multiselect(
                "Without",
                list(space.attributes),
                format_func=formatting.option,
                key=f"{key}-without",
            )
            for attribute in space.attributes:
                if attribute in chosen:
                    keep &= space.attributes[attribute]
                if attribute in without:
                    keep &= ~space.attributes[attribute]
        wanted = st.text_input("Number", placeholder="e.g. 17", key=f"{key}-id", width=110)
    if wanted:
        keep &= space.index.astype(str) == wanted.strip().lstrip("#")
    rows = np.flatnonzero(keep)
    if not len(rows):
        st.info("No image matches these filters. Remove one of them.")
        return []
    pages = -(-len(rows) // _PAGE)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page, 1 to {pages}", 1, pages, key=f"{key}-page", width=140))
    shown = rows[(page - 1) * _PAGE : page * _PAGE]
    pictures = [
        Picture(
            str(r), images.data_url(space.image(r)), space.title(r), f"Real image {space.title(r)}"
        )
        for r in map(int, shown)
    ]
    hard = space.shape[1] <= 32
    if sheet is None:
        answer = choose_picture(pictures, key=f"{key}-real", label=label, pixelated=hard)
        return [] if answer is None else [int(answer)]
    sheet_key = f"{key}-real-{space.name}-{sheet}"
    chosen = choose_pictures(pictures, key=sheet_key, label=label, pixelated=hard)
    return [int(k) for k in chosen if k.isdecimal() and int(k) < len(space)]


def draw_samples(space: LatentSpace, distribution: str, count: int, seed: int) -> np.ndarray:
    """Draws codes `(count, D)`.

    Args:
        space: the model.
        distribution: "prior" for N(0, I), "fitted" for a Gaussian fitted to the codes.
        count: how many.
        seed: the same gives the same.
    """
    if distribution == "fitted":
        return space.aggregate_posterior.sample(count, seed)
    noise = np.random.default_rng(seed).standard_normal((count, space.mean.shape[1]))
    return noise.astype(np.float32)


def choose_sample(
    space: LatentSpace, *, key: str, count: int = 12, label: str = "Choose a sample"
) -> Pin | None:
    """Shows random samples of a distribution that the visitor chooses."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        options = list(DISTRIBUTIONS) if space.variational else ["fitted"]
        distribution = st.selectbox(
            "Distribution", options, format_func=DISTRIBUTIONS.get, key=f"{key}-from", width=260
        )
        st.session_state.setdefault(f"{key}-seed", 0)
        if st.button("Draw again", icon=":material/casino:", key=f"{key}-again"):
            st.session_state[f"{key}-seed"] += 1
    seed = st.session_state[f"{key}-seed"]
    codes = draw_samples(space, distribution, count, seed)
    decoded = decode(space.model, codes)
    pictures = [
        Picture(f"{distribution}-{seed}-{k}", images.data_url(x), "", f"Generated sample {k + 1}")
        for k, x in enumerate(decoded)
    ]
    hard = space.shape[1] <= 32
    answer = choose_picture(
        pictures, key=f"{key}-sample", label=label, tile=64, pixelated=hard, height=340
    )
    if answer is None:
        return None
    k = int(answer.rpartition("-")[2])
    title = f"Sample of the {'prior' if distribution == 'prior' else 'fitted Gaussian'}"
    return Pin(space.name, "sample", codes[k], title)


def choose_upload(space: LatentSpace, *, key: str) -> Pin | None:
    """Lets the visitor upload a picture and encodes it; a bad file gets an error message."""
    file = st.file_uploader(
        "Your picture",
        type=["png", "jpg", "jpeg", "webp", "bmp", "gif"],
        key=f"{key}-upload",
        help=f"It is cropped to a square, scaled to {space.shape[1]}×{space.shape[2]} pixels, and "
        "kept for this session only.",
    )
    if file is None:
        return None
    try:
        x = images.read_upload(file, space.shape)
    except DatasetError as problem:
        st.error(message(problem))
        return None
    dark = space.shape[0] == 1 and x.mean() > 0.5
    if dark and st.toggle(
        "Invert brightness", value=True, key=f"{key}-invert",
        help="This model was trained on light strokes on a dark background.",
    ):  # fmt: skip
        x = 1 - x
    return upload_pin(space, x, file.name[-40:])


def choose_item(space: LatentSpace, *, key: str, label: str = "Start from") -> Pin | None:
    """Lets the visitor choose a point of the latent space: an image, pin, sample or upload.

    Args:
        space: the model.
        key: prefix of all widgets.
        label: of the choice.

    Returns:
        A pin that is not yet among the visitor's pins, or one that is; None while none is chosen.
    """
    own = visitor.pins(space)
    options = [s for s in SOURCES if s != "pin" or own]
    source = st.segmented_control(
        label, options, default="real", format_func=SOURCES.get, key=f"{key}-source"
    )
    if source == "pin":
        decoded = _pin_pictures(space, own)
        hard = space.shape[1] <= 32
        answer = choose_picture(
            decoded, key=f"{key}-pin", label="Choose one of your pins", pixelated=hard
        )
        return next((p for p in own if str(p.number) == answer), None)
    if source == "sample":
        return choose_sample(space, key=key)
    if source == "upload":
        return choose_upload(space, key=key)
    row = choose_real(space, key=key)
    return None if row is None else real_pin(space, row)


def _pin_pictures(space: LatentSpace, pins: Sequence[Pin]) -> list[Picture]:
    decoded = decode(space.model, np.stack([p.z for p in pins]))
    return [
        Picture(str(p.number), images.data_url(x), f"{p.number}", f"Pin {p.number}: {p.title}")
        for p, x in zip(pins, decoded, strict=True)
    ]

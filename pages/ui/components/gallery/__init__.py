"""Choosing a picture: out of a gallery, the visitor's pins, random samples or an upload."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.ui.components.base import component
from pages.ui.shared import images, scatter, session
from pages.ui.shared.latent_space import Reference
from pages.ui.shared.session import Pin
from vae import DatasetError

__all__ = [
    "SOURCES",
    "Picture",
    "choose_item",
    "choose_picture",
    "choose_pictures",
    "choose_real",
    "choose_sample",
    "choose_upload",
    "draw_samples",
    "real_pin",
    "tick_real",
]

_PAGE = 60  # pictures of the dataset shown at once
SOURCES = {"real": "Real images", "pin": "My pins", "sample": "Random", "upload": "Upload"}
DISTRIBUTIONS = {
    "fitted": "Gaussian fitted to the codes",
    "prior": "Prior, N(0, I)",
}

_GALLERY = component("gallery", Path(__file__).with_name("gallery.js"))


@dataclass(frozen=True)
class Picture:
    """One picture of a gallery.

    Args:
        key: what the gallery answers with.
        url: of the picture, usually a `data:` URL.
        caption: short, below it.
        alt: what it shows, in words.
    """

    key: str
    url: str
    caption: str
    alt: str


def choose_pictures(
    pictures: Sequence[Picture],
    *,
    key: str,
    label: str,
    tile: int = 56,
    height: int = 356,
    pixelated: bool = False,
    multiple: bool = True,
) -> list[str]:
    """Shows pictures as buttons.

    Args:
        pictures: to choose from.
        key: of the component.
        label: what is chosen, for those who do not see it.
        tile: width of a picture in CSS pixels.
        height: from which the gallery scrolls, in CSS pixels.
        pixelated: enlarges with hard pixels.
        multiple: each click ticks one more, or takes its tick away.

    Returns:
        The chosen pictures' keys, in the order of the clicks; they may have been shown before.
    """
    sent = st.session_state.get(key, {}).get("chosen")
    chosen = [str(k) for k in sent] if isinstance(sent, list) else []
    _GALLERY(
        key=key,
        data={
            "label": label,
            "items": [vars(p) for p in pictures],
            "chosen": chosen,
            "multiple": multiple,
            "tile": tile,
            "height": height,
            "pixelated": pixelated,
        },
        on_chosen_change=lambda: None,
    )
    return chosen


def choose_picture(pictures: Sequence[Picture], *, key: str, **options: Any) -> str | None:
    """As `choose_pictures`, for one.

    Returns:
        The chosen picture's key, None while nothing is chosen that is among them.
    """
    chosen = choose_pictures(pictures, key=key, multiple=False, **options)
    known = {p.key for p in pictures}
    return chosen[-1] if chosen and chosen[-1] in known else None


def choose_real(ref: Reference, *, key: str, label: str = "Choose a real image") -> int | None:
    """As `tick_real`, for one.

    Returns:
        A row of `ref.mean`, None while nothing is chosen.
    """
    rows = tick_real(ref, key=key, label=label, sheet=None)
    return rows[-1] if rows else None


def tick_real(ref: Reference, *, key: str, label: str, sheet: int | None = 0) -> list[int]:
    """Shows a model's reference images with filters and a search.

    Args:
        ref: the model.
        key: prefix of all widgets.
        label: of the gallery.
        sheet: another number gives a gallery without ticks; None lets only one be chosen.

    Returns:
        Rows of `ref.mean`; ticks stay while filters and pages change.
    """
    keep = np.ones(len(ref), dtype=bool)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if ref.classes:
            name = st.selectbox("Class", ref.classes, index=None, key=f"{key}-class", width=150)
            if name in ref.classes:
                keep &= ref.class_of == ref.classes.index(name)
        if ref.attributes:
            chosen = st.multiselect(
                "With", list(ref.attributes), format_func=scatter.words, key=f"{key}-with"
            )
            without = st.multiselect(
                "Without", list(ref.attributes), format_func=scatter.words, key=f"{key}-without"
            )
            for attribute in ref.attributes:
                if attribute in chosen:
                    keep &= ref.attributes[attribute]
                if attribute in without:
                    keep &= ~ref.attributes[attribute]
        wanted = st.text_input("Number", placeholder="such as 17", key=f"{key}-id", width=110)
    if wanted:
        keep &= ref.index.astype(str) == wanted.strip().lstrip("#")
    rows = np.flatnonzero(keep)
    if not len(rows):
        st.info("No image is like that. Take a filter away.")
        return []
    pages = -(-len(rows) // _PAGE)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page, 1 to {pages}", 1, pages, key=f"{key}-page", width=140))
    shown = rows[(page - 1) * _PAGE : page * _PAGE]
    pictures = [
        Picture(str(r), images.data_url(ref.image(r)), ref.title(r), f"Real image {ref.title(r)}")
        for r in map(int, shown)
    ]
    hard = ref.shape[1] <= 32
    if sheet is None:
        answer = choose_picture(pictures, key=f"{key}-real", label=label, pixelated=hard)
        return [] if answer is None else [int(answer)]
    sheet_key = f"{key}-real-{ref.name}-{sheet}"
    chosen = choose_pictures(pictures, key=sheet_key, label=label, pixelated=hard)
    return [int(k) for k in chosen if k.isdecimal() and int(k) < len(ref)]


def draw_samples(ref: Reference, distribution: str, count: int, seed: int) -> np.ndarray:
    """Draws codes `(count, D)`.

    Args:
        ref: the model.
        distribution: "prior" for N(0, I), "fitted" for a Gaussian fitted to the codes.
        count: how many.
        seed: the same gives the same.
    """
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, ref.mean.shape[1]))
    if distribution == "fitted":
        mean, covariance = ref.fitted
        values, axes = np.linalg.eigh(covariance)
        noise = mean + (noise * np.sqrt(values.clip(0))) @ axes.T
    return noise.astype(np.float32)


@torch.no_grad()
def choose_sample(
    ref: Reference, *, key: str, count: int = 12, label: str = "Choose a sample"
) -> Pin | None:
    """Shows a sheet of random samples; says which distribution they come from."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        options = list(DISTRIBUTIONS) if ref.variational else ["fitted"]
        distribution = st.selectbox(
            "Drawn from", options, format_func=DISTRIBUTIONS.get, key=f"{key}-from", width=260
        )
        st.session_state.setdefault(f"{key}-seed", 0)
        if st.button("Draw again", icon=":material/casino:", key=f"{key}-again"):
            st.session_state[f"{key}-seed"] += 1
    seed = st.session_state[f"{key}-seed"]
    codes = draw_samples(ref, distribution, count, seed)
    decoded = ref.model.decoder(torch.from_numpy(codes)).mean
    pictures = [
        Picture(f"{distribution}-{seed}-{k}", images.data_url(x), "", f"Generated sample {k + 1}")
        for k, x in enumerate(decoded)
    ]
    hard = ref.shape[1] <= 32
    answer = choose_picture(
        pictures, key=f"{key}-sample", label=label, tile=64, pixelated=hard, height=340
    )
    if answer is None:
        return None
    k = int(answer.rpartition("-")[2])
    title = f"Sample of the {'prior' if distribution == 'prior' else 'fitted Gaussian'}"
    return Pin(ref.name, "sample", codes[k], title)


@torch.no_grad()
def choose_upload(ref: Reference, *, key: str) -> Pin | None:
    """Lets the visitor upload a picture and encodes it; a bad file gets a sentence."""
    file = st.file_uploader(
        "A picture of yours",
        type=["png", "jpg", "jpeg", "webp", "bmp", "gif"],
        key=f"{key}-upload",
        help=f"It is cropped and scaled to {ref.shape[1]}×{ref.shape[2]} pixels, and stays in "
        "your session.",
    )
    if file is None:
        return None
    try:
        x = images.read_upload(file, ref.shape)
    except DatasetError as problem:
        st.error(str(problem))
        return None
    dark = ref.shape[0] == 1 and x.mean() > 0.5
    if dark and st.toggle(
        "Turn dark and light round", value=True, key=f"{key}-invert",
        help="This model knows light strokes on a dark ground.",
    ):  # fmt: skip
        x = 1 - x
    posterior = ref.model.encoder(x[None])
    variance = posterior.variance[0].numpy() if ref.variational else None
    title = re.sub(r"[^\w .-]", "_", file.name)[-40:]  # labels are Markdown
    return Pin(ref.name, "upload", posterior.mean[0].numpy(), title, variance=variance, image=x)


def choose_item(ref: Reference, *, key: str, label: str = "Start from") -> Pin | None:
    """Lets the visitor choose any place of the latent space: an image, pin, sample or upload.

    Args:
        ref: the model.
        key: prefix of all widgets.
        label: of the choice.

    Returns:
        A pin that is not yet among the visitor's pins, or one that is; None while none is chosen.
    """
    own = session.pins(ref.name)
    options = [s for s in SOURCES if s != "pin" or own]
    source = st.segmented_control(
        label, options, default="real", format_func=SOURCES.get, key=f"{key}-source"
    )
    if source == "pin":
        decoded = _pin_pictures(ref, own)
        hard = ref.shape[1] <= 32
        answer = choose_picture(
            decoded, key=f"{key}-pin", label="Choose one of your pins", pixelated=hard
        )
        return next((p for p in own if str(p.number) == answer), None)
    if source == "sample":
        return choose_sample(ref, key=key)
    if source == "upload":
        return choose_upload(ref, key=key)
    row = choose_real(ref, key=key)
    return None if row is None else real_pin(ref, row)


def real_pin(ref: Reference, row: int) -> Pin:
    """A reference image as a pin."""
    variance = ref.variance[row] if ref.variational else None
    return Pin(ref.name, "real", ref.mean[row], ref.title(row), row=row, variance=variance)


@torch.no_grad()
def _pin_pictures(ref: Reference, pins: Sequence[Pin]) -> list[Picture]:
    decoded = ref.model.decoder(torch.from_numpy(np.stack([p.z for p in pins]))).mean
    return [
        Picture(str(p.number), images.data_url(x), f"{p.number}", f"Pin {p.number}: {p.title}")
        for p, x in zip(pins, decoded, strict=True)
    ]

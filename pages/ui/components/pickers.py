"""Choices of a picture: a reference image, a pin, a sample, a visitor's own file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from torch import Tensor

from pages.ui.components.gallery import Picture, choose_picture, choose_pictures
from pages.ui.shared import embedding, formatting, images, visitor
from pages.ui.shared.foreign_text import message
from pages.ui.shared.labels import described
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, drawn_pin, real_pin, upload_pin
from pages.ui.shared.samples import distributions, draw_samples, figures, title_of
from vae import DatasetError
from vae.codes import decode

__all__ = [
    "SOURCES",
    "OnChoose",
    "choose_item",
    "choose_real",
    "choose_sample",
    "choose_upload",
    "draw_somebody",
    "take_photograph",
    "tick_real",
]

OnChoose = Callable[[Pin], object]


_PAGE = 60  # pictures of the dataset shown at once
_SAMPLES = 12  # samples shown at once


_NO_ENCODER = "This model was imported without an encoder: no picture of your own can be placed."
SOURCES = {"real": "Real images", "pin": "My pins", "sample": "Samples", "upload": "Upload"}


_SEED = "The link keeps its seed; Back undoes it."
_NEW_IS = {
    "learned": "A draw from the learned distribution of the codes, decoded.",
    "fitted": "A draw from the Gaussian fitted to the codes, decoded: their distribution has not "
    "been learned.",
}


def choose_real(
    space: LatentSpace,
    *,
    key: str,
    shown: Pin | None = None,
    on_choose: OnChoose | None = None,
) -> Pin | None:
    """Shows a model's reference images with filters and a search, of which one can be chosen.

    Args:
        space: the model.
        key: prefix of all widgets.
        shown: pin that is shown as chosen; None for the one that was clicked last.
        on_choose: called with each choice.

    Returns:
        The one that was clicked last, None while none was.
    """

    def tell(answer: str) -> None:
        if on_choose is not None:
            on_choose(real_pin(space, int(answer)))

    pictures = _real_pictures(space, key)
    if not pictures:
        return None
    answer = choose_picture(
        pictures,
        key=f"{key}-real",
        label="Choose a real image",
        pixelated=space.shape[1] <= 32,
        chosen=None if shown is None else [str(shown.row)],
        on_choose=tell,
    )
    return None if answer is None else real_pin(space, int(answer))


def tick_real(
    space: LatentSpace,
    *,
    key: str,
    label: str,
    ticked: Sequence[int],
    on_tick: Callable[[list[int]], None],
) -> None:
    """Shows a model's reference images with filters and a search, of which many can be ticked.

    Args:
        space: the model.
        key: prefix of all widgets.
        label: label of the gallery.
        ticked: rows of `space.mean`; they stay ticked while filters and pages change.
        on_tick: called with all ticked rows at each click.
    """

    def tell(answers: list[str]) -> None:
        on_tick([int(k) for k in answers if k.isdecimal() and int(k) < len(space)])

    if pictures := _real_pictures(space, key):
        choose_pictures(
            pictures,
            key=f"{key}-real-{space.name}",
            label=label,
            pixelated=space.shape[1] <= 32,
            chosen=[str(row) for row in ticked],
            on_choose=tell,
        )


def _real_pictures(space: LatentSpace, key: str) -> list[Picture]:
    """Filters and a search, and one page of the reference images that are left."""
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
        if shown := described(space):  # of whom something is missing, neither is said
            names = list(shown)
            chosen, without = (
                st.multiselect(label, names, format_func=formatting.option, key=f"{key}-{part}")
                for label, part in (("With", "with"), ("Without", "without"))
            )
            for name in names:
                if name in chosen:
                    keep &= shown[name] == 1
                if name in without:
                    keep &= shown[name] == 0
        number = st.text_input("Number", placeholder="e.g. 17", key=f"{key}-id", width=110)
    if number:
        keep &= space.index.astype(str) == number.strip().lstrip("#")
    rows = np.flatnonzero(keep)
    if not len(rows):
        st.info("No image matches these filters. Remove one of them.")
        return []
    pages = -(-len(rows) // _PAGE)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page, 1 to {pages}", 1, pages, key=f"{key}-page", width=140))
    page_rows = rows[(page - 1) * _PAGE : page * _PAGE]
    return [
        Picture(
            str(r), images.data_url(space.image(r)), space.title(r), f"Real image {space.title(r)}"
        )
        for r in map(int, page_rows)
    ]


def choose_sample(
    space: LatentSpace, *, key: str, on_choose: OnChoose | None = None
) -> Pin | None:
    """Shows random samples of a distribution that the visitor chooses.

    Args:
        space: the model.
        key: prefix of all widgets.
        on_choose: called with each choice.

    Returns:
        The one that was clicked last, None while none of this sheet was.
    """
    seeds = visitor.current().seeds

    def draw_again() -> None:
        seeds[key] = seeds.get(key, 0) + 1

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        distribution = st.selectbox(
            "Distribution",
            distributions(space),
            format_func=lambda name: title_of(space, name),
            key=f"{key}-from",
            width=260,
        )
        st.button("Draw again", icon=":material/casino:", key=f"{key}-again", on_click=draw_again)
    if measured := figures(space, distribution):
        st.caption(measured)
    seed = seeds.get(key, 0)
    with st.spinner("Drawing codes…"):  # a mixture has to be fitted first
        codes = draw_samples(space, distribution, _SAMPLES, seed)
    decoded = decode(space.model, codes)
    pictures = [
        Picture(f"{distribution}-{seed}-{k}", images.data_url(x), "", f"Generated sample {k + 1}")
        for k, x in enumerate(decoded)
    ]
    title = f"Sample: {title_of(space, distribution)}"

    def pin_of(answer: str) -> Pin:
        return Pin(space.name, "sample", codes[int(answer.rpartition("-")[2])], title)

    answer = choose_picture(
        pictures,
        key=f"{key}-sample",
        label="Choose a sample",
        tile=64,
        pixelated=space.shape[1] <= 32,
        height=340,
        on_choose=lambda answer: on_choose and on_choose(pin_of(answer)),
    )
    return None if answer is None else pin_of(answer)


def draw_somebody(
    space: LatentSpace, *, key: str, on_choose: OnChoose, shown: Sequence[Pin], then: str = ""
) -> None:
    """Offers a draw of the distribution nearest to a model's codes; each click draws another.

    Args:
        space: the model.
        key: key of the button.
        on_choose: called with each draw.
        shown: pins that the page shows; the next draw has a seed above all of theirs.
        then: use of the draw, for the tooltip.
    """

    def draw() -> None:
        seeds, name = visitor.current().seeds, f"new-{space.name}"
        seeds[name] = 1 + max([seeds.get(name, -1), *(p.seed for p in shown)])
        on_choose(drawn_pin(space, seeds[name]))

    st.button(
        "Somebody new" if space.dataset.name == "faces" else "Something new",
        icon=":material/casino:",
        key=key,
        on_click=draw,
        help=" ".join(filter(None, [_NEW_IS[distributions(space)[0]], then, _SEED])),
    )


def choose_upload(
    space: LatentSpace, *, key: str, on_choose: OnChoose | None = None
) -> Pin | None:
    """Lets the visitor upload a picture and encodes it; a bad file gets an error message.

    Args:
        space: the model.
        key: prefix of all widgets.
        on_choose: called with each new picture.

    Returns:
        The picture, None without one that can be read.
    """
    if not space.encodes:
        st.info(_NO_ENCODER)
        return None

    def tell() -> None:
        file = st.session_state.get(f"{key}-upload")
        if on_choose is not None and file is not None:
            try:
                x = images.read_upload(file, space)
            except DatasetError:
                return  # the page says why
            turned = _is_dark_on_light(space, x) and st.session_state.get(f"{key}-invert", True)
            on_choose(upload_pin(space, 1 - x if turned else x, file.name[-40:]))

    embedding.mention_uploads()
    file = st.file_uploader(
        "Your picture",
        type=["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"],
        key=f"{key}-upload",
        on_change=tell,
        help=f"It is brought to {space.shape[2]}×{space.shape[1]} pixels as the model's images "
        "were, and kept only as long as this tab is open.",
    )
    if file is None:
        return None
    try:
        x = images.read_upload(file, space)
    except DatasetError as problem:
        st.error(message(problem))
        return None
    if _is_dark_on_light(space, x) and st.toggle(
        "Invert brightness", value=True, key=f"{key}-invert", on_change=tell,
        help="This model was trained on light strokes on a dark background.",
    ):  # fmt: skip
        x = 1 - x
    return upload_pin(space, x, file.name[-40:])


def _is_dark_on_light(space: LatentSpace, x: Tensor) -> bool:
    return space.shape[0] == 1 and bool(x.mean() > 0.5)


def take_photograph(space: LatentSpace, *, key: str, on_choose: OnChoose) -> None:
    """Lets the visitor take a picture with the camera.

    Args:
        space: the model.
        key: prefix of the widget.
        on_choose: called with the code of each picture.
    """
    if not space.encodes:
        st.info(_NO_ENCODER)
        return

    def tell() -> None:
        if (file := st.session_state.get(f"{key}-camera")) is not None:
            try:
                x = images.read_upload(file, space)
            except DatasetError:
                return  # the page says why
            on_choose(upload_pin(space, x, "Photograph"))

    embedding.mention_uploads()
    file = st.camera_input("Take a picture", key=f"{key}-camera", on_change=tell)
    if file is not None:
        try:
            images.read_upload(file, space)
        except DatasetError as problem:
            st.error(message(problem))


def choose_item(
    space: LatentSpace,
    *,
    key: str,
    label: str = "Start from",
    shown: Pin | None = None,
    on_choose: OnChoose | None = None,
) -> Pin | None:
    """Lets the visitor choose a point of the latent space: an image, pin, sample or upload.

    Args:
        space: the model.
        key: prefix of all widgets.
        label: label of the choice.
        shown: pin that is shown as chosen; None for the one that was clicked last.
        on_choose: called with each choice.

    Returns:
        A pin that is not yet among the visitor's pins, or one that is; None while none is chosen.
    """
    own = visitor.pins(space)
    options = [s for s in SOURCES if s != "pin" or own]
    source = st.segmented_control(
        label, options, default="real", required=True, format_func=SOURCES.get, key=f"{key}-source"
    )
    if source == "pin":
        by_number = {str(p.number): p for p in own}
        answer = choose_picture(
            _pin_pictures(space, own),
            key=f"{key}-pin",
            label="Choose one of your pins",
            pixelated=space.shape[1] <= 32,
            chosen=None if shown is None else [str(shown.number)],
            on_choose=lambda answer: on_choose and on_choose(by_number[answer]),
        )
        return None if answer is None else by_number[answer]
    if source == "sample":
        return choose_sample(space, key=key, on_choose=on_choose)
    if source == "upload":
        return choose_upload(space, key=key, on_choose=on_choose)
    return choose_real(space, key=key, shown=shown, on_choose=on_choose)


def _pin_pictures(space: LatentSpace, pins: Sequence[Pin]) -> list[Picture]:
    decoded = decode(space.model, np.stack([p.z for p in pins]))
    return [
        Picture(str(p.number), images.data_url(x), f"{p.number}", f"Pin {p.number}: {p.title}")
        for p, x in zip(pins, decoded, strict=True)
    ]

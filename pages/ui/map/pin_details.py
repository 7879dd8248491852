"""Details of a pin: pictures, KL, ELBO and evidence in nats, nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from pages.ui.components import address
from pages.ui.components.pin_view import DETAILS, PLACE, SUGGESTED, pin_view
from pages.ui.shared import cache, estimates, images, permissions, visitor
from pages.ui.shared.estimates import IN_NATS, TERMS
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import bounds_in_words
from pages.ui.shared.glossary import explain, in_plain_words
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import AUTOMATIC, KIND_BADGES, Pin, original, real_pin
from pages.ui.shared.waiting_line import EVIDENCE, BusyError
from vae.bounds import Bounds
from vae.latent import neighbours

__all__ = ["show_bounds", "show_last", "show_pin"]

_NEIGHBOURS = 6  # neighbours shown
_POLLED = 2.0  # seconds between two looks whether an estimate is there


def show_last(
    space: LatentSpace,
    pins: Sequence[Pin],
    view: str,
    heard: int,
    suggest: Callable[[], None] = lambda: None,
) -> None:
    """Shows the last pin of a map; one that was clicked, the browser shows in its place.

    Args:
        space: the model on the map.
        pins: the visitor's pins of it.
        view: the map.
        heard: how many changes of its pins Python had heard of before it read them.
        suggest: shows what to try before anything is clicked.
    """
    clicked = bool(pins) and pins[-1].clicked
    with st.container(key=SUGGESTED):
        suggest()
    place, slot = st.container(key=PLACE), None
    with st.container(key=DETAILS):
        if pins and not clicked:
            slot = show_pin(space, pins[-1])
    with place:  # it gives way now, when all but the estimates is there
        pin_view(
            view,
            heard,
            server=not clicked,
            image=" ".join(_what_pictures_are(space, image=True)),
            place=" ".join(_what_pictures_are(space, image=False)),
            terms=[(t, *in_plain_words(*a)) for t, a in TERMS.items()]
            if space.variational
            else [],
        )
    if pins and not clicked:
        show_bounds(space, pins[-1], slot)


@torch.no_grad()
def show_pin(space: LatentSpace, pin: Pin, width: int = 104) -> DeltaGenerator | None:
    """Shows a pin at once; slow estimates are left to `show_bounds`.

    Args:
        space: the pin's model.
        pin: pin to be shown.
        width: width of each picture in pixels.

    Returns:
        The slot for `show_bounds`; None where there is no evidence: for a generated picture,
        which is no observation, and for a standard autoencoder.
    """
    name, colour, icon = KIND_BADGES[pin.kind]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(name, color=colour, icon=icon)
        st.markdown(f"**{plain(pin.title)}**")
    tall = space.shape[1] if space.shape[1] > 32 else 4 * space.shape[1]  # browsers smooth
    # Of an image that everybody can click, everything is made once for all visitors.
    facts = _facts_of_row(space, pin.row, tall) if pin.row >= 0 else _facts(space, pin, tall)
    st.image(
        [url for _, url in facts.pictures],
        caption=[words for words, _ in facts.pictures],
        width=width,
        alt=[f"{words}: {plain(pin.title, 'text')}" for words, _ in facts.pictures],
    )
    _explain_pictures(space, pin, facts)
    slot = None
    if original(space, pin) is not None and space.variational:
        slot = st.empty()
        _write(slot, {})
    _show_neighbours(facts)
    with st.expander("Code z", icon=":material/data_array:"):
        st.code(np.array2string(pin.z, precision=3, max_line_width=48), language=None)
    return slot


@dataclass(frozen=True)
class _Facts:
    """What is shown of a code.

    Args:
        pictures: caption and data URL of each.
        distance: to the nearest code.
        near: titles, data URLs and distances of the nearest images.
    """

    pictures: list[tuple[str, str]]
    distance: float
    near: list[tuple[str, str, float]]


@cache.shared(4_096)
def _facts_of_row(space: LatentSpace, row: int, tall: int) -> _Facts:
    return _facts(space, real_pin(space, row), tall)


@torch.no_grad()
def _facts(space: LatentSpace, pin: Pin, tall: int) -> _Facts:
    likelihood = space.model.decoder(torch.from_numpy(pin.z)[None])
    pictures = _pictures(space, original(space, pin), likelihood)
    rows, distances = neighbours(space.mean, pin.z, _NEIGHBOURS + 1)
    near = [(int(r), float(d)) for r, d in zip(rows, distances, strict=True) if r != pin.row]
    return _Facts(
        [(words, images.data_url(picture, tall)) for words, picture in pictures],
        float(distances[0]),
        [
            (space.title(row), images.data_url(space.image(row), 56), distance)
            for row, distance in near[:_NEIGHBOURS]
        ],
    )


def _pictures(
    space: LatentSpace, x: Tensor | None, likelihood: object
) -> list[tuple[str, Tensor]]:
    captioned = []
    if x is not None:
        captioned.append(("original", x))
        if space.model.config.likelihood == "bernoulli":
            captioned.append(("binarised", space.model.observe(x)))
    decoded = "decoded" if x is None else "reconstruction"
    captioned.append((decoded if space.decodes else "nearest image", likelihood.mean[0]))
    if space.model.config.likelihood == "gaussian":
        captioned.append(("standard deviation", images.deviation(likelihood.stddev[0])))
    return captioned


def _explain_pictures(space: LatentSpace, pin: Pin, facts: _Facts) -> None:
    words = []
    if (judged := estimates.judgement(space, pin.row, pin.z)) is not None:
        words.append(f"This code is {judged.words}.")
    if pin.automatic:
        words.append(AUTOMATIC)
    if pin.approximate:
        words.append("Decoded from a weighted mean of the nearest codes, hence approximate.")
    if pin.row < 0:
        scale = space.neighbour_distances
        usual = f" (usual between neighbours: {scale.usual:.2f})" if scale.judged else ""
        words.append(f"Distance to the nearest code {facts.distance:.2f}{usual}.")
    words += _what_pictures_are(space, image=pin.row >= 0 or pin.image is not None)
    if words:
        st.caption(" ".join(words))
    if pin.image is not None and space.is_foreign(pin.image):
        st.warning(
            "This picture is unlike the images of the model: it is farther from the nearest of "
            "them than 99 % of them are from their own nearest neighbour. Expect a poor "
            "reconstruction.",
            icon=":material/warning:",
        )


def _what_pictures_are(space: LatentSpace, *, image: bool) -> list[str]:
    """What is to be said of every image, or of every place that is none."""
    config, words = space.model.config, []
    if config.likelihood == "bernoulli" and image:
        words.append("This model treats pixels as black or white: images are binarised at 0.5.")
    if config.likelihood == "gaussian":
        words.append(
            f"White in the standard deviation stands for {images.DEVIATION_WHITE:.2f} of the "
            "pixel range or more; the smallest that the model can predict is "
            f"{config.sigma_floor:.3f}."
        )
    if space.variational and image:
        words.append("The ellipse on the map is at two standard deviations of its posterior.")
    return words


def _show_neighbours(facts: _Facts) -> None:
    st.caption("Nearest real images in the latent space")
    st.image(
        [url for _, url, _ in facts.near],
        caption=[plain(title) for title, _, _ in facts.near],
        width=56,
        alt=[
            f"Real image {plain(title, 'text')} at distance {distance:.2f}"
            for title, _, distance in facts.near
        ],
    )


def show_bounds(space: LatentSpace, pin: Pin, slot: DeltaGenerator | None) -> None:
    """Shows KL, ELBO and log p(x): stored with the codes, or estimated once for all visitors.

    Args:
        space: the pin's model.
        pin: pin of the image.
        slot: output of `show_pin`.
    """
    if slot is None:
        return
    known = space.bounds(pin.row) if pin.row >= 0 else None
    x = original(space, pin)
    kept = estimates.estimated(space, x if pin.row < 0 else pin.row)
    whole = known is not None and known.evidence is not None
    if not whole and not kept and (why := estimates.too_long(space)):
        _write(slot, bounds_in_words(known) if known else dict.fromkeys(TERMS, "–"), why)
        return
    shown = bounds_in_words(known) if known else {}
    if not whole and not kept and not permissions.for_one_person():
        _estimate_later(space, pin, x, slot, known)
        return
    if not whole and not kept:
        try:
            with EVIDENCE.turn(visitor.current().token, lambda ahead: _write(slot, shown)):
                if not kept:
                    kept.append(estimates.estimate(space, x, lambda now: _write(slot, now), known))
        except BusyError as problem:
            _write(slot, dict.fromkeys(TERMS, "–"), str(problem))
            return
    _write(slot, bounds_in_words(known if whole else kept[0]))


def _estimate_later(
    space: LatentSpace, pin: Pin, x: Tensor, slot: DeltaGenerator, known: Bounds | None
) -> None:
    """In a room, runs end before the estimates, which come in turn to those who stay."""
    kept = estimates.estimated(space, x if pin.row < 0 else pin.row)
    shown = bounds_in_words(known) if known else {}
    who = visitor.current().token

    def want() -> bool:
        return estimates.want(space, pin.row, x, pin.z, who)

    def wait() -> None:
        if kept or not want():
            st.rerun()
        _write(st.container(), shown)

    if want():
        with slot.container():
            address.fragment(wait, run_every=_POLLED, writes=False)()
    else:
        _write(slot, dict.fromkeys(TERMS, "–") | shown, estimates.LATER)


def _write(slot: DeltaGenerator, shown: dict[str, str], words: str = IN_NATS) -> None:
    with slot.container():
        with st.container(horizontal=True, gap="small"):
            for term, about in TERMS.items():
                st.metric(term, shown.get(term, "…"), width="content", help=explain(*about))
        st.caption(words)

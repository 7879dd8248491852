"""Details of a pin: pictures, KL, ELBO and evidence in nats, nearest neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from pages.ui.components import address
from pages.ui.components.latent_map import pins_heard
from pages.ui.components.pin_view import DETAILS, PLACE, pin_view
from pages.ui.shared import cache, images, permissions, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import bounds_in_words, time_words
from pages.ui.shared.glossary import explain
from pages.ui.shared.inside import Judgement, judge
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import KIND_BADGES, Pin, original, real_pin
from pages.ui.shared.waiting_line import ESTIMATES, EVIDENCE, BusyError
from vae.bounds import Bounds, estimate_elbo, estimate_evidence
from vae.latent import neighbours

__all__ = ["show_bounds", "show_last", "show_pin"]

_DECODES = 1_000  # largest number of codes that each estimate decodes
_NEIGHBOURS = 6  # neighbours shown
_LONGEST = 60.0  # seconds that the estimates of an image may take
_TIMED = 8  # decodes from which it is foreseen
_FOR_EACH_DIMENSION = 30  # decodes at least, of cubature and of the search for the mode
_POLLED = 2.0  # seconds between two looks whether an estimate is there
_LATER = "Many are waiting for such an estimate. It comes when some of them have gone on."
_HELP = {  # the glossary's term, and what there is to add; in nats for this one image
    "KL": ("KL", ""),
    "Reconstruction": (
        "reconstruction",
        "Not comparable between models with different likelihoods.",
    ),
    "ELBO": ("ELBO", ""),
    "Log evidence": (
        "evidence",
        "Estimated by importance sampling around the most probable code, or by quadrature over "
        "the plane. ≥ marks a lower bound, where the samples prove no more.",
    ),
}


def show_last(space: LatentSpace, pins: Sequence[Pin], view: str) -> None:
    """Shows the last pin of a map; what the browser knows of a newer one stands in its place.

    Args:
        space: the model on the map.
        pins: the visitor's pins of it.
        view: the map.
    """
    ESTIMATES.disturb()
    place, slot = st.container(key=PLACE), None
    with st.container(key=DETAILS):
        if pins:
            slot = show_pin(space, pins[-1])
    with place:  # it gives way now, when all but the estimates is there
        pin_view(view, pins_heard(view))
    if pins:
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
    config = space.model.config
    words = []
    if (judgement := _judgement(space, pin)) is not None:
        words.append(f"This code is {judgement.words}.")
    if pin.automatic:
        words.append(
            "Pinned automatically: a typical image that this model reconstructs well. Click "
            "another point, or remove it under Pins."
        )
    if pin.approximate:
        words.append("Decoded from a weighted mean of the nearest codes, hence approximate.")
    if pin.row < 0:
        scale = space.neighbour_distances
        usual = f" (usual between neighbours: {scale.usual:.2f})" if scale.judged else ""
        words.append(f"Distance to the nearest code {facts.distance:.2f}{usual}.")
    if config.likelihood == "bernoulli" and (pin.row >= 0 or pin.image is not None):
        words.append("This model treats pixels as black or white: images are binarised at 0.5.")
    if config.likelihood == "gaussian":
        words.append(
            f"White in the standard deviation stands for {images.DEVIATION_WHITE:.2f} of the "
            "pixel range or more; the smallest that the model can predict is "
            f"{config.sigma_floor:.3f}."
        )
    if pin.variance is not None:
        words.append("The ellipse on the map is at two standard deviations of its posterior.")
    if words:
        st.caption(" ".join(words))
    if pin.image is not None and space.is_foreign(pin.image):
        st.warning(
            "This picture is unlike the images of the model: it is farther from the nearest of "
            "them than 99 % of them are from their own nearest neighbour. Expect a poor "
            "reconstruction.",
            icon=":material/warning:",
        )


def _judgement(space: LatentSpace, pin: Pin) -> Judgement | None:
    """Whether a pin lies inside the data; None where nobody asks, or it is not yet known."""
    if pin.row < 0:
        return judge(space, pin.z)
    if not space.judges_likelihood:
        return None
    known = _judged(space, pin.row)
    if not known and permissions.for_one_person():
        known.append(judge(space, pin.z))
    return known[0] if known else None


@cache.shared(4_096)
def _judged(space: LatentSpace, row: int) -> list[Judgement]:
    """A cache entry for the judgement of an image, which takes as long as all else of a pin."""
    return []


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
    kept = _estimated(space, x if pin.row < 0 else pin.row)
    whole = known is not None and known.evidence is not None
    if not whole and not kept and (seconds := _seconds(space)) > _LONGEST:
        shown = bounds_in_words(known) if known else dict.fromkeys(_HELP, "–")
        _write(
            slot,
            shown,
            f"Estimating this takes about {time_words(seconds)} with this decoder: "
            f"python -m vae bounds {plain(space.name)} does it in advance.",
        )
        return
    shown = bounds_in_words(known) if known else {}
    if not whole and not kept and not permissions.for_one_person():
        _estimate_later(space, pin, x, slot, known)
        return
    if not whole and not kept:
        try:
            with EVIDENCE.turn(lambda ahead: _write(slot, shown)):
                if not kept:
                    kept.append(_estimate(space, x, lambda shown: _write(slot, shown), known))
        except BusyError as problem:
            _write(slot, dict.fromkeys(_HELP, "–"), str(problem))
            return
    _write(slot, bounds_in_words(known if whole else kept[0]))


@cache.shared(64)
@torch.no_grad()
def _seconds(space: LatentSpace) -> float:
    """About how long the estimates of an image take; 0 for our own models, which are quick."""
    if space.differentiable:
        return 0.0
    few = torch.from_numpy(space.mean[:_TIMED])
    space.model.decoder(few[:1])  # its process starts
    start = time.monotonic()
    space.model.decoder(few)
    each = (time.monotonic() - start) / len(few)
    return each * (2 * _DECODES + _FOR_EACH_DIMENSION * space.mean.shape[1])


@cache.shared(4_096)
def _estimated(space: LatentSpace, image: int | Tensor) -> list[Bounds]:
    """A cache entry for the estimates of an image, filled while the page shows their progress."""
    return []


def _estimate_later(
    space: LatentSpace, pin: Pin, x: Tensor, slot: DeltaGenerator, known: Bounds | None
) -> None:
    """In a room, runs end before the estimates, which come in turn to those who stay."""
    kept = _estimated(space, x if pin.row < 0 else pin.row)
    shown = bounds_in_words(known) if known else {}

    def work(go_on: Callable[[], None]) -> None:
        if pin.row >= 0 and space.judges_likelihood and not (judged := _judged(space, pin.row)):
            judged.append(judge(space, pin.z))
        if not kept:
            kept.append(_estimate(space, x, lambda _: go_on(), known))

    def want() -> bool:
        return ESTIMATES.want(visitor.current().address.session, pin.number, work)

    def wait() -> None:
        if kept or not want():
            st.rerun()
        _write(st.container(), shown)

    if want():
        with slot.container():
            address.fragment(wait, run_every=_POLLED, writes=False)()
    else:
        _write(slot, dict.fromkeys(_HELP, "–") | shown, _LATER)


def _estimate(
    space: LatentSpace, x: Tensor, tell: Callable[[dict[str, str]], None], known: Bounds | None
) -> Bounds:
    """Estimates unknown bounds in parts, so that the next click need not wait for the last one."""
    shown: dict[str, str] = {}
    options = {"decodes": _DECODES, "tell": lambda: tell(shown)}
    known = known or estimate_elbo(space.model, x, **options)
    shown = bounds_in_words(known)
    return replace(known, evidence=estimate_evidence(space.model, x, **options))


def _write(
    slot: DeltaGenerator, shown: dict[str, str], words: str = "In nats, for this image."
) -> None:
    with slot.container():
        with st.container(horizontal=True, gap="small"):
            for term, about in _HELP.items():
                st.metric(term, shown.get(term, "…"), width="content", help=explain(*about))
        st.caption(words)

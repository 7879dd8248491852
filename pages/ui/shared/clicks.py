"""Clicks on a map: how the browser tells of them, and what becomes of them.

It tells of every click until it knows that Python has heard of it: by a request, which runs no
page, or where that is not answered by a message of the component's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct

from pages.ui.shared import links, own_things, visitor
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.visitor import Visitor
from pages.ui.shared.waiting_line import ESTIMATES
from vae.latent import LARGEST_CODE

__all__ = ["PINNED", "Click", "Clicks", "Told", "answer", "take"]

PINNED = "pinned"  # the component's name for its clicks


class Click(Struct, forbid_unknown_fields=True, kw_only=True):
    """A click on a real image, or on a place that was decoded.

    Attributes:
        count: which of the visitor's clicks on this map it is.
        model: the model on the map.
        kind: what was clicked.
        row: row of the image; -1 for a place.
        z: its code `(D,)`.
        approximate: whether the code is a mean of nearby ones.
    """

    count: int
    model: str
    kind: Literal["real", "generated"]
    row: int
    z: list[Annotated[float, Meta(ge=-LARGEST_CODE, le=LARGEST_CODE)]]
    approximate: bool


Clicks = Annotated[list[Click], Meta(max_length=visitor.MOST_PINS)]


class Told(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a request says: whose clicks they are, on which map."""

    token: Annotated[str, Meta(max_length=40)]
    view: Annotated[str, Meta(max_length=40)]
    clicks: Clicks


def take(
    known: Visitor, space: LatentSpace, view: str, clicks: Sequence[Click]
) -> list[tuple[int, Pin]]:
    """Makes pins of the clicks that are new and belong to this model.

    Args:
        known: the visitor.
        space: the model on the map.
        view: the map.
        clicks: the visitor's, in their order.

    Returns:
        The count and the pin of each that became one.
    """
    ESTIMATES.disturb()
    made = []
    with known.lock:
        for click in clicks:
            if click.count <= known.clicks.get(view, 0):
                continue
            known.clicks[view] = click.count
            if click.model == space.name and (pin := _pin(space, click)) is not None:
                made.append((click.count, visitor.add_pin(pin, known)))
    return made


def _pin(space: LatentSpace, click: Click) -> Pin | None:
    if click.kind == "real":
        inside = 0 <= click.row < len(space)
        return replace(real_pin(space, click.row), clicked=True) if inside else None
    if len(click.z) != space.mean.shape[1]:
        return None
    approximate = click.approximate
    title = "point between codes" if approximate else "point on the map"
    code = np.asarray(click.z, dtype=np.float32)
    return Pin(space.name, "generated", code, title, approximate=approximate, clicked=True)


def answer(known: Visitor, space: LatentSpace, told: Told) -> dict[str, Any]:
    """Takes what a request tells.

    Args:
        known: the visitor.
        space: the model on the map.
        told: what it says.

    Returns:
        `labels` of all pins of the model, the newest last; of each new one (`made`) the `count` of
        its click, its `label` and `variance`; the `address`, as `links.compose` gives it, or None;
        `anew`, whether the page around the map has to be drawn anew.
    """
    clicks, view = told.clicks, told.view
    with known.lock:
        had = bool(visitor.pins(space, known))
        made = take(known, space, view, clicks)
        if clicks:
            heard = max(known.told.get((view, PINNED), 0), clicks[-1].count)
            known.told[view, PINNED] = heard
        pins = visitor.pins(space, known)
        address = links.amend(known, "pins", own_things.pins_text(space, known))
    return {
        "labels": [str(pin.number) for pin in pins],
        "made": [
            {
                "count": count,
                "label": str(pin.number),
                "variance": None if pin.variance is None else pin.variance.tolist(),
            }
            for count, pin in made
        ],
        "address": address,
        "anew": had != bool(pins),
    }

"""One map or two, and what stands around them."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from dataclasses import dataclass, replace

import streamlit as st

from pages.ui.components import address
from pages.ui.components.decoded_view import live_picture
from pages.ui.components.latent_map import latent_map, pins_heard
from pages.ui.map import pin_details, placing, side_by_side, which_images
from pages.ui.shared import cache, embedding, model_picker, visitor
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin

__all__ = ["MapPage", "show"]

_VIEW = "map"


@dataclass(frozen=True)
class MapPage:
    """What the head of the page says.

    Args:
        opened: the chosen model.
        space: the same with all images that the map shows.
        projection: "latent", "pca" or "tsne".
        axes: dimensions of the latent axes.
        colour: what the points are coloured by.
        keep: source of the dimensions that the plane does not show.
        beside: model of a second map.
    """

    opened: LatentSpace
    space: LatentSpace
    projection: str
    axes: tuple[int, int]
    colour: str
    keep: str
    beside: LatentSpace | None

    @property
    def pins(self) -> list[Pin]:
        """The visitor's, newest last. Beside a second map Python shows those clicked as well."""
        pins = visitor.pins(self.space)
        return pins if self.beside is None else [replace(pin, clicked=False) for pin in pins]


def show(page: MapPage) -> None:
    """Shows the map, what it decodes, and what the visitor has pinned."""
    if page.beside is not None:
        _two(page)
        return
    left, right = st.columns([2, 1], gap="medium")
    with left:
        _one(page, _around(page.space))
        _explain(page)
    with right:
        _details(page)


@address.fragment
def _one(page: MapPage, before: Hashable) -> None:
    """The map alone: a click runs nothing else, for the browser shows what was clicked."""
    changed = cache.still(page.opened.name, page.opened.stamp) is None
    if changed or _around(page.space) != before:
        st.rerun()
    _first_map(page)


@address.fragment
def _two(page: MapPage) -> None:
    """Two maps, and what each model makes of the last pin."""
    model_picker.rerun_if_changed(page.opened)
    left, right = st.columns(2, gap="medium")
    with left:
        _first_map(page)
    with right:
        side_by_side.show_beside(page.beside, page.space, _VIEW, page.projection, page.colour)
    left, right = st.columns(2, gap="medium")
    with left:
        _explain(page)
        _details(page)
    if embedding.on():
        return
    with right:
        pins = page.pins
        side_by_side.show_details(page.beside, page.space, pins[-1] if pins else None)


def _around(space: LatentSpace) -> Hashable:
    """What the page around the map depends on: when it changes, the page is drawn anew."""
    groups = [visitor.group(space, name).tobytes() for name in "AB"]
    return bool(visitor.pins(space)), *groups


def _first_map(page: MapPage) -> None:
    space = page.space
    latent_map(
        space,
        page.projection,
        page.axes,
        page.colour,
        key=_VIEW,
        keep=page.keep,
        pins=lambda: page.pins,
        linked=side_by_side.VIEW if page.beside else None,
        on_group=lambda name, rows: visitor.set_group(space, name, rows),
    )


def _explain(page: MapPage) -> None:
    which_images.explain_marks(page.space)
    placing.explain(page.space, page.projection, page.keep, page.pins)
    placing.next_step(page.space)
    placing.own_things(page.space, page.projection, page.axes)


def _details(page: MapPage) -> None:
    live_picture(_VIEW)
    if embedding.on():
        return
    heard = pins_heard(_VIEW)  # first: a request may add a pin meanwhile
    pins = page.pins
    suggest = functools.partial(placing.suggest, page.space, pins)
    pin_details.show_last(page.space, pins, _VIEW, heard, suggest)

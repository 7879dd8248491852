"""What a visitor adds to the map: pins, uploads, samples, groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from pages.ui.components import pickers
from pages.ui.map.exports import export_and_import
from pages.ui.shared import glossary, links, visitor
from pages.ui.shared.device import on_a_phone
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.samples import metric_of
from vae.latent import evenly
from vae.likely_codes import LEVEL, blend
from vae.realism import MAPS, choose_map

__all__ = [
    "about_maps",
    "choose_axes",
    "choose_others",
    "explain",
    "next_step",
    "own_things",
    "pin_first",
    "place_controls",
    "suggest",
]

_AVERAGED = 500  # codes of a group at most
NOTHING_PINNED = (
    "Nothing is pinned, so the dimensions that the plane does not show are taken from the mean "
    "code, an average of all images that resembles none. Click a point to take them from it."
)


def about_maps() -> str:
    """What the maps are, for a tooltip."""
    return glossary.explain(
        "projection",
        "Every point of the latent axes and of the PCA plane can be decoded. t-SNE separates "
        "groups best but has no inverse: between points, the nearest codes are averaged.",
    )


def pin_first(space: LatentSpace) -> None:
    """Pins a typical image when a visitor first opens a model whose averages resemble nobody.

    The dimensions that the map does not show are kept from it. It is pinned once: a visitor who
    removes it, or came with pins, keeps what is left.
    """
    opened = visitor.current().opened
    if space.name in opened:
        return
    opened.add(space.name)
    if space.high_dimensional and not visitor.pins(space):
        pin = real_pin(space, space.typical)
        visitor.add_pin(replace(pin, automatic=True, clicked=True))


def choose_others(space: LatentSpace, projection: str) -> str:
    """Asks where the dimensions that a map does not show come from, if there are any.

    Args:
        space: the model.
        projection: "latent", "pca" or "tsne".

    Returns:
        "mean"; "pinned" on a plane; "likely" where the distribution of the codes was learned.
    """
    if space.mean.shape[1] <= 2:
        return "mean"
    if projection == "tsne":
        return _choose_blend(space)
    options = [name for name in MAPS if name != "likely" or space.judges_likelihood]
    shares = {name: metric_of(space, "realism_of_maps", name) for name in options}
    known = {name: share for name, share in shares.items() if share is not None}
    first = choose_map(known, deep=space.high_dimensional)
    names = {"mean": "Mean code", "pinned": "From the last pin", "likely": "Likely for the place"}
    return st.selectbox(
        f"Other {space.mean.shape[1] - 2} axes",
        options,
        format_func=names.get,
        **links.choice("keep", options, first, labels=names.get),
        help="The map shows two axes of the latent space, but the decoder needs all: the others "
        "are taken from here. The mean code is an average of all images and may resemble none. "
        "Likely for the place: the learned distribution completes each place, and starts from the "
        "noise of the last pin.",
    )


def _choose_blend(space: LatentSpace) -> str:
    """Asks how the codes near a place of a t-SNE map are averaged."""
    if not space.judges_likelihood:
        return "mean"
    options = ("likely", "mean") if space.high_dimensional else ("mean", "likely")
    names = {"mean": "Plain average", "likely": "Learned distribution"}
    return st.selectbox(
        "Between points",
        options,
        format_func=names.get,
        **links.choice("keep", options, options[0], labels=names.get),
        help="The nearest codes are averaged: as they are, or as noise of their learned "
        "distribution, from which the average comes forward as a likely code.",
    )


def choose_axes(space: LatentSpace) -> tuple[int, ...]:
    """Asks which two latent dimensions the map shows."""
    axes: tuple[int, ...] = ()
    for name in "xy":
        others = [int(k) for k in space.order if k not in axes]
        chosen = st.selectbox(
            f"{name} axis",
            others,
            format_func=lambda k: f"z{k + 1}",
            **links.choice(f"{name}-axis", others, others[0], text=lambda k: f"z{k + 1}"),
            help="Latent dimensions, the most informative first.",
        )
        axes = (*axes, chosen)
    return axes


def explain(space: LatentSpace, projection: str, keep: str, pins: Sequence[Pin]) -> None:
    """Says below the map what is special about it."""
    if projection == "latent" and space.has_prior:
        st.caption("Dotted circles: one, two and three standard deviations of the prior, N(0, I).")
    elif projection == "latent" and space.prior:
        st.caption(
            f"Ellipses: one standard deviation of each Gaussian of the prior, {space.prior} that "
            "was learned with the model."
        )
    if reason := space.card.get("no_tsne"):
        st.caption(message(reason))
    if keep == "pinned" and not pins:
        st.caption(NOTHING_PINNED)


def suggest(space: LatentSpace, pins: Sequence[Pin]) -> None:
    """Says what to try, until the visitor has pinned something or made a group."""
    if any(not pin.automatic for pin in pins) or any(
        len(visitor.group(space, name)) for name in "AB"
    ):
        return
    move, click = ("Draw a finger", "Tap") if on_a_phone() else ("Move the pointer", "Click")
    st.markdown(
        f"**Three things to try**\n1. {move} over the map: the model decodes every place.\n"
        f"2. {click} a point: see its reconstruction, its KL and its neighbours.\n"
        "3. Lasso two groups, A and B, and make a concept of what tells them apart."
    )


def next_step(space: LatentSpace) -> None:
    """After a lasso: offers what can be done with the groups."""
    sizes = {name: len(visitor.group(space, name)) for name in "AB"}
    if not any(sizes.values()):
        return
    missing = [name for name, size in sizes.items() if not size]
    with st.container(horizontal=True, vertical_alignment="center"):
        if missing:
            other = "with" if missing == ["A"] else "without"
            st.info(
                f"Now use **Lasso {missing[0]}** for images {other} what the others "
                f"{'lack' if other == 'with' else 'share'}: two groups make a concept.",
                icon=":material/gesture:",
            )
        elif st.button(
            f"Make a concept: A ({sizes['A']}) − B ({sizes['B']})",
            icon=":material/add_circle:",
            type="primary",
            key="to-concepts",
        ):
            visitor.current().concepts.from_groups = True
            st.switch_page("concepts.py")


def place_controls(space: LatentSpace) -> None:
    """Offers a sample, an uploaded picture or a real image to be added to the map."""
    source = st.segmented_control(
        "What to add",
        ["sample", "upload", "real"],
        default="sample",
        required=True,
        format_func={
            "sample": "A random sample",
            "upload": "My picture",
            "real": "A real image",
        }.get,
        key="place-what",
        label_visibility="collapsed",
    )
    if source == "upload":
        pickers.choose_upload(space, key="place", on_choose=visitor.add_pin)
    elif source == "real":
        pickers.choose_real(space, key="place", on_choose=visitor.add_pin)
    else:
        pickers.choose_sample(space, key="place", on_choose=visitor.add_pin)


def own_things(space: LatentSpace, projection: str, axes: tuple[int, int]) -> None:
    """Lists the visitor's pins and groups, each with a button to remove it; exports the map."""
    pins = visitor.pins(space)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if pins:
            _list_pins(pins)
        pickers.draw_somebody(space, key="new", on_choose=visitor.add_pin, shown=pins)
        for name in "AB":
            rows = visitor.group(space, name)
            if len(rows):
                st.button(
                    f"Group {name}: {len(rows)} images",
                    key=f"group-{name}",
                    icon=":material/close:",
                    help="Click to clear this group. The Concepts page can make a vector from "
                    "two groups.",
                    on_click=visitor.set_group,
                    args=(space, name, ()),
                )
            if len(rows) > 1:
                _offer_average(space, name, rows)
        st.space("stretch")
        with st.popover(
            "Export and import", icon=":material/download:", key="files", on_change="rerun"
        ) as popover:
            if popover.open:
                export_and_import(space, projection, axes)


def _list_pins(pins: Sequence[Pin]) -> None:
    # A click on the map draws nothing of this anew, so it is made when it is opened.
    with st.popover("Pins", icon=":material/push_pin:", on_change="rerun", key="pins") as popover:
        if not popover.open:
            return
        for pin in reversed(pins):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    f"{pin.number}: {plain(pin.title)}",
                    key=f"pin-{pin.number}",
                    on_click=visitor.select_pin,
                    args=(pin.number,),
                    type="tertiary",
                )
                st.button(
                    "Remove",
                    key=f"unpin-{pin.number}",
                    icon=":material/close:",
                    on_click=visitor.remove_pin,
                    args=(pin.number,),
                    type="tertiary",
                )


def _offer_average(space: LatentSpace, name: str, rows: np.ndarray) -> None:
    """Offers to pin the average of a group, through the learned distribution or of the codes."""
    with st.popover(f"Average of {name}", icon=":material/functions:"):
        ways = {"Through the learned distribution": LEVEL} if space.judges_likelihood else {}
        for label, level in (ways | {"Mean of the codes": None}).items():
            st.button(
                label,
                key=f"average-{name}-{level}",
                icon=":material/push_pin:",
                on_click=_pin_average,
                args=(space, name, rows, level),
                width="stretch",
            )
        st.caption(
            "In many dimensions the mean of codes is a code that no image has. Through the "
            "learned distribution their noise is averaged and comes forward as a likely code."
        )


def _pin_average(space: LatentSpace, name: str, rows: np.ndarray, level: float | None) -> None:
    codes = space.mean[evenly(rows, _AVERAGED)]
    weights = np.full(len(codes), 1 / len(codes))
    z = weights @ codes if level is None else blend(space.distribution, codes, weights, level)[0]
    what = "mean" if level is None else "learned average"
    title = f"{what} of group {name}, {len(rows)} images"
    visitor.add_pin(Pin(space.name, "generated", z.astype(np.float32), title))

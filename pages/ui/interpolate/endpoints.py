"""The endpoints of an interpolation: choosing, swapping, shuffling, and their address."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
import torch

from pages.ui.components import pickers
from pages.ui.shared import images, links, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.glossary import explain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import (
    KIND_BADGES,
    Pin,
    as_text,
    from_text,
    original,
    real_pin,
    refound,
)
from vae.code_distribution import LEVEL
from vae.codes import decode

__all__ = [
    "NAMES",
    "choose_blend",
    "choose_end",
    "choose_ends",
    "draw_first",
    "ends",
    "export_files",
    "keep_stand",
    "own_pin",
    "picture",
    "set_end",
    "sheet",
    "shuffle",
    "stand",
    "swap",
    "write_address",
]

NAMES = ("A", "B", "C", "D")
_FURTHEST = 3  # largest position of a slider


# What is kept -----------------------------------------------------------------------------------


def ends(space: LatentSpace) -> dict[str, Pin]:
    """The four endpoints of a model by name; initially those of the address, or random ones."""
    kept = visitor.current().paths.ends
    now = {name: refound(space, pin) for name, pin in kept.get(space.name, {}).items()}
    if not now or None in now.values():
        now = dict(zip(NAMES, _any_images(space, len(NAMES), 5), strict=True))
    kept[space.name] = now  # at once, for a run may be cut off between two of them
    for name in NAMES:
        linked = links.take(
            name.lower(),
            lambda text: from_text(space, text),
            "the number of an image of this model, or a code as this page writes it",
        )
        now[name] = linked or now[name]
    return now


def set_end(space: LatentSpace, name: str, pin: Pin) -> None:
    """Sets an endpoint."""
    visitor.current().paths.ends[space.name] = ends(space) | {name: pin}


def swap(space: LatentSpace) -> None:
    """Exchanges A and B."""
    now = ends(space)
    a, b = now["A"], now["B"]
    set_end(space, "A", b)
    set_end(space, "B", a)


def shuffle(space: LatentSpace, names: Sequence[str]) -> None:
    """Sets endpoints to random real images, of different classes if there are classes."""
    for name, pin in zip(names, _any_images(space, len(names), None), strict=True):
        set_end(space, name, pin)


def _any_images(space: LatentSpace, count: int, seed: int | None) -> list[Pin]:
    rng = np.random.default_rng(seed)
    if space.classes:
        groups = [np.flatnonzero(space.class_of == k) for k in np.unique(space.class_of)]
        order = rng.permutation(len(groups))
        rows = [rng.choice(groups[order[i % len(groups)]]) for i in range(count)]
    else:
        rows = rng.choice(len(space), count, replace=len(space) < count)
    return [real_pin(space, int(r)) for r in rows]


# In the address ---------------------------------------------------------------------------------


def stand(space: LatentSpace, view: str, default: Sequence[float]) -> list[float]:
    """The positions of a view's sliders: the visitor's last ones, or those of the address."""
    positions = visitor.current().paths.positions
    linked = links.read_numbers("at", len(default), -_FURTHEST, _FURTHEST)
    if linked is not None:
        positions[space.name, view] = list(linked)
    return positions.get((space.name, view), list(default))


def keep_stand(space: LatentSpace, view: str, values: Sequence[float]) -> None:
    """Stores the positions of a view's sliders, and writes them into the address."""
    visitor.current().paths.positions[space.name, view] = [float(v) for v in values]
    links.put("at", links.numbers_text(values))


def write_address(space: LatentSpace, names: Sequence[str]) -> None:
    """Writes the endpoints into the address."""
    now = ends(space)
    for name in names:
        links.put(name.lower(), as_text(space, now[name]))


# On the page ------------------------------------------------------------------------------------


def choose_end(space: LatentSpace, name: str, width: int = 96) -> Pin:
    """Shows one endpoint and lets the visitor choose another picture for it."""
    with st.container(key=f"end-{name}", width=width + 34, gap="small"):
        shown = st.container(gap="small")
        with st.popover(
            f"Choose {name}", key=f"open-{name}", on_change="rerun", width="stretch"
        ) as popover:
            if popover.open:
                pickers.choose_item(
                    space,
                    key=f"end-{name}",
                    label=f"Picture {name}",
                    shown=ends(space)[name],
                    on_choose=functools.partial(set_end, space, name),
                )
        pin = ends(space)[name]
        with shown:
            kind, colour, icon = KIND_BADGES[pin.kind]
            st.badge(f"{name} · {kind}", color=colour, icon=icon)
            st.image(
                images.data_url(picture(space, pin), 2 * width),
                caption=plain(pin.title),
                width=width,
                alt=f"{name}: {plain(pin.title, 'text')}",
            )
    return pin


def choose_ends(space: LatentSpace, names: Sequence[str]) -> list[Pin]:
    """Shows several endpoints in a row, with buttons that swap or shuffle them."""
    with st.container(horizontal=True, gap="small"):
        chosen = [choose_end(space, name) for name in names]
    with st.container(horizontal=True, gap="small"):
        if len(names) == 2:
            st.button("Swap", icon=":material/swap_horiz:", on_click=swap, args=(space,))
        st.button("Shuffle", icon=":material/shuffle:", on_click=shuffle, args=(space, names))
        draw_first(space, chosen)
    return chosen


def choose_blend(space: LatentSpace, label: str, *, first: bool = True) -> float | None:
    """Asks whether codes are added up as they are or through their learned distribution.

    Args:
        space: the model.
        label: label of the choice.
        first: whether a deep model opens on its learned distribution, if it has one.

    Returns:
        The level of noise in which they are added up; None for the codes themselves.
    """
    if space.distribution is None or not space.distribution.learned:
        return None
    names = {"learned": "Learned distribution", "straight": "Straight lines"}
    options = tuple(names)
    default = "learned" if first and space.high_dimensional else "straight"
    way = st.segmented_control(
        label,
        options,
        required=True,
        format_func=names.get,
        **links.choice("blend", options, default, labels=names.get),
        help=explain(
            "learned distribution",
            f"Codes are added up as noise, {LEVEL:.0%} of the way back, get the length that noise "
            "has, and come forward again. On straight lines they leave the data: an average of "
            "images is none.",
        ),
    )
    return LEVEL if way == "learned" else None


def draw_first(space: LatentSpace, chosen: Sequence[Pin]) -> None:
    """Offers a draw in place of A.

    Args:
        space: the model.
        chosen: the pictures that are shown.
    """
    first = NAMES[0]
    pickers.draw_somebody(
        space,
        key="new",
        on_choose=functools.partial(set_end, space, first),
        shown=chosen,
        then=f"It takes the place of {first}.",
    )


def picture(space: LatentSpace, pin: Pin) -> torch.Tensor:
    """The picture of an endpoint, `(C, H, W)`: the image itself, or its decoded code."""
    image = original(space, pin)
    return decode(space.model, pin.z[None])[0] if image is None else image


def own_pin(space: LatentSpace, z: np.ndarray, title: str) -> None:
    """Adds a point to the visitor's pins, which all pages offer."""
    visitor.add_pin(Pin(space.name, "generated", np.asarray(z, dtype=np.float32), title))


# Export ------------------------------------------------------------------------------------------

_TYPES = {"png": "image/png", "gif": "image/gif", "npz": "application/octet-stream"}


def export_files(files: dict[str, tuple[str, Callable[[], bytes]]]) -> None:
    """Offers files to download, by label."""
    with st.popover("Export", icon=":material/download:", key="take"):
        for label, (name, make) in files.items():
            st.download_button(
                label,
                make,
                name,
                _TYPES[name.rpartition(".")[2]],
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
            )


def sheet(space: LatentSpace, codes: np.ndarray, columns: int) -> bytes:
    """Decoded codes `(N, D)` as a sheet to print, four pixels for each pixel of the model."""
    whole = images.sheet(decode(space.model, codes), columns)
    return images.png(torch.nn.functional.interpolate(whole[None], scale_factor=4)[0])

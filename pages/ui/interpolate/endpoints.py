"""The pictures that a walk goes between: chosen, swapped, shuffled, and kept in the address."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

import numpy as np
import streamlit as st
import torch

from pages.ui.components import pickers
from pages.ui.shared import images, url_state, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import KIND_BADGES, Pin, original, real_pin, refound
from vae.codes import decode
from vae.latent import LARGEST_CODE

__all__ = [
    "NAMES",
    "as_text",
    "choose_end",
    "choose_ends",
    "ends",
    "export_files",
    "from_text",
    "keep_stand",
    "link",
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
_FURTHEST = 3  # where a slider may stand
_LETTERS = {"g": "generated", "s": "sample", "u": "upload"}


# What is kept -----------------------------------------------------------------------------------


def ends(space: LatentSpace) -> dict[str, Pin]:
    """The four chosen pictures of a model, by name; at first those of the address, or any."""
    kept = visitor.current().paths.ends
    now = {name: refound(space, pin) for name, pin in kept.get(space.name, {}).items()}
    if not now or None in now.values():
        found = dict(zip(NAMES, _any_images(space, len(NAMES), 5), strict=True))
        for name in NAMES:
            wanted = url_state.read(
                name.lower(),
                lambda text: from_text(space, text),
                "the number of an image of this model, or a code written by this page",
            )
            found[name] = wanted or found[name]
        kept[space.name] = found
        return found
    return now


def set_end(space: LatentSpace, name: str, pin: Pin) -> None:
    """Puts a picture at an end."""
    visitor.current().paths.ends[space.name] = ends(space) | {name: pin}


def swap(space: LatentSpace) -> None:
    """Exchanges A and B."""
    now = ends(space)
    a, b = now["A"], now["B"]
    set_end(space, "A", b)
    set_end(space, "B", a)


def shuffle(space: LatentSpace, names: Sequence[str]) -> None:
    """Puts other real images at these ends, of different classes where there are classes."""
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


def as_text(space: LatentSpace, pin: Pin) -> str:
    """A picture in an address: a real image's number, or the whole code of any other place."""
    if pin.row >= 0:
        return str(int(space.index[pin.row]))
    letter = next((k for k, kind in _LETTERS.items() if kind == pin.kind), "g")
    return letter + base64.urlsafe_b64encode(pin.z.astype("<f4").tobytes()).decode().rstrip("=")


def from_text(space: LatentSpace, text: str) -> Pin | None:
    """Reads what `as_text` wrote; None where it makes no sense for this model."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        rows = np.flatnonzero(space.index == int(text))
        return real_pin(space, int(rows[0])) if len(rows) else None
    d = space.mean.shape[1]
    if text[:1] not in _LETTERS or len(text) > 8 * d + 8:
        return None
    try:
        raw = base64.b64decode(
            text[1:] + "=" * (-len(text[1:]) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 4 * d:
        return None
    z = np.frombuffer(raw, "<f4").copy()
    if not (np.abs(z) <= LARGEST_CODE).all():  # nan is not below anything
        return None
    kind = _LETTERS[text[0]]
    titles = {"generated": "point", "sample": "sample", "upload": "code of a picture"}
    return Pin(space.name, kind, z, f"{titles[kind]} from the link")


def stand(space: LatentSpace, view: str, default: Sequence[float]) -> list[float]:
    """Where the sliders of a view stand: as the visitor left them, else as the address says."""
    paths = visitor.current().paths
    if (space.name, view) in paths.positions:
        return paths.positions[space.name, view]
    if paths.position_read:
        return list(default)
    paths.position_read = True
    return list(url_state.read_numbers("at", len(default), -_FURTHEST, _FURTHEST) or default)


def keep_stand(space: LatentSpace, view: str, values: Sequence[float]) -> None:
    """Remembers where the sliders of a view stand."""
    visitor.current().paths.positions[space.name, view] = [float(v) for v in values]


def write_address(space: LatentSpace, names: Sequence[str], at: Sequence[float]) -> None:
    """Puts the chosen pictures and the sliders into the page's address."""
    now = ends(space)
    wanted = {n.lower(): as_text(space, now[n]) for n in names}
    wanted["at"] = url_state.numbers_text(at)
    for key in (*(n.lower() for n in NAMES), "at"):
        url_state.write(key, wanted.get(key))


def link(space: LatentSpace) -> str:
    """The page's whole address, which restores all that is chosen."""
    query = urlencode({"model": space.name} | st.query_params.to_dict(), safe=",")
    return f"{(st.context.url or '').split('?')[0]}?{query}"


# On the page ------------------------------------------------------------------------------------


def choose_end(space: LatentSpace, name: str, width: int = 96) -> Pin:
    """Shows one end and lets the visitor choose another picture for it."""
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
    """Shows several ends in a row, with buttons that exchange or shuffle them."""
    with st.container(horizontal=True, gap="small"):
        chosen = [choose_end(space, name) for name in names]
    with st.container(horizontal=True, gap="small"):
        if len(names) == 2:
            st.button("Swap", icon=":material/swap_horiz:", on_click=swap, args=(space,))
        st.button("Shuffle", icon=":material/shuffle:", on_click=shuffle, args=(space, names))
    return chosen


def picture(space: LatentSpace, pin: Pin) -> torch.Tensor:
    """What an end looks like, `(C, H, W)`: the image itself, or what its code is decoded to."""
    found = original(space, pin)
    return decode(space.model, pin.z[None])[0] if found is None else found


def own_pin(space: LatentSpace, z: np.ndarray, title: str) -> None:
    """Keeps a place among the visitor's pins, where every page can start from it."""
    visitor.add_pin(Pin(space.name, "generated", np.asarray(z, dtype=np.float32), title))


# Export ------------------------------------------------------------------------------------------

_TYPES = {"png": "image/png", "gif": "image/gif", "npz": "application/octet-stream"}


def export_files(space: LatentSpace, files: dict[str, tuple[str, Callable[[], bytes]]]) -> None:
    """Offers files to download, by label, and a link that restores the view."""
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
        st.caption("This link restores the view. Of your own pictures it contains the codes only.")
        st.code(link(space), language=None, wrap_lines=True)


def sheet(space: LatentSpace, codes: np.ndarray, columns: int) -> bytes:
    """Decoded codes `(N, D)` as a sheet to print, four pixels for each pixel of the model."""
    whole = images.sheet(decode(space.model, codes), columns)
    return images.png(torch.nn.functional.interpolate(whole[None], scale_factor=4)[0])

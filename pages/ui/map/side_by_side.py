"""A second model beside the first: one pointer, the same image or place, two pictures."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import streamlit as st

from pages.ui.components.decoded_view import live_picture
from pages.ui.components.latent_map import latent_map
from pages.ui.map import pin_details
from pages.ui.shared import cache, links, scatter, visitor
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin
from vae import CheckpointError, DatasetError
from vae.checkpoint import load_card
from vae.locations import Checkpoint, all_checkpoints

__all__ = ["VIEW", "choose_beside", "show_beside", "show_details"]

VIEW = "map-beside"  # of the second map
_NONE = "none"


def choose_beside(space: LatentSpace) -> LatentSpace | None:
    """Lets the visitor choose a model of the same images to be shown beside the first."""
    names = [_NONE, *_of_same_images(space)]
    chosen = st.selectbox(
        "Beside it",
        names,
        format_func=lambda name: _label(space, name),
        **links.choice("beside", names, _NONE, text=lambda name: name),
        help="A second model of the same images. One pointer moves over both maps: over a point "
        "the other map shows the same image, elsewhere the same coordinates. A run keeps its "
        "weights after epochs 0, 1, 2, 4, 8 and so on.",
    )
    if chosen == _NONE:
        return None
    try:
        return cache.latent_space(chosen)
    except (CheckpointError, DatasetError) as problem:
        st.error(f"{plain(chosen)} cannot be shown. {message(problem)}")
        return None


def _label(space: LatentSpace, name: str) -> str:
    if name == _NONE:
        return "Nothing"
    if name.startswith(f"{space.name}/epoch-"):
        return f"This run after epoch {name.rpartition('-')[2]}"
    return plain(name, "text")


def _of_same_images(space: LatentSpace) -> list[str]:
    own = f"{space.name}/"
    known = [c for c in all_checkpoints() if "/epoch-" not in c.name or c.name.startswith(own)]
    images = {c.name: its for c in known if (its := _images_of(c)) is not None}
    mine = images.pop(space.name, None)
    return [name for name, its in images.items() if its == mine]


def _images_of(checkpoint: Checkpoint) -> tuple[str, str] | None:
    """Dataset and split of a checkpoint's codes, None where it has none."""
    codes = checkpoint.folder / "codes.safetensors"
    if not codes.exists() and "/epoch-" not in checkpoint.name:  # whose codes are made here
        return None
    try:
        return _said(checkpoint.folder, (checkpoint.folder / "card.json").stat().st_mtime_ns)
    except (CheckpointError, OSError):
        return None


@functools.lru_cache(1_024)
def _said(folder: Path, _changed: int) -> tuple[str, str]:
    card = load_card(folder)
    return str(card.get("dataset")), str(card.get("split"))


def show_beside(
    space: LatentSpace, first: LatentSpace, view: str, projection: str, colour: str
) -> None:
    """Draws the second map.

    Args:
        space: its model.
        first: the first model.
        view: the first map, whose pointer it follows and leads.
        projection: projection of the first map, taken over where this model has it too.
        colour: colour of the first map, likewise.
    """
    own, axes, shade = scatter.first_view(space)
    same = projection in scatter.projections(space)
    if projection == "latent":  # of another number of axes the first two mean something else
        same = space.mean.shape[1] == first.mean.shape[1]
    latent_map(
        space,
        projection if same else own,
        axes,
        colour if colour in scatter.colours(space) else shade,
        key=VIEW,
        pins=lambda: visitor.pins(space),
        linked=view,
        second=True,
        on_group=lambda name, rows: visitor.set_group(space, name, rows),
    )


def show_details(space: LatentSpace, first: LatentSpace, pin: Pin | None) -> None:
    """Shows what the second model makes of the image that is pinned on the first map.

    Args:
        space: the second model.
        first: the first model.
        pin: its last pin. A code of one space stands for nothing in another.
    """
    live_picture(VIEW)
    if pin is not None and pin.row >= 0:
        rows = np.flatnonzero(space.index == first.index[pin.row])
        if not len(rows):
            st.caption(f"{plain(space.name)} has no code of this image.")
            return
        shown = real_pin(space, int(rows[0]))
    elif pins := visitor.pins(space):
        shown = pins[-1]
    else:
        return
    pin_details.show_bounds(space, shown, pin_details.show_pin(space, shown))

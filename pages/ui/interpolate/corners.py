"""A square between four codes: four pictures, or one picture and two concepts."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.components.sliders import live_square, tells
from pages.ui.interpolate import endpoints
from pages.ui.shared import (
    cache,
    concepts,
    export,
    formatting,
    links,
    share,
)
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from pages.ui.shared.programs import code_as_python
from vae.latent import bilinear, grid
from vae.likely_codes import blend

__all__ = ["analogy", "square_view"]

SIDES = (5, 7, 9, 11)
KINDS = {"pictures": "Four pictures", "analogy": "A picture and two concepts"}
_MIDDLE = (0.5, 0.5)
_FIRST = ("Glasses", "Smile")  # shown first where the data have them


def square_view(space: LatentSpace) -> None:
    """A square between four codes, live under the pointer, and as a sheet to print."""
    left, right = st.columns([2.4, 1], gap="medium")
    known = concepts.concepts(space)
    with right:
        kind = "pictures"
        if len(known) > 1:
            kind = st.segmented_control(
                "Corners",
                list(KINDS),
                required=True,
                format_func=KINDS.get,
                **links.choice("corners", KINDS, "pictures", labels=KINDS.get),
            )
        if kind == "analogy":
            names, corners = ("A",), analogy(space, known)
        else:
            names = endpoints.NAMES
            corners = np.stack([pin.z for pin in _choose_four(space)])
        level = endpoints.choose_blend(space, "Blended along", first=kind == "pictures")
        steps = st.select_slider("Pictures per side", SIDES, **links.choice("side", SIDES, 7))
        take = st.container(horizontal=True, gap="small")
    with left:
        x, y = np.clip(endpoints.stand(space, "square", _MIDDLE), 0, 1).tolist()
        x, y = live_square(
            space,
            corners,
            key=f"square-{space.name}{'' if level is None else '-learned'}",
            level=level,
            steps=steps,
            at=(x, y),
            size=220 if space.model.config.likelihood == "gaussian" else 300,
            tells=tells(space, near=True),
            on_release=lambda at: endpoints.keep_stand(space, "square", at),
        )

    def pinned() -> tuple[np.ndarray, list[float]]:
        """The code `(D,)` at the mark by then, and where it stands."""
        at = endpoints.stand(space, "square", _MIDDLE)
        return _blended(space, corners, np.array([at]), level)[0], at

    share.python(lambda: code_as_python(space, pinned()[0]))
    endpoints.keep_stand(space, "square", [x, y])
    endpoints.write_address(space, names)
    with take:
        at = grid((0, 1), (1, 0), steps, steps)

        def codes() -> np.ndarray:
            return _blended(space, corners, at, level)

        about = {
            "model": space.name,
            "corners": "top left, top right, bottom left, bottom right",
            "level": level,
        }
        st.button(
            "Pin this point",
            icon=":material/push_pin:",
            on_click=lambda: _pin(space, *pinned()),
        )
        endpoints.export_files({
            "Sheet, PNG": (
                f"{space.name}-square.png", lambda: endpoints.sheet(space, codes(), steps),
            ),
            "Codes, NPZ": (
                f"{space.name}-square.npz",
                lambda: export.arrays(about, z=codes(), at=at, corners=corners),
            ),
        })  # fmt: skip


def _pin(space: LatentSpace, z: np.ndarray, at: list[float]) -> None:
    x, y = at
    endpoints.own_pin(space, z, f"({x:.2f}, {y:.2f}) in a square of four")


@cache.shared(64)
def _blended(
    space: LatentSpace, corners: np.ndarray, at: np.ndarray, level: float | None
) -> np.ndarray:
    """Codes `(N, D)` at positions `(N, 2)` of the square."""
    if level is None:
        return bilinear(corners, at)
    return blend(space.distribution, corners, bilinear(np.eye(4), at), level)


def _choose_four(space: LatentSpace) -> list[Pin]:
    pins = []
    for pair in (("A", "B"), ("C", "D")):
        with st.container(horizontal=True, gap="small"):
            pins += [endpoints.choose_end(space, name, 80) for name in pair]
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Shuffle",
            icon=":material/shuffle:",
            on_click=endpoints.shuffle,
            args=(space, endpoints.NAMES),
        )
        endpoints.draw_first(space, pins)
    return pins


def analogy(space: LatentSpace, known: dict[str, concepts.NamedConcept]) -> np.ndarray:
    """Lets the visitor choose a picture and two concepts.

    Args:
        space: the model.
        known: its concepts by name, two or more.

    Returns:
        Codes `(4, D)`: the picture, with one concept, with the other, and with both.
    """
    (a,) = endpoints.choose_ends(space, ("A",))
    names = list(known)
    first = ([n for n in _FIRST if n in known] + names)[:2]
    steps = []
    for key, side, name in (
        ("right", "Concept to the right", first[0]),
        ("down", "Concept downwards", first[1]),
    ):
        name = st.selectbox(
            side,
            names,
            format_func=formatting.verbatim,
            **links.choice(key, names, name, text=links.token, labels=formatting.verbatim),
        )
        steps.append(known[name].at(a.z))
    strength = st.slider("Strength", 0.0, 2.0, step=0.1, **links.number("strength", 1, 0, 2))
    u, v = (strength * step for step in steps)
    return np.stack([a.z, a.z + u, a.z + v, a.z + u + v])

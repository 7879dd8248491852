"""What one visitor carries from page to page: pins, groups and concept vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, refound

if TYPE_CHECKING:
    from pages.ui.shared.concepts import NamedConcept

__all__ = [
    "MOST_PINS",
    "add_pin",
    "add_vector",
    "group",
    "pins",
    "remove_pin",
    "remove_vector",
    "select_pin",
    "set_group",
    "vectors",
]


MOST_PINS = 12


def pins(space: LatentSpace) -> list[Pin]:
    """The visitor's pins of a model, newest last, without images that are no longer there."""
    own = [refound(space, p) for p in _all_pins() if p.model == space.name]
    return [p for p in own if p is not None]


def _all_pins() -> list[Pin]:
    return st.session_state.setdefault("pins", [])


def add_pin(pin: Pin) -> Pin:
    """Keeps a pin; the same image again only moves to the end. The oldest go first."""
    kept = [p for p in _all_pins() if not (p.automatic and p.model == pin.model)]
    number = 1 + max((p.number for p in kept), default=0)
    same = [p for p in kept if pin.row >= 0 and (p.model, p.row) == (pin.model, pin.row)]
    pin = replace(pin, number=same[0].number if same else number)
    kept = [p for p in kept if p.number != pin.number]
    st.session_state["pins"] = [*kept, pin][-MOST_PINS:]
    return pin


def remove_pin(number: int) -> None:
    """Forgets one pin."""
    st.session_state["pins"] = [p for p in _all_pins() if p.number != number]


def select_pin(number: int) -> None:
    """Moves a pin to the end: the newest is the one that pages show."""
    st.session_state["pins"] = sorted(_all_pins(), key=lambda p: p.number == number)


def group(space: LatentSpace, name: str) -> np.ndarray:
    """Rows of a model's reference images that the visitor put in group "A" or "B"."""
    numbers = st.session_state.setdefault("groups", {}).get((space.name, name), [])
    return np.flatnonzero(np.isin(space.index, numbers))


def set_group(space: LatentSpace, name: str, rows: Sequence[int]) -> None:
    """Sets group "A" or "B"; rows that the model does not have are left out."""
    wanted = sorted({int(r) for r in rows if isinstance(r, int) and 0 <= r < len(space)})
    groups = st.session_state.setdefault("groups", {})
    # By number, because rows move up where an image that was encoded is gone.
    st.session_state["groups"] = groups | {(space.name, name): space.index[wanted].tolist()}


def vectors(model: str) -> dict[str, NamedConcept]:
    """The concept vectors that the visitor made for a model, by name."""
    kept = st.session_state.setdefault("vectors", {})
    return {name: concept for (owner, name), concept in kept.items() if owner == model}


def add_vector(model: str, name: str, concept: NamedConcept) -> None:
    """Keeps a concept vector under a name."""
    kept = st.session_state.setdefault("vectors", {})
    st.session_state["vectors"] = kept | {(model, name): concept}


def remove_vector(model: str, name: str) -> None:
    """Forgets a concept vector of the visitor's."""
    kept = st.session_state.get("vectors", {})
    st.session_state["vectors"] = {k: v for k, v in kept.items() if k != (model, name)}

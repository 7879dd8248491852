"""What the app keeps of one visitor: one object, under one key of the session.

It lasts as long as the browser's tab. Widgets keep their own values, each under a key that only
the module that makes it knows.
"""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, refound

if TYPE_CHECKING:
    from pages.ui.shared.concepts import NamedConcept
    from vae.runs.config import RunConfig
    from vae.runs.manager import Run

__all__ = [
    "MOST_PINS",
    "Address",
    "ConceptsState",
    "LibraryState",
    "PathsState",
    "TrainState",
    "Visitor",
    "add_pin",
    "add_vector",
    "current",
    "find",
    "group",
    "pins",
    "remove_pin",
    "remove_vector",
    "select_pin",
    "set_group",
    "vectors",
]

MOST_PINS = 12


@dataclass
class Address:
    """What has been read from the address, and what is written into it; `links` does both.

    Args:
        page: the page that is shown, as in its address.
        query: parameters of the address on arrival; None before the first page.
        back: whether the visitor came by the browser's own buttons.
        arrived: nobody has yet asked which model the address names.
        read: names of the values that have been read since.
        chosen: choices that differ from the default, by page and name.
        starts: start values from the address, likewise.
        defaults: defaults that were last shown, likewise.
        shown: current parameters of the address, by name.
        written: parameters that this page last wrote into the address; None before the first.
        push: whether that was a step of its own.
        count: number of changes written.
        arrivals: number of arrivals at an address.
        told_unkept: the visitor knows that links cannot hold everything, for the disk is full.
        share: the page's share menu, during a run in which it is open.
        python: gives the program that computes what the page shows, likewise.
    """

    page: str = ""
    query: dict[str, list[str]] | None = None
    back: bool = False
    arrived: bool = True
    read: set[str] = field(default_factory=set)
    chosen: dict[tuple[str, str], Any] = field(default_factory=dict)
    starts: dict[tuple[str, str], Any] = field(default_factory=dict)
    defaults: dict[tuple[str, str], Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    written: dict[str, str] | None = None
    push: bool = False
    count: int = 0
    arrivals: int = 0
    told_unkept: bool = False
    share: Any = None
    python: Callable[[], str] | None = None


@dataclass
class PathsState:
    """What the page with paths, corners and traversals keeps.

    Args:
        ends: the chosen pictures by model and name.
        positions: positions of the sliders, by model and view.
    """

    ends: dict[str, dict[str, Pin]] = field(default_factory=dict)
    positions: dict[tuple[str, str], list[float]] = field(default_factory=dict)


@dataclass
class ConceptsState:
    """What the page of concepts keeps.

    Args:
        start: the picture that concepts act on, once one has been chosen.
        examples: by model, the row of the picture that they act on before.
        made: a concept that the next run adds, and gives a slider.
        pairs: by model, pictures that show something, those that do not, and the attribute that
            was drawn.
        from_groups: whether the page opens where two groups become a concept.
        half_pairs: the one picture of an incomplete pair, by model and side.
        ticked: rows ticked for a group, by model.
        first_strengths: initial positions of sliders from a link, with the concepts' names.
        tried_on_all: the model, and the step `(D,)` as bytes, to be tried on all images.
        pitfall: the lesson that is shown.
        pitfall_seed: seed of its examples.
    """

    start: Pin | None = None
    examples: dict[str, int] = field(default_factory=dict)
    made: NamedConcept | None = None
    pairs: dict[str, list[tuple[Pin, Pin, str | None]]] = field(default_factory=dict)
    from_groups: bool = False
    half_pairs: dict[str, dict[str, Pin]] = field(default_factory=dict)
    ticked: dict[str, list[int]] = field(default_factory=dict)
    first_strengths: tuple[tuple[str, ...], tuple[float, ...]] | None = None
    tried_on_all: tuple[str, bytes] | None = None
    pitfall: str | None = None
    pitfall_seed: int = 0


@dataclass
class TrainState:
    """What the training page keeps.

    Args:
        started: the settings of the run that this visitor started last, and the run.
        opened: name of a run that the page is to show next.
        again: name of the run whose settings the form begins with, if any.
        to_form: whether the page opens with that form.
        playing: name of the run whose epochs are being played, if any.
        seen: values on which the controls depended when they were last drawn.
        estimate: settings, and how long they take.
        watched: a run has been shown.
        deleted: message about the run that has just been deleted.
        dataset: name of a dataset that the form is to propose next.
    """

    started: tuple[RunConfig, Run] | None = None
    opened: str | None = None
    again: str | None = None
    to_form: bool = False
    playing: str | None = None
    seen: tuple[str, str, float | None, float | None] | None = None
    estimate: tuple[RunConfig, str] | None = None
    watched: bool = False
    deleted: str | None = None
    dataset: str | None = None


@dataclass
class LibraryState:
    """What the library keeps.

    Args:
        token: names the upload of this visit; None before the first.
        model_token: names the upload of a model.
        model_path: folder on the server with networks to import, of whoever runs it.
        path: path on the server that is to be imported, of whoever runs it.
        imported: reference of what has just been imported.
        message: what has just been done, for the next run.
        drawings: names the drawings of this visit, which lie with the uploads.
        drawn: number of drawings that were kept or undone, which clears the canvas.
    """

    token: str | None = None
    model_token: str | None = None
    model_path: str | None = None
    path: str | None = None
    imported: str | None = None
    message: str | None = None
    drawings: str | None = None
    drawn: int = 0


@dataclass
class Visitor:
    """All that is kept of one visitor.

    Whoever changes `pins`, `clicks` or `address` holds the lock: requests do so beside a run.

    Args:
        token: known to this visit's browser alone, and tells it from others.
        lock: held while something is changed that a request changes as well.
        model: name of the chosen model, on every page; None before the first.
        asked: name of a model that an address asks for, until a page shows one.
        language: language of the lessons, such as "en"; None for the default one.
        pins: newest last, at most `MOST_PINS`, of all models.
        clicks: the count of the last click that became a pin, by map.
        regions: the plane of the map is coloured by what the classifier sees.
        opened: models whose first pin has been placed.
        groups: ids of reference images by model and "A" or "B". Ids, because rows move up where
            an image that was encoded is gone.
        vectors: concept vectors made so far, by model and name.
        seeds: number of times that samples have been drawn again, by sheet.
        told: the count of the last change that was heard of, by component's key and answer.
        posterior_start: image of the lesson on the two terms, and its q from a link.
        posterior_tries: number of times that q has been reset in that lesson.
        drawings_cleared: number of times that the drawing of a digit has been cleared.
        drawings_sent: number of drawings that were sent to the room.
        drawings_seen: number of the room's drawings that the presenter's map has shown; None
            while it does not watch for them.
        predictions: answers to the lessons' questions, by lesson and question.
        address: state of the address.
        paths: state of the page of paths.
        concepts: state of the page of concepts.
        train: state of the training page.
        library: state of the library.
    """

    token: str = field(default_factory=lambda: secrets.token_hex(16))
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    model: str | None = None
    asked: str | None = None
    language: str | None = None
    pins: list[Pin] = field(default_factory=list)
    clicks: dict[str, int] = field(default_factory=dict)
    regions: bool = False
    opened: set[str] = field(default_factory=set)
    groups: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    vectors: dict[tuple[str, str], NamedConcept] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    told: dict[tuple[str, str], int] = field(default_factory=dict)
    posterior_start: tuple[int, tuple[float, ...] | None] | None = None
    posterior_tries: int = 0
    drawings_cleared: int = 0
    drawings_sent: int = 0
    drawings_seen: int | None = None
    predictions: dict[tuple[str, str], Any] = field(default_factory=dict)
    address: Address = field(default_factory=Address)
    paths: PathsState = field(default_factory=PathsState)
    concepts: ConceptsState = field(default_factory=ConceptsState)
    train: TrainState = field(default_factory=TrainState)
    library: LibraryState = field(default_factory=LibraryState)


_here: weakref.WeakValueDictionary[str, Visitor] = weakref.WeakValueDictionary()


def current() -> Visitor:
    """The visitor in whose session this code runs."""
    known = st.session_state.get("visitor")
    if known is None:
        known = st.session_state["visitor"] = Visitor()
        _here[known.token] = known
    return known


def find(token: str) -> Visitor | None:
    """The visitor whose browser has a token; None where no session of this process has it."""
    return _here.get(token)


def pins(space: LatentSpace, known: Visitor | None = None) -> list[Pin]:
    """The visitor's pins of a model, newest last, without images that are no longer there.

    Args:
        space: the model.
        known: the visitor; by default the current one.
    """
    own = [refound(space, p) for p in (known or current()).pins if p.model == space.name]
    return [p for p in own if p is not None]


def add_pin(pin: Pin, known: Visitor | None = None) -> Pin:
    """Keeps a pin; the same image again only moves to the end. The oldest go first."""
    visitor = known or current()
    with visitor.lock:
        kept = [p for p in visitor.pins if not (p.automatic and p.model == pin.model)]
        number = 1 + max((p.number for p in kept), default=0)
        same = [p for p in kept if pin.row >= 0 and (p.model, p.row) == (pin.model, pin.row)]
        pin = replace(pin, number=same[0].number if same else number)
        kept = [p for p in kept if p.number != pin.number]
        visitor.pins = [*kept, pin][-MOST_PINS:]
    return pin


def remove_pin(number: int) -> None:
    """Forgets one pin."""
    known = current()
    with known.lock:
        known.pins = [p for p in known.pins if p.number != number]


def select_pin(number: int) -> None:
    """Moves a pin to the end: the newest is the one that pages show."""
    known = current()
    with known.lock:
        known.pins = sorted(known.pins, key=lambda p: p.number == number)


def group(space: LatentSpace, name: str) -> np.ndarray:
    """Rows of a model's reference images that the visitor put in group "A" or "B"."""
    ids = current().groups.get((space.name, name), [])
    return np.flatnonzero(np.isin(space.index, ids))


def set_group(space: LatentSpace, name: str, rows: Sequence[int]) -> None:
    """Sets group "A" or "B"; rows that the model does not have are left out."""
    valid = sorted({int(r) for r in rows if isinstance(r, int) and 0 <= r < len(space)})
    current().groups[space.name, name] = space.index[valid].tolist()


def vectors(model: str) -> dict[str, NamedConcept]:
    """The concept vectors that the visitor made for a model, by name."""
    kept = current().vectors
    return {name: concept for (owner, name), concept in kept.items() if owner == model}


def add_vector(model: str, name: str, concept: NamedConcept) -> None:
    """Keeps a concept vector under a name."""
    current().vectors[model, name] = concept


def remove_vector(model: str, name: str) -> None:
    """Forgets a concept vector of the visitor's."""
    current().vectors.pop((model, name), None)

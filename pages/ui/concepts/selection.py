"""The concepts in use: their choice, the starting point of the edit, and their strengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from pages.ui.components import pickers
from pages.ui.shared import cache, formatting, links, visitor
from pages.ui.shared.concepts import NamedConcept, concepts, keep_concept
from pages.ui.shared.glossary import explain
from pages.ui.shared.inside import judge_edited
from pages.ui.shared.labels import fit_rows, shows
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, as_text, from_text, real_pin, refound
from vae.codes import decode

__all__ = [
    "choose_concepts",
    "choose_start",
    "draw_start",
    "first_strengths",
    "set_start",
    "start",
    "write_strengths",
]

_LOW, _HIGH = -1, 2  # range of a slider
MOST_SLIDERS = 4  # largest number that is easy to use
_TRIED = 48  # images on which the first example is tried
_FIRST = ("glasses", "smile", "hat", "beard", "bold")  # shown first where the data have them


def choose_concepts(space: LatentSpace) -> list[NamedConcept]:
    """Lets the visitor choose which concepts are added."""
    key = f"concepts-{space.name}"
    # A new one takes the first slider: its widget can only be set before it is drawn.
    state = visitor.current().concepts
    new, state.made = state.made, None
    if new is not None:
        keep_concept(space, new)
        now = [n for n in st.session_state.get(key, []) if n != new.name]
        st.session_state[key] = [new.name, *now][:MOST_SLIDERS]
    known = concepts(space)
    with links.using("concepts"):
        linked = links.take("concepts", lambda text: _named(known, text), _listed(known))
        if linked is not None:
            st.session_state[key] = linked
    if key not in st.session_state:
        first = [formatting.words(n) for n in _FIRST if formatting.words(n) in known] or list(
            known
        )
        # Classes exclude each other: they are added one at a time.
        st.session_state[key] = first[: 2 if space.dataset.attributes else 1]
    st.session_state[key] = [n for n in st.session_state[key] if n in known]
    names = st.multiselect(
        "Concepts to add",
        list(known),
        format_func=formatting.concept,
        key=key,
        max_selections=MOST_SLIDERS,
        persist_state="session",
        help=explain(
            "concept vector",
            "Each concept gets a slider. Attributes of the dataset are ready to use; make your "
            "own below.",
        ),
    )
    written = links.tokens(known)
    links.put("concepts", ".".join(written[name] for name in names))
    return [known[name] for name in names]


def _named(known: dict[str, NamedConcept], text: str) -> list[str] | None:
    by_text = {token: name for name, token in links.tokens(known).items()}
    names = [by_text.get(part) for part in text.split(".")]
    return None if None in names else list(dict.fromkeys(names))[:MOST_SLIDERS]


def _listed(known: dict[str, NamedConcept]) -> str:
    return f"names such as {'.'.join([*links.tokens(known).values()][:2]) or 'none'}"


def first_strengths(active: Sequence[NamedConcept]) -> list[float] | None:
    """The initial positions of the sliders of these concepts, if a link has them."""
    linked = links.read_numbers("strengths", len(active), _LOW, _HIGH)
    state, names = visitor.current().concepts, tuple(concept.name for concept in active)
    if linked is not None:
        state.first_strengths = names, linked
    known, values = state.first_strengths or ((), ())
    return list(values) if known == names else None


def write_strengths(strengths: np.ndarray) -> None:
    """Writes the strengths into the address, which has none if all are 1."""
    text = None if np.all(strengths == 1) else links.numbers_text(strengths.tolist())
    links.put("strengths", text)


def start(space: LatentSpace, active: Sequence[NamedConcept]) -> Pin:
    """The picture that is edited: the visitor's choice, or an image on which the edit succeeds.

    Args:
        space: the model.
        active: the concepts that are added. Later ones do not change the picture.
    """
    state = visitor.current().concepts
    linked = links.take("person", lambda text: from_text(space, text), "an image of this model")
    state.start = linked or state.start
    links.put("person", lambda: _person(space, active))
    chosen = state.start
    if chosen is not None and chosen.model == space.name and (now := refound(space, chosen)):
        return now
    row = state.examples.setdefault(space.name, _example(space, active))
    return real_pin(space, row if row < len(space) else 0)


@cache.shared(16, {NamedConcept: lambda concept: (concept.name, concept.vector.tobytes())})
def _example(space: LatentSpace, active: Sequence[NamedConcept]) -> int:
    """Row of the first image without the concepts to which the classifier sees them added."""
    rows = _without(space)
    if space.classifier is None or not len(rows) or not any(c.target for c in active):
        return int(rows[0]) if len(rows) else 0
    some = rows[:_TRIED]
    codes = space.mean[some]
    step = sum((concept.at(codes) for concept in active), np.zeros_like(codes))
    before, after = (
        space.classifier.predictions(decode(space.model, z)).numpy() for z in (codes, codes + step)
    )
    targets = [c.target for c in active if c.target in space.classifier.names]
    columns = [space.classifier.names.index(target) for target in targets]
    others = np.ones(before.shape[1], bool)
    others[columns] = False
    if space.classifier.exclusive:  # to become one class is to leave another
        others[:] = False
    added = after[:, columns].all(1) & ~before[:, columns].any(1)
    kept = (before == after)[:, others].all(1)
    for good in (added & kept, added):
        for k in np.flatnonzero(good):
            if judge_edited(space, codes[k] + step[k]).zone != "outside":
                return int(some[k])
    return int(some[0])


def _without(space: LatentSpace) -> np.ndarray:
    """Rows of the images that show none of the concepts, among those that made no vector."""
    shown = shows(space)
    bare = ~fit_rows(space)
    for name in (*_FIRST, "sunglasses", "bald", "open_mouth", "moustache"):
        if name in shown and (bare & ~shown[name]).any():
            bare &= ~shown[name]
    return np.flatnonzero(bare)


def _person(space: LatentSpace, active: Sequence[NamedConcept]) -> str | None:
    state = visitor.current().concepts
    chosen = state.start
    if chosen and chosen.model == space.name:
        return as_text(space, chosen)
    row = state.examples.get(space.name)
    if row is None or row == _example(space, active):  # what the page shows without being told
        return None
    return as_text(space, real_pin(space, row))


def choose_start(space: LatentSpace) -> None:
    """Offers all sources of a starting point: images, pins, samples, camera."""
    camera = st.segmented_control(
        "From",
        ["here", "camera"],
        default="here",
        required=True,
        format_func={"here": "The dataset or a file", "camera": "Camera"}.get,
        key="start-from",
        label_visibility="collapsed",
    )
    if camera == "camera":
        pickers.take_photograph(space, key="start", on_choose=set_start)
    else:
        shown = visitor.current().concepts.start
        pickers.choose_item(
            space, key="start", label="Start from", shown=shown, on_choose=set_start
        )


def draw_start(space: LatentSpace, pin: Pin) -> None:
    """Offers a draw in place of the starting picture, a button."""
    pickers.draw_somebody(
        space, key="new", on_choose=set_start, shown=[pin], then="Concepts act on it."
    )


def set_start(pin: Pin) -> None:
    """Sets the starting point of the edit."""
    visitor.current().concepts.start = pin

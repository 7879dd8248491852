"""What a visitor has made, as a link carries it: pins, groups and concepts of a model."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import astuple, replace
from typing import Any, NotRequired, TypedDict

import numpy as np

from pages.ui.shared import labels, links, visitor
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.packing import packed
from pages.ui.shared.pins import Pin, as_text, from_text
from vae.concepts.files import Concept
from vae.concepts.paired import PairedStep
from vae.latent import LARGEST_CODE
from vae.schema import decode

__all__ = ["follow_address", "pins_text", "read_concepts", "write_concepts"]

_MOST_EXAMPLES = 2_000  # codes of a concept that are kept with it


_Entry = TypedDict(
    "_Entry",
    {
        **dict.fromkeys(("name", "estimator", "vector", "with", "without"), str),
        "about": dict[str, Any],
        "step": NotRequired[list[str] | None],  # earlier versions had none
        "target": str | None,
        "paired": bool,
        "rows": list[int],
    },
)


def follow_address(space: LatentSpace) -> None:
    """Takes what the address says of the visitor's own things, and lets it follow them."""
    known = visitor.current()

    def parse_pins(text: str) -> list[Pin] | None:
        pins = [from_text(space, part) for part in text.split(".")]
        return None if None in pins else pins

    pins = links.take("pins", parse_pins, "ids of images of this model, or codes", without=[])
    if pins is not None:
        with known.lock:
            others = [p for p in known.pins if p.model != space.name]
            first = 1 + max((p.number for p in others), default=0)
            last = pins[-visitor.MOST_PINS :]
            mine = [replace(p, number=first + k) for k, p in enumerate(last)]
            known.pins = [*others, *mine]
        if mine:
            known.opened.add(space.name)
    links.put("pins", lambda: pins_text(space, known))
    for name in "AB":
        _follow_group(space, name)
    concepts = links.take(
        "own", lambda text: read_concepts(space, text), "an id that is kept here"
    )
    for concept in concepts or ():
        visitor.add_vector(space.name, concept.name, concept)
    links.put("own", lambda: _concepts_text(space))


def pins_text(space: LatentSpace, known: visitor.Visitor) -> str:
    """A visitor's pins of a model as an address has them."""
    return ".".join(as_text(space, p) for p in visitor.pins(space, known) if not p.automatic)


def _follow_group(space: LatentSpace, name: str) -> None:
    def parse(text: str) -> list[int] | None:
        ids = text.split(".")
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in ids):
            return None
        rows = np.flatnonzero(np.isin(space.index, [int(part) for part in ids])).tolist()
        return rows or None

    def text() -> str:
        return ".".join(map(str, space.index[visitor.group(space, name)].tolist()))

    key = f"group-{name.lower()}"
    rows = links.take(key, parse, "ids of images of this model with dots between", without=[])
    if rows is not None:
        visitor.set_group(space, name, rows)
    links.put(key, text)


def _concepts_text(space: LatentSpace) -> str | None:
    own = visitor.vectors(space.name).values()
    # Longer than any address, so that it is kept under an id.
    return write_concepts(own).ljust(2_000) if own else None


def write_concepts(concepts: Iterable[NamedConcept]) -> str:
    """Concepts as JSON, for `read_concepts`."""
    entries = []
    for c in concepts:
        few = len(c.z_with) + len(c.z_without) <= _MOST_EXAMPLES
        entries.append(
            {
                "name": c.name,
                "estimator": c.concept.estimator,
                "about": c.concept.about,
                "vector": packed(c.vector),
                "step": c.concept.step and [packed(a) for a in astuple(c.concept.step)],
                "with": packed(c.z_with) if few else "",
                "without": packed(c.z_without) if few else "",
                "target": c.target,
                "paired": c.paired,
                "rows": sorted(c.rows),
            }
        )
    return json.dumps(entries)


def read_concepts(space: LatentSpace, text: str) -> list[NamedConcept] | None:
    """What `write_concepts` wrote; None if it is nothing of this model."""
    d, concepts = space.mean.shape[1], []
    known = labels.table(space)
    try:
        for entry in decode(text, list[_Entry]):
            vector, with_it, without = (
                _decoded(entry[key], d) for key in ("vector", "with", "without")
            )
            step = entry.get("step")
            if step is not None:
                weight, bias = (_decoded(part, d) for part in step)
                step = PairedStep(weight[:d].reshape(d, d), bias[0])
            about = entry["about"], step
            concept = Concept(entry["name"], vector[0], entry["estimator"], *about)
            rows = frozenset(r for r in entry["rows"] if 0 <= r < len(space))
            paired = bool(entry["paired"]) and len(with_it) > 0
            target = entry["target"] if entry["target"] in known else None
            concepts.append(NamedConcept(concept, with_it, without, target, paired, rows))
    except (ValueError, IndexError):  # SchemaError and binascii.Error among them
        return None  # of another model, or no concepts at all
    return concepts


def _decoded(text: str, d: int) -> np.ndarray:
    codes = np.frombuffer(base64.b64decode(text, validate=True), "<f4").reshape(-1, d).copy()
    if not (np.abs(codes) <= LARGEST_CODE).all():
        raise ValueError
    return codes

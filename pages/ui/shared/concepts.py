"""The concept vectors of a model: one for each attribute or class, and the visitor's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pages.ui.shared import cache, formatting, visitor
from pages.ui.shared.labels import excluded, fit_rows, table, trained_on
from pages.ui.shared.latent_space import LatentSpace
from vae.concepts.files import Concept
from vae.concepts.vectors import adjusted_vectors, split_by_attribute

__all__ = ["NamedConcept", "concepts", "is_ready_made", "keep_concept"]


@dataclass(frozen=True, eq=False)
class NamedConcept:
    """A concept vector with what it was made from.

    Args:
        concept: name, vector, estimator.
        z_with: codes `(N, D)` of the examples that show it; empty where they are not known.
        z_without: codes `(M, D)` of those that do not.
        target: the attribute or class it is about, if it is one.
        paired: whether each row of one side belongs to the same row of the other.
        rows: reference rows among the examples, which then cannot test it.
    """

    concept: Concept
    z_with: np.ndarray = field(repr=False)
    z_without: np.ndarray = field(repr=False)
    target: str | None = None
    paired: bool = False
    rows: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """What it is called on the pages."""
        return self.concept.name

    @property
    def vector(self) -> np.ndarray:
        """`(D,)`, what strength 1 adds to a code; its mean if it depends on the code."""
        return self.concept.vector

    def at(self, z: np.ndarray) -> np.ndarray:
        """What strength 1 adds to codes `(D,)` or `(N, D)`: `(D,)`, or one for each."""
        return self.concept.at(z)


def concepts(space: LatentSpace) -> dict[str, NamedConcept]:
    """All concepts of a model by name: one for each attribute or class, then the visitor's own."""
    return _ready(space) | visitor.vectors(space.name)


def keep_concept(space: LatentSpace, concept: NamedConcept) -> None:
    """Adds a concept to the visitor's own."""
    visitor.add_vector(space.name, concept.name, concept)


def is_ready_made(space: LatentSpace, concept: NamedConcept) -> bool:
    """Whether a concept is one of those that the model's own labels give."""
    ready = _ready(space).get(concept.name)
    return ready is not None and np.array_equal(ready.vector, concept.vector)


@cache.shared(16)
def _ready(space: LatentSpace) -> dict[str, NamedConcept]:
    known, fit = trained_on(space), fit_rows(space)
    codes, values = known or (space.mean[fit], {k: v[fit] for k, v in table(space).items()})
    rows = frozenset() if known else frozenset(np.flatnonzero(fit).tolist())
    source = "train images" if known else "held-out images"
    attributes = {k: v for k, v in values.items() if np.nanstd(v.astype(np.float32)) > 0}
    if not attributes:
        return {}
    concepts = {}
    shown = table(space)
    for name, vector in adjusted_vectors(codes, attributes).items():
        others = [other for other in excluded(space, name) if other in attributes]
        both = split_by_attribute(attributes, name, others)
        with_it, without = (codes[side] for side in both)
        number = name not in shown
        about = {"target": name, "with": len(with_it), "without": len(without), "from": source}
        title = formatting.words(name) + (", one standard deviation" if number else "")
        estimator = "regression on the number" if number else "adjusted for the others"
        concept = Concept(title if title not in concepts else name, vector, estimator, about)
        target = None if number else name
        concepts[concept.name] = NamedConcept(concept, with_it, without, target, rows=rows)
    return concepts

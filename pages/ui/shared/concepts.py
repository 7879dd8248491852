"""The concept vectors of a model: one for each attribute or class, and the visitor's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pages.ui.shared import cache, formatting, visitor
from pages.ui.shared.labels import excluded, fit_rows, table
from pages.ui.shared.latent_space import LatentSpace
from vae.concepts.files import Concept
from vae.concepts.vectors import adjusted_vectors, sides

__all__ = ["Made", "concepts", "keep_quietly"]


@dataclass(frozen=True, eq=False)
class Made:
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


def concepts(space: LatentSpace) -> dict[str, Made]:
    """All concepts of a model by name: one for each attribute or class, then the visitor's own."""
    own = {name: entry["made"] for name, entry in visitor.vectors(space.name).items()}
    return cache.remember(space, ("ready-made",), lambda: _ready(space)) | own


def _ready(space: LatentSpace) -> dict[str, Made]:
    fit = fit_rows(space)
    attributes = {k: v[fit] for k, v in table(space).items() if 0 < v[fit].sum() < fit.sum()}
    if not attributes:
        return {}
    codes, found = space.mean[fit], {}
    for name, vector in adjusted_vectors(codes, attributes).items():
        known = [other for other in excluded(space, name) if other in attributes]
        with_it, without = (codes[side] for side in sides(attributes, name, known))
        about = {"target": name, "with": len(with_it), "without": len(without)}
        concept = Concept(formatting.words(name), vector, "adjusted for the others", about)
        rows = frozenset(np.flatnonzero(fit).tolist())
        found[concept.name] = Made(concept, with_it, without, name, rows=rows)
    return found


def keep_quietly(space: LatentSpace, made: Made) -> None:
    """Adds a concept to the visitor's own."""
    visitor.add_vector(space.name, made.concept.name, made.concept.vector, made=made)

"""Who of the reference images shows which attribute or class."""

from __future__ import annotations

import numpy as np

from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from vae.concepts.edits import attribute_table, excluded_by
from vae.concepts.vectors import split_by_attribute

__all__ = ["excluded", "fit_rows", "held_out", "table"]


@cache.shared(16)
def table(space: LatentSpace) -> dict[str, np.ndarray]:
    """Who of the reference images shows what, bool `(N,)` by attribute or class."""
    return attribute_table(space.dataset, space.index)


def excluded(space: LatentSpace, name: str) -> tuple[str, ...]:
    """Attributes that nobody has together with this one."""
    return excluded_by(space.dataset, name)


def fit_rows(space: LatentSpace) -> np.ndarray:
    """LatentSpace images that ready-made vectors come from: every other one, bool `(N,)`."""
    return np.arange(len(space)) % 2 == 0


def held_out(space: LatentSpace, name: str, leave: frozenset[int] = frozenset()) -> tuple:
    """Rows with and without an attribute among the images that no ready-made vector has seen."""
    free = ~fit_rows(space)
    free[list(leave)] = False
    both = split_by_attribute(table(space), name, excluded(space, name))
    return tuple(np.flatnonzero(side & free) for side in both)

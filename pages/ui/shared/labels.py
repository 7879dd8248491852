"""Who of the reference images shows which attribute or class."""

from __future__ import annotations

import numpy as np
import torch

from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from vae.concepts.attributes import attribute_table, excluded_by, number_table
from vae.concepts.vectors import split_by_attribute
from vae.imports.store import find_import
from vae.latent import evenly

__all__ = ["described", "excluded", "fit_rows", "held_out", "shows", "table", "trained_on"]

_MOST = 5_000  # train images that vectors are fitted to
_BATCH = 250


@cache.shared(16)
def table(space: LatentSpace) -> dict[str, np.ndarray]:
    """Who of the reference images shows what, `(N,)` by attribute, category or class.

    Bool or, where something is not known, float32 with 0, 1 and NaN.
    """
    return attribute_table(space.dataset, space.index)


def described(space: LatentSpace) -> dict[str, np.ndarray]:
    """The part of `table` that is no class: attributes and categories."""
    return {
        name: values
        for name, values in table(space).items()
        if name in space.columns or name not in space.classes
    }


@cache.shared(16)
def shows(space: LatentSpace) -> dict[str, np.ndarray]:
    """The same as bool: who is known to show it."""
    return {name: np.nan_to_num(values) > 0.5 for name, values in table(space).items()}


@cache.shared(8)
def trained_on(space: LatentSpace) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
    """Codes `(N, D)` of train images of an import, and what is known of them, by name.

    Numbers are in units of their standard deviation. None for other datasets, and without an
    encoder: vectors come from held-out images then.
    """
    if find_import(space.dataset.name) is None or not space.encodes:
        return None
    data = cache.dataset(space.dataset.name, "train", space.shape)
    rows = evenly(np.arange(len(data)), _MOST)
    with torch.no_grad():
        parts = [data.images[part] for part in torch.from_numpy(rows).split(_BATCH)]
        codes = torch.cat([space.model.encoder(x).mean for x in parts]).numpy()
    return codes, attribute_table(data, rows) | number_table(data, rows)


def excluded(space: LatentSpace, name: str) -> tuple[str, ...]:
    """Attributes that nobody has together with this one."""
    return excluded_by(space.dataset, name)


def fit_rows(space: LatentSpace) -> np.ndarray:
    """LatentSpace images that ready-made vectors come from: every other one, bool `(N,)`."""
    return np.arange(len(space)) % 2 == 0


def held_out(
    space: LatentSpace, name: str, leave: frozenset[int] = frozenset(), *, everyone: bool = False
) -> tuple:
    """Rows with and without an attribute among the images that no ready-made vector has seen.

    Args:
        space: the model.
        name: a key of `table`.
        leave: rows that are left out.
        everyone: whether all reference images count, for a vector made from train images.
    """
    free = ~fit_rows(space) | everyone
    free[list(leave)] = False
    both = split_by_attribute(table(space), name, excluded(space, name))
    return tuple(np.flatnonzero(side & free) for side in both)

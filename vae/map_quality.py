"""How true a map is to the latent space, and how well its neighbours agree in what is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .latent import neighbours

__all__ = ["NEIGHBOURS", "measure_maps", "neighbour_agreement"]

NEIGHBOURS = 10
"""Nearest codes that count as neighbours."""
_FEWEST = 50  # codes; of fewer, ten neighbours are a large part
_MOST = 3_000  # codes that are compared, all with all


def measure_maps(
    codes: np.ndarray, maps: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Measures whether neighbours on a map are neighbours in the latent space, and the reverse.

    Trustworthiness falls where a map shows codes as neighbours that are far apart; continuity
    where it tears neighbours apart. Both are 1 for a map that keeps all neighbours, and about 0.5
    for one that has nothing to do with the codes.

    Args:
        codes: codes `(N, D)`.
        maps: places `(N, 2)` of the codes by the name of a projection.
        seed: seed of the choice among more than 3,000 codes.

    Returns:
        By name, `trustworthiness` and `continuity`, 0…1; empty for fewer than 50 codes.

    References:
        Neighborhood preservation in nonlinear projection methods (Venna and Kaski, 2001).
    """
    from sklearn.manifold import trustworthiness

    if len(codes) < _FEWEST:
        return {}
    rows = np.random.default_rng(seed).permutation(len(codes))[:_MOST]
    found = {}
    for name, places in maps.items():
        pair = np.asarray(codes)[rows], np.asarray(places)[rows]
        found[name] = {
            "trustworthiness": float(trustworthiness(*pair, n_neighbors=NEIGHBOURS)),
            "continuity": float(trustworthiness(*pair[::-1], n_neighbors=NEIGHBOURS)),
        }
    return found


def neighbour_agreement(
    codes: np.ndarray, labels: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Measures how often the nearest codes carry the same label, against chance.

    Args:
        codes: codes `(N, D)`.
        labels: numbers of classes `(N,)` by the name of what they say, negative where unknown.
        seed: seed of the choice among more than 3,000 codes, whose neighbours are looked up.

    Returns:
        By name, the share `equal` of the ten nearest labelled codes with the same label, and that
        `by_chance`, among all pairs, 0…1. Labels of fewer than 50 codes, or of one class, are
        left out.
    """
    found = {}
    for name, label in labels.items():
        known = np.flatnonzero(np.asarray(label) >= 0)
        values = np.asarray(label)[known]
        sizes = np.unique(values, return_counts=True)[1]
        if len(known) < _FEWEST or len(sizes) < 2:
            continue
        own = np.asarray(codes)[known]
        asked = np.random.default_rng(seed).permutation(len(known))[:_MOST]
        rows, _ = neighbours(own, own[asked], NEIGHBOURS + 1)
        other = rows != asked[:, None]  # of equal codes another may come first
        other[other.all(1), -1] = False
        near = values[rows[other].reshape(len(asked), -1)]
        chance = (sizes * (sizes - 1.0)).sum() / (len(known) * (len(known) - 1.0))
        found[name] = {
            "equal": float((near == values[asked][:, None]).mean()),
            "by_chance": float(chance),
        }
    return found

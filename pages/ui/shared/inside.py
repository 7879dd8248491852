"""Whether a code lies inside the data: one notion for every page.

Where the distribution of a model's codes was learned, a code is inside if it is not among the
least likely of the held-out codes. That finds both kinds of strangers: codes that lie farther out
than those of images, and averages, to which no image is encoded. Where it was not learned, the
distance to the nearest code has to do, which finds only the first kind in many dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from vae.code_distribution import EDGE, INSIDE
from vae.codes import UNUSUAL
from vae.latent import UNJUDGED, neighbours

__all__ = ["EDGE", "INSIDE", "Judgement", "judge", "judge_edited"]


@dataclass(frozen=True)
class Judgement:
    """Where a code lies.

    Args:
        zone: "inside", "edge" or "outside" of the data; "unknown" where nobody can tell.
        words: the same, to follow "is".
        share: share of the held-out codes that are less likely, 0…1; None if the distribution of
            the codes was not learned.
    """

    zone: str
    words: str
    share: float | None = None


@cache.shared(4_096)
def judge(space: LatentSpace, z: np.ndarray) -> Judgement:
    """Judges one code `(D,)`."""
    shares = space.likelihood_percentiles(z[None])
    if shares is None:
        return _by_distance(space, z)
    share = float(shares[0])
    if share >= EDGE:
        zone, place = ("inside", "inside") if share >= INSIDE else ("edge", "at the edge of")
        more = "all" if share == 1 else f"{min(share, 0.99):.0%} of"
        return Judgement(zone, f"{place} the data: more likely than {more} held-out codes", share)
    nearer = space.aggregate_posterior.unusualness(z)[0]  # share of the codes
    side = "too far out" if nearer > 0.5 else "too close to the average"
    less = f"{1 - EDGE:.0%} of" if share else "all"
    words = f"outside the data, {side}: less likely than {less} held-out codes"
    return Judgement("outside", words, share)


def judge_edited(space: LatentSpace, z: np.ndarray) -> Judgement:
    """Judges an edited code `(D,)`.

    Where the distribution was not learned, by its Mahalanobis distance: an edited code is as far
    from its neighbours as any draw.
    """
    if space.judges_likelihood:
        return judge(space, z)
    if not space.neighbour_distances.judged:
        return Judgement("unknown", UNJUDGED)
    nearer = space.aggregate_posterior.unusualness(z)[0]
    how = f"farther from their mean than {nearer:.0%} of the codes, as a Mahalanobis distance"
    if nearer > UNUSUAL:
        return Judgement("outside", f"outside the data: {how}")
    return Judgement("inside", f"inside the data: {how}")


def _by_distance(space: LatentSpace, z: np.ndarray) -> Judgement:
    _, (distance,) = neighbours(space.mean, z, 1)
    scale = space.neighbour_distances
    words = scale.describe(distance)
    if not scale.judged:
        return Judgement("unknown", words)
    limits = [limit for limit, _ in scale.zones]
    zone = ("inside", "edge", "outside")[int(np.searchsorted(limits, distance))]
    return Judgement(zone, f"{words}, judged by the distance to the nearest code", None)

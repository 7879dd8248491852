"""Codes that are drawn: from what distributions, and which of them suits a model best."""

from __future__ import annotations

import numpy as np
import torch

from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from vae.mixture import CodeMixture, fit_mixture

__all__ = [
    "DISTRIBUTIONS",
    "SHORT",
    "distributions",
    "draw_samples",
    "figures",
    "metric_of",
    "title_of",
]

_FEWEST = 200  # codes that a mixture is fitted to; fewer have a single Gaussian

DISTRIBUTIONS = {
    "learned": "Learned distribution of the codes",
    "fitted": "Gaussian fitted to the codes",
    "mixture": "Mixture of Gaussians fitted to the codes",
    "prior": "Prior",
}
SHORT = {"learned": "learned distribution", "fitted": "fitted Gaussian", "prior": "prior"}


def distributions(space: LatentSpace) -> list[str]:
    """Names of what codes of a model can be drawn from, the one offered first in front."""
    learned = space.distribution is not None and space.distribution.learned
    return [
        *(["learned"] if learned else []),
        "fitted",
        *(["mixture"] if len(space) >= _FEWEST else []),
        *(["prior"] if space.prior else []),
    ]


def title_of(space: LatentSpace, distribution: str) -> str:
    """What a distribution of codes of a model is called."""
    title = DISTRIBUTIONS[distribution]
    return f"{title}, {space.prior}" if distribution == "prior" else title


_REALISM = {  # names on the card
    "learned": "learned",
    "mixture": "mixture",
    "fitted": "gaussian",
    "prior": "prior",
}
_PRECISION = _REALISM | {"fitted": "fitted_gaussian"}


def figures(space: LatentSpace, distribution: str) -> str:
    """Returns what the model's card says of pictures drawn from a distribution; "" if nothing."""
    realism = metric_of(space, "realism", _REALISM[distribution])
    precision, recall = (
        metric_of(space, name, _PRECISION[distribution]) for name in ("precision", "recall")
    )
    parts = []
    if realism is not None:
        parts.append(f"{realism:.0%} of its pictures pass for reconstructions")
    if precision is not None and recall is not None:
        parts.append(f"precision {precision:.0%}, recall {recall:.0%}")
    return f"{'; '.join(parts)}." if parts else ""


def metric_of(space: LatentSpace, name: str, source: str) -> float | None:
    """Returns a share 0…1 of one of the card's metrics; None if it is absent or no share."""
    metrics = space.card.get("metrics")
    metric = metrics.get(name) if isinstance(metrics, dict) else None
    share = metric.get(source) if isinstance(metric, dict) else None
    return float(share) if isinstance(share, int | float) and 0 <= share <= 1 else None


def draw_samples(space: LatentSpace, distribution: str, count: int, seed: int) -> np.ndarray:
    """Draws codes `(count, D)`.

    Args:
        space: the model.
        distribution: "prior", "fitted" for a Gaussian fitted to the codes, "mixture"
            for several, which are fitted when they are first asked for, "learned" for their
            learned distribution.
        count: number of samples.
        seed: the same gives the same.
    """
    if distribution == "learned" and space.distribution is not None:
        return space.distribution.sample(count, seed)
    if distribution == "mixture":
        return _mixture(space).sample(count, seed)
    if distribution == "fitted":
        return space.aggregate_posterior.sample(count, seed)
    if not space.has_prior:
        return space.model.draw_prior(count, torch.Generator().manual_seed(seed)).numpy()
    noise = np.random.default_rng(seed).standard_normal((count, space.mean.shape[1]))
    return noise.astype(np.float32)


@cache.shared(4)
def _mixture(space: LatentSpace) -> CodeMixture:
    """Fits the mixture, which takes seconds."""
    return fit_mixture(space.mean, space.variance)

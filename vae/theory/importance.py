"""The importance-weighted bound, which tightens with the number of samples."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..model import VAE
from .decoding import at_once, log_likelihood

__all__ = ["expected_bound", "log_weights", "running_bound"]


@torch.no_grad()
def log_weights(
    model: VAE,
    x: Tensor,
    count: int,
    generator: torch.Generator | None = None,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """Log p(x, z) − log q(z|x) at draws of q, in nats: their mean estimates the ELBO.

    Args:
        model: a variational model.
        x: one image `(C, H, W)` in [0, 1].
        count: number of draws.
        generator: random generator of the draws; the global one by default.
        progress: called with the fraction done, 0…1.

    Returns:
        `(count,)`.
    """
    image = model.observe(x[None])[0]
    posterior = model.encoder(x[None])
    noise = torch.randn((count, model.latent_dim), generator=generator)
    parts = []
    for eps in noise.split(at_once(model)):
        z = posterior.mean + posterior.base_dist.scale * eps
        log_joint = log_likelihood(model, z, image) + model.prior.log_prob(z)
        parts.append(log_joint - posterior.log_prob(z))
        if progress:
            progress(min(1.0, at_once(model) * len(parts) / count))
    return torch.cat(parts)


def running_bound(log_weights: Tensor) -> Tensor:
    """Log of the mean of the first K weights, for every K; it need not increase with K.

    Args:
        log_weights: log weights `(N,)`, in nats.

    Returns:
        `(N,)` float64, in nats.
    """
    count = torch.arange(1, len(log_weights) + 1, dtype=torch.float64)
    return log_weights.double().logcumsumexp(0) - count.log()


def expected_bound(log_weights: Tensor, samples: int) -> tuple[float, float]:
    """The importance-weighted bound of K samples, averaged over groups of K draws.

    Args:
        log_weights: log weights `(N,)` of independent draws.
        samples: K, at most N.

    Returns:
        The mean in nats, and its standard error (NaN for a single group).

    References:
        Importance weighted autoencoders (Burda, Grosse and Salakhutdinov, 2015).
    """
    groups = len(log_weights) // samples
    values = log_weights[: groups * samples].double().reshape(groups, samples).logsumexp(1)
    values = values - math.log(samples)
    error = values.std().item() / math.sqrt(groups) if groups > 1 else math.nan
    return values.mean().item(), error

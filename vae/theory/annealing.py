"""Annealed importance sampling: log p(x) by a path from the prior to the posterior."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..model import VAE
from ..objective import refuse_autoencoder

__all__ = ["annealed_log_weights"]

_LEAPS = 10  # leapfrog steps of a Hamiltonian move
_ACCEPTED = 0.65  # share of accepted moves that step sizes are tuned for
_STEP = 0.05  # step size at first


def annealed_log_weights(
    model: VAE,
    x: Tensor,
    chains: int = 16,
    temperatures: int = 500,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Tensor:
    r"""Log importance weights whose mean weight estimates p(x) without an encoder.

    Each chain starts at a draw of the prior, and moves through the densities p(z) p(x|z)^t while t
    rises from 0 to 1, with one Hamiltonian move at each. It shares nothing with
    `bounds.estimate_evidence` but the two densities, and takes a hundred times as long, so it
    serves to check it: the logarithm of the mean weight lies below log p(x) in expectation.

    Args:
        model: a variational model.
        x: one image `(C, H, W)` in [0, 1].
        chains: independent chains.
        temperatures: steps of t, which lie closer together at both ends.
        seed: seed of all noise.
        progress: called with the fraction done, 0…1.

    Returns:
        `(chains,)`, float64, in nats; log p(x) is estimated by `logsumexp(0) - log(chains)`.

    Raises:
        ValueError: if the model is a standard autoencoder, which has no density over codes.

    References:
        Annealed importance sampling (Neal, 2001); on the quantitative analysis of decoder-based
        generative models (Wu et al., 2017).
    """
    refuse_autoencoder(model, "log p(x)")
    observed = model.observe(x[None])[0]
    source = torch.Generator().manual_seed(seed)
    z = model.draw_prior(chains, source)
    ramp = torch.sigmoid(torch.linspace(-4, 4, temperatures + 1))
    levels = ((ramp - ramp[0]) / (ramp[-1] - ramp[0])).tolist()
    total = torch.zeros(chains, dtype=torch.float64)
    steps = torch.full((chains, 1), _STEP).to(z)
    for number, (before, level) in enumerate(pairwise(levels)):
        with torch.no_grad():
            likelihood = model.decoder(z).log_prob(observed)
        total += (level - before) * likelihood.double()
        z, accepted = _move(model, observed, z, level, steps, source)
        steps *= torch.where(accepted[:, None], 1.02, 1.02 ** (-_ACCEPTED / (1 - _ACCEPTED)))
        progress((number + 1) / temperatures)
    return total


def _move(
    model: VAE, x: Tensor, z: Tensor, level: float, step: Tensor, source: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A Hamiltonian move of each chain at log p(z) + level · log p(x|z), and who accepted it."""

    def potential(at: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = at.detach().requires_grad_()
            energy = -model.prior.log_prob(leaf) - level * model.decoder(leaf).log_prob(x)
            (gradient,) = torch.autograd.grad(energy.sum(), leaf)
        return energy.detach(), gradient

    momentum = torch.randn(z.shape, generator=source).to(z)
    energy, gradient = potential(z)
    start = energy + momentum.square().sum(1) / 2
    moved, p = z, momentum - step / 2 * gradient
    for leap in range(_LEAPS):
        moved = moved + step * p
        energy, gradient = potential(moved)
        p = p - step * gradient * (0.5 if leap == _LEAPS - 1 else 1.0)
    lost = start - energy - p.square().sum(1) / 2
    uniform = torch.rand(len(z), generator=source).to(z)
    accepted = uniform.log() < torch.where(lost.isfinite(), lost, -math.inf)
    return torch.where(accepted[:, None], moved, z), accepted

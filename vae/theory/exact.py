"""Evidence, posterior and ELBO of a model with two latent dimensions, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Independent, Normal

from ..model import VAE
from ..objective import kl_to_prior
from .decoding import at_once, log_likelihood

__all__ = [
    "DecodedGrid",
    "TruePosterior",
    "decode_grid",
    "exact_elbo",
    "log_posterior",
    "posterior_gap",
    "true_posterior",
    "uncovered_posterior_mass",
]

# A cell this many nats below the highest one is not divided. The first margin is wide, because
# the peak of a narrow posterior may lie between the codes of the lattice.
_NEGLIGIBLE = (40.0, 16.0)
_FINER = 3  # parts into which each side of a cell is divided


@dataclass(frozen=True, eq=False)
class DecodedGrid:
    """p(x|z) on a square lattice of a 2-D latent space, decoded once for all images.

    Args:
        model: model with the decoder.
        side: `(S,)` evenly spaced positions along each axis.
        codes: codes of the lattice `(S·S, 2)`, the first axis running fastest.
        logits: logits of the pixels `(S·S, P)` for `bernoulli`, else None.
    """

    model: VAE
    side: Tensor
    codes: Tensor
    logits: Tensor | None

    @property
    def step(self) -> float:
        """Distance between neighbouring codes."""
        return float(self.side[1] - self.side[0])

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Log p(x|z) of images `(B, C, H, W)` at every code: `(B, S·S)`, in nats."""
        x = self.model.observe(x)
        if self.logits is not None:  # one matrix product for all codes and images
            return x.flatten(1) @ self.logits.T - F.softplus(self.logits).sum(1)
        return torch.stack([log_likelihood(self.model, self.codes, image) for image in x])


@torch.no_grad()
def decode_grid(
    model: VAE,
    *,
    half_width: float = 4.5,
    steps: int = 91,
    progress: Callable[[float], None] | None = None,
) -> DecodedGrid:
    """Decodes a lattice over the part of a 2-D latent space that holds the prior's mass.

    Args:
        model: a variational model with `latent_dim` 2.
        half_width: half the width of the square, in standard deviations of the prior.
        steps: codes along each side.
        progress: called with the fraction done, 0…1.

    Raises:
        ValueError: if the model does not have two latent dimensions.
    """
    if model.latent_dim != 2:
        raise ValueError(
            f"The model has {model.latent_dim} latent dimensions; a lattice needs exactly 2."
        )
    side = torch.linspace(-half_width, half_width, steps)
    codes = torch.cartesian_prod(side, side).flip(1)
    logits = []
    if model.config.likelihood == "bernoulli":
        for part in codes.split(at_once(model)):
            logits.append(model.decoder(part).base_dist.logits.flatten(1))
            if progress:
                progress(min(1.0, at_once(model) * len(logits) / len(codes)))
    return DecodedGrid(model, side, codes, torch.cat(logits) if logits else None)


@dataclass(frozen=True)
class TruePosterior:
    """The true posterior p(z|x), computed by quadrature.

    Args:
        log_evidence: log p(x) in nats.
        density: density of p(z|x) on the lattice, `(S, S)`; rows are the second latent axis.
        mass: mass of each cell, `(S·S,)`; sums to 1.
    """

    log_evidence: float
    density: np.ndarray
    mass: np.ndarray


@torch.no_grad()
def true_posterior(grid: DecodedGrid, x: Tensor) -> TruePosterior:
    r"""Integrates p(x, z) over the latent plane, on a finer lattice where its mass lies.

    .. math:: p(x) = \int p(x|z)\,p(z)\,dz

    Args:
        grid: decoded lattice of the model.
        x: one image `(C, H, W)` in [0, 1].
    """
    model = grid.model
    image = model.observe(x[None])[0]

    def log_masses(codes: Tensor, log_joint: Tensor, step: float, level: int) -> Tensor:
        """Log mass of each cell; cells of high mass are divided and summed."""
        log_mass = log_joint + 2 * math.log(step)
        if level == len(_NEGLIGIBLE):
            return log_mass
        near = log_joint > log_joint.max() - _NEGLIGIBLE[level]
        offset = (torch.arange(_FINER) - (_FINER - 1) / 2) * step / _FINER
        parts = (codes[near][:, None] + torch.cartesian_prod(offset, offset)).flatten(0, 1)
        log_joint_of_parts = log_likelihood(model, parts, image) + model.prior.log_prob(parts)
        inside = log_masses(parts, log_joint_of_parts, step / _FINER, level + 1)
        return log_mass.masked_scatter(near, inside.reshape(-1, _FINER**2).logsumexp(1))

    coarse = grid.log_likelihood(x[None])[0] + model.prior.log_prob(grid.codes)
    log_mass = log_masses(grid.codes, coarse, grid.step, 0)
    log_evidence = log_mass.logsumexp(0)
    mass = (log_mass - log_evidence).exp().double()
    density = mass.reshape(len(grid.side), -1) / grid.step**2
    return TruePosterior(log_evidence.item(), density.numpy(), mass.numpy())


@torch.no_grad()
def log_posterior(
    model: VAE,
    x: Tensor,
    extent: tuple[float, float, float, float],
    log_evidence: float,
    steps: int = 41,
) -> np.ndarray:
    """Log p(z|x) over a part of the plane: `(steps, steps)`, rows are the second latent axis.

    Args:
        model: a variational model with `latent_dim` 2.
        x: one image `(C, H, W)` in [0, 1].
        extent: (from, to) of the first axis, then of the second.
        log_evidence: log p(x) in nats.
        steps: codes along each side.
    """
    first, second = torch.linspace(*extent[:2], steps), torch.linspace(*extent[2:], steps)
    z = torch.cartesian_prod(second, first).flip(1)
    log_joint = log_likelihood(model, z, model.observe(x[None])[0]) + model.prior.log_prob(z)
    return (log_joint - log_evidence).reshape(steps, steps).numpy()


@torch.no_grad()
def uncovered_posterior_mass(grid: DecodedGrid, x: Tensor, radius: float = 5.0) -> Tensor:
    """Share of the true posterior's mass that lies outside q's ellipse.

    Args:
        grid: decoded lattice of the model.
        x: images `(B, C, H, W)` in [0, 1].
        radius: radius of the ellipse in standard deviations of q, at least the step of the
            lattice.

    Returns:
        `(B,)` in 0…1, computed on the lattice without refinement.
    """
    posterior = grid.model.encoder(x)
    log_joint = grid.log_likelihood(x) + grid.model.prior.log_prob(grid.codes)
    mass = log_joint.softmax(1)
    reach = (radius * posterior.base_dist.scale).clamp(min=2 * grid.step)[:, None]
    away = ((grid.codes - posterior.mean[:, None]) / reach).square().sum(-1)
    return (mass * (away > 1)).sum(1)


@torch.no_grad()
def exact_elbo(
    model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, nodes: int = 24
) -> tuple[float, float]:
    """Reconstruction and KL for any Gaussian q in 2-D, by quadrature instead of sampling.

    Args:
        model: a variational model with `latent_dim` 2.
        x: one image `(C, H, W)` in [0, 1].
        mean: mean of q, `(2,)`.
        sigma: standard deviation of q, `(2,)`.
        nodes: nodes of the Gauss–Hermite quadrature along each axis.

    Returns:
        (E_q[log p(x|z)], KL(q ‖ p(z))) in nats.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weight = torch.from_numpy(weights / weights.sum()).to(mean.device)
    at = torch.from_numpy(points).to(mean)
    z = mean + sigma * torch.cartesian_prod(at, at)
    log_likelihoods = log_likelihood(model, z, model.observe(x[None])[0]).double()
    reconstruction = (torch.outer(weight, weight).flatten() * log_likelihoods).sum().item()
    q = Independent(Normal(mean[None], sigma[None]), 1)
    kls = kl_to_prior(model, q, z).double().expand(len(z))
    kl = (torch.outer(weight, weight).flatten() * kls).sum().item()
    return reconstruction, kl


@torch.no_grad()
def posterior_gap(
    model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, log_evidence: float, steps: int = 31
) -> float:
    r"""KL(q ‖ p(z|x)) by summing over a lattice that follows q, in nats.

    .. math:: \int q(z) \log\frac{q(z)\,p(x)}{p(x|z)\,p(z)}\,dz

    Args:
        model: a variational model with `latent_dim` 2.
        x: one image `(C, H, W)` in [0, 1].
        mean: mean of q, `(2,)`.
        sigma: standard deviation of q, `(2,)`.
        log_evidence: log p(x) in nats.
        steps: codes along each side, which spans 5 standard deviations in each direction.
    """
    at = torch.linspace(-5, 5, steps)
    z = mean + sigma * torch.cartesian_prod(at, at)
    log_q = Independent(Normal(mean, sigma), 1).log_prob(z)
    log_joint = log_likelihood(model, z, model.observe(x[None])[0]) + model.prior.log_prob(z)
    return (log_q.double().softmax(0) * (log_q - log_joint + log_evidence)).sum().item()

"""What theory says of a small model, computed: evidence, bounds, gaps, gradients, underflow."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from ..model import VAE

__all__ = [
    "DecodedGrid",
    "LinearGaussian",
    "TruePosterior",
    "average_likelihood",
    "decode_grid",
    "exact_elbo",
    "expected_bound",
    "gradient_norms",
    "log_posterior",
    "log_weights",
    "missed_mass",
    "posterior_gap",
    "running_bound",
    "running_products",
    "true_posterior",
]

# A cell this many nats below the highest is not divided: wide at first, as the peak of a narrow
# posterior may lie between the codes of the lattice.
_NEGLIGIBLE = (40.0, 16.0)
_FINER = 3  # parts of the side of a cell that is divided
_CHUNK = 500  # codes decoded at once


@dataclass(frozen=True, eq=False)
class DecodedGrid:
    """p(x|z) on a square lattice of a 2-D latent space, decoded once for all images.

    Args:
        model: it belongs to.
        side: `(S,)` positions along each axis, evenly spaced.
        codes: `(S·S, 2)`, the first axis running fastest.
        raw: `(S·S, P)` logits for `bernoulli`, else None.
    """

    model: VAE
    side: Tensor
    codes: Tensor
    raw: Tensor | None

    @property
    def step(self) -> float:
        """Distance between neighbours."""
        return float(self.side[1] - self.side[0])

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Log p(x|z) of images `(B, C, H, W)` at every code: `(B, S·S)`, in nats."""
        x = self.model.observe(x)
        if self.raw is not None:  # one product for all codes and images
            return x.flatten(1) @ self.raw.T - F.softplus(self.raw).sum(1)
        return torch.stack([_log_likelihood(self.model, self.codes, image) for image in x])


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
        model: variational, with `latent_dim` 2.
        half_width: of the square, in units of the prior's deviation.
        steps: codes a side.
        progress: told the part that is done.

    Raises:
        ValueError: for another latent dimension.
    """
    if model.latent_dim != 2:
        raise ValueError(
            f"The model has {model.latent_dim} latent dimensions; a lattice needs exactly 2."
        )
    side = torch.linspace(-half_width, half_width, steps)
    codes = torch.cartesian_prod(side, side).flip(1)
    raw = []
    if model.config.likelihood == "bernoulli":
        for part in codes.split(_CHUNK):
            raw.append(model.decoder(part).base_dist.logits.flatten(1))
            if progress:
                progress(_CHUNK * len(raw) / len(codes))
    return DecodedGrid(model, side, codes, torch.cat(raw) if raw else None)


@dataclass(frozen=True)
class TruePosterior:
    """p(z|x) by quadrature.

    Args:
        log_evidence: log p(x) in nats.
        density: `(S, S)` of p(z|x) on the lattice; rows are the second latent axis.
        mass: `(S·S,)` of each cell; sums to 1.
    """

    log_evidence: float
    density: np.ndarray
    mass: np.ndarray


@torch.no_grad()
def true_posterior(grid: DecodedGrid, x: Tensor) -> TruePosterior:
    r"""Integrates p(x, z) over the latent plane, with a finer lattice where it has its mass.

    .. math:: p(x) = \int p(x|z)\,p(z)\,dz

    Args:
        grid: of the model.
        x: one image `(C, H, W)` in [0, 1].
    """
    model = grid.model
    image = model.observe(x[None])[0]

    def refine(codes: Tensor, log_joint: Tensor, step: float, level: int) -> Tensor:
        """Log mass of each cell, the high ones by the sum of their parts."""
        log_mass = log_joint + 2 * math.log(step)
        if level == len(_NEGLIGIBLE):
            return log_mass
        near = log_joint > log_joint.max() - _NEGLIGIBLE[level]
        offset = (torch.arange(_FINER) - (_FINER - 1) / 2) * step / _FINER
        parts = (codes[near][:, None] + torch.cartesian_prod(offset, offset)).flatten(0, 1)
        found = _log_likelihood(model, parts, image) + model.prior.log_prob(parts)
        inside = refine(parts, found, step / _FINER, level + 1)
        return log_mass.masked_scatter(near, inside.reshape(-1, _FINER**2).logsumexp(1))

    coarse = grid.log_likelihood(x[None])[0] + model.prior.log_prob(grid.codes)
    log_mass = refine(grid.codes, coarse, grid.step, 0)
    log_evidence = log_mass.logsumexp(0)
    mass = (log_mass - log_evidence).exp().double()
    density = mass.reshape(len(grid.side), -1) / grid.step**2
    return TruePosterior(log_evidence.item(), density.numpy(), mass.numpy())


@torch.no_grad()
def log_posterior(
    model: VAE,
    x: Tensor,
    bounds: tuple[float, float, float, float],
    log_evidence: float,
    steps: int = 41,
) -> np.ndarray:
    """Log p(z|x) over a part of the plane: `(steps, steps)`, rows are the second latent axis.

    Args:
        model: variational, with `latent_dim` 2.
        x: one image `(C, H, W)` in [0, 1].
        bounds: (from, to) of the first axis, then of the second.
        log_evidence: log p(x) in nats.
        steps: codes a side.
    """
    first, second = torch.linspace(*bounds[:2], steps), torch.linspace(*bounds[2:], steps)
    z = torch.cartesian_prod(second, first).flip(1)
    found = _log_likelihood(model, z, model.observe(x[None])[0]) + model.prior.log_prob(z)
    return (found - log_evidence).reshape(steps, steps).numpy()


@torch.no_grad()
def missed_mass(grid: DecodedGrid, x: Tensor, radius: float = 5.0) -> Tensor:
    """The part of the true posterior that lies outside q's ellipse.

    Args:
        grid: of the model.
        x: images `(B, C, H, W)` in [0, 1].
        radius: of the ellipse in q's deviations, at least the lattice's step.

    Returns:
        `(B,)` in 0…1, on the lattice as it is.
    """
    posterior = grid.model.encoder(x)
    log_joint = grid.log_likelihood(x) + grid.model.prior.log_prob(grid.codes)
    mass = log_joint.softmax(1)
    reach = (radius * posterior.base_dist.scale).clamp(min=2 * grid.step)[:, None]
    away = ((grid.codes - posterior.mean[:, None]) / reach).square().sum(-1)
    return (mass * (away > 1)).sum(1)


@torch.no_grad()
def exact_elbo(
    model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, nodes: int = 12
) -> tuple[float, float]:
    """Reconstruction and KL for any Gaussian q in 2-D, without random draws.

    Args:
        model: variational, with `latent_dim` 2.
        x: one image `(C, H, W)` in [0, 1].
        mean: of q, `(2,)`.
        sigma: of q, `(2,)`.
        nodes: of the Gauss–Hermite quadrature along each axis.

    Returns:
        (E_q[log p(x|z)], KL(q ‖ p(z))) in nats.
    """
    at, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = torch.from_numpy(weight / weight.sum()).to(mean.device)
    at = torch.from_numpy(at).to(mean)
    z = mean + sigma * torch.cartesian_prod(at, at)
    found = _log_likelihood(model, z, model.observe(x[None])[0]).double()
    reconstruction = (torch.outer(weight, weight).flatten() * found).sum().item()
    kl = kl_divergence(Independent(Normal(mean, sigma), 1), model.prior).item()
    return reconstruction, kl


@torch.no_grad()
def posterior_gap(
    model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, log_evidence: float, steps: int = 31
) -> float:
    r"""KL(q ‖ p(z|x)) by summing over a lattice that follows q, in nats.

    .. math:: \int q(z) \log\frac{q(z)\,p(x)}{p(x|z)\,p(z)}\,dz

    Args:
        model: variational, with `latent_dim` 2.
        x: one image `(C, H, W)` in [0, 1].
        mean: of q, `(2,)`.
        sigma: of q, `(2,)`.
        log_evidence: log p(x) in nats.
        steps: codes a side, over 5 deviations each way.
    """
    at = torch.linspace(-5, 5, steps)
    z = mean + sigma * torch.cartesian_prod(at, at)
    log_q = Independent(Normal(mean, sigma), 1).log_prob(z)
    log_joint = _log_likelihood(model, z, model.observe(x[None])[0]) + model.prior.log_prob(z)
    return (log_q.double().softmax(0) * (log_q - log_joint + log_evidence)).sum().item()


@torch.no_grad()
def log_weights(
    model: VAE,
    x: Tensor,
    count: int,
    generator: torch.Generator | None = None,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """Log p(x, z) − log q(z|x) at draws of q: their mean is the ELBO, in nats.

    Args:
        model: variational.
        x: one image `(C, H, W)` in [0, 1].
        count: draws.
        generator: of the draws; the global one by default.
        progress: told the part that is done.

    Returns:
        `(count,)`.
    """
    image = model.observe(x[None])[0]
    posterior = model.encoder(x[None])
    noise = torch.randn((count, model.latent_dim), generator=generator)
    found = []
    for eps in noise.split(_CHUNK):
        z = posterior.mean + posterior.base_dist.scale * eps
        log_joint = _log_likelihood(model, z, image) + model.prior.log_prob(z)
        found.append(log_joint - posterior.log_prob(z))
        if progress:
            progress(_CHUNK * len(found) / count)
    return torch.cat(found)


def running_bound(log_weights: Tensor) -> Tensor:
    """Log of the mean of the first K weights, for every K: one run, which may fall."""
    count = torch.arange(1, len(log_weights) + 1, dtype=torch.float64)
    return log_weights.double().logcumsumexp(0) - count.log()


def expected_bound(log_weights: Tensor, samples: int) -> tuple[float, float]:
    """The importance-weighted bound of K samples, as a mean over groups of so many draws.

    Args:
        log_weights: `(N,)` of independent draws.
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


def gradient_norms(model: VAE, x: Tensor, noise: Tensor) -> dict[tuple[str, str], float]:
    """Which term moves which network: norms of the gradients of the batch means.

    Args:
        model: variational; it is not changed.
        x: images `(B, C, H, W)` in [0, 1].
        noise: ε `(B, D)`.

    Returns:
        {(term, network): norm} for terms "reconstruction" and "kl", networks "encoder" and
        "decoder". A network that a term does not reach has norm 0.
    """
    own = copy.deepcopy(model).requires_grad_(True)
    x = own.observe(x)
    posterior = own.encoder(x)
    z = posterior.mean + posterior.base_dist.scale * noise
    terms = {
        "reconstruction": own.decoder(z).log_prob(x).mean(),
        "kl": kl_divergence(posterior, own.prior).mean(),
    }
    norms = {}
    for term, value in terms.items():
        for network in ("encoder", "decoder"):
            parameters = list(getattr(own, network).parameters())
            found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
            squares = [g.square().sum().item() for g in found if g is not None]
            norms[term, network] = math.sqrt(sum(squares))
    return norms


@dataclass(frozen=True)
class LinearGaussian:
    """The model in which all is exact: z ~ N(0, 1), x | z ~ N(slope · z, sigma²).

    Args:
        slope: of the decoder, a straight line.
        sigma: deviation of the noise.

    References:
        Probabilistic principal component analysis (Tipping and Bishop, 1999).
    """

    slope: float
    sigma: float

    def log_evidence(self, x: float) -> float:
        """Log p(x) = log N(x; 0, slope² + sigma²)."""
        return _log_normal(x, 0.0, math.hypot(self.slope, self.sigma))

    def posterior(self, x: float) -> tuple[float, float]:
        """Mean and deviation of p(z|x), a Gaussian."""
        precision = 1 + (self.slope / self.sigma) ** 2
        return self.slope * x / self.sigma**2 / precision, precision**-0.5

    def elbo(self, x: float, mean: float, sigma: float) -> tuple[float, float]:
        """Reconstruction and KL for q = N(mean, sigma²), in nats."""
        reconstruction = _log_normal(x, self.slope * mean, self.sigma)
        reconstruction -= (self.slope * sigma / self.sigma) ** 2 / 2
        return reconstruction, _kl_normal(mean, sigma, 0.0, 1.0)

    def gap(self, x: float, mean: float, sigma: float) -> float:
        """KL(q ‖ p(z|x)) in nats."""
        return _kl_normal(mean, sigma, *self.posterior(x))


def running_products(log_p: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Multiplies probabilities or densities one by one, as a computer of that precision does.

    Args:
        log_p: `(P,)` their logarithms.
        dtype: such as `np.float16`.

    Returns:
        `(P,)` the product after each factor: 0 once it has underflowed, infinite once it has
        overflowed.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        factors = np.exp(np.asarray(log_p, dtype=np.float64)).astype(dtype)
        return np.multiply.accumulate(factors, dtype=dtype)


def average_likelihood(log_p: np.ndarray, dtype: type[np.floating]) -> tuple[float, float]:
    """Log of the mean of likelihoods, twice: as it is written, and by log-sum-exp.

    Args:
        log_p: `(K,)` logarithms of likelihoods.
        dtype: in which both are computed.

    Returns:
        (with exponentials, −inf once they all underflow; with the largest taken out first).
    """
    values = np.asarray(log_p, dtype=dtype)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        naive = np.log(np.exp(values).mean(dtype=dtype))
        top = values.max()
        stable = top + np.log(np.exp(values - top).mean(dtype=dtype))
    return float(naive), float(stable)


def _log_likelihood(model: VAE, z: Tensor, x: Tensor) -> Tensor:
    return torch.cat([model.decoder(part).log_prob(x) for part in z.split(_CHUNK)])


def _log_normal(x: float, mean: float, sigma: float) -> float:
    return -0.5 * ((x - mean) / sigma) ** 2 - math.log(sigma) - 0.5 * math.log(2 * math.pi)


def _kl_normal(mean: float, sigma: float, other_mean: float, other_sigma: float) -> float:
    q, p = (Normal(*(torch.tensor(v, dtype=torch.float64) for v in pair))
            for pair in ((mean, sigma), (other_mean, other_sigma)))  # fmt: skip
    return kl_divergence(q, p).item()

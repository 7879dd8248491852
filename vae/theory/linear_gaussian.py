"""A model in which evidence, posterior and ELBO have closed forms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.distributions import Normal, kl_divergence

__all__ = ["LinearGaussian"]


@dataclass(frozen=True)
class LinearGaussian:
    """The linear Gaussian model: z ~ N(0, 1), x | z ~ N(slope · z, sigma²).

    Args:
        slope: slope of the linear decoder.
        sigma: standard deviation of the noise.

    References:
        Probabilistic principal component analysis (Tipping and Bishop, 1999).
    """

    slope: float
    sigma: float

    def log_evidence(self, x: float) -> float:
        """Log p(x) = log N(x; 0, slope² + sigma²)."""
        return _log_normal(x, 0.0, math.hypot(self.slope, self.sigma))

    def posterior(self, x: float) -> tuple[float, float]:
        """Mean and standard deviation of p(z|x), which is Gaussian."""
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


def _log_normal(x: float, mean: float, sigma: float) -> float:
    return -0.5 * ((x - mean) / sigma) ** 2 - math.log(sigma) - 0.5 * math.log(2 * math.pi)


def _kl_normal(mean: float, sigma: float, other_mean: float, other_sigma: float) -> float:
    values = torch.tensor([mean, sigma, other_mean, other_sigma], dtype=torch.float64)
    return kl_divergence(Normal(values[0], values[1]), Normal(values[2], values[3])).item()

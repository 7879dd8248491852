"""Gradients of the reconstruction term: through one draw, per network, and by estimators."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model import VAE
from ..objective import kl_to_prior
from .decoding import at_once, log_likelihoods

__all__ = [
    "ESTIMATORS",
    "GradientEstimates",
    "PathwiseGradient",
    "estimate_gradients",
    "gradient_norms",
    "pathwise_gradient",
]

ESTIMATORS = ("reparameterised", "score_function", "score_function_baseline")
"""Unbiased estimators of the gradient of E_q[log p(x|z)]."""


@dataclass(frozen=True)
class PathwiseGradient:
    """The gradient of log p(x|z) at z = μ + σ·ε with respect to μ and σ, for one ε.

    Derivatives are in nats per unit of the latent space.

    Args:
        z: code `(D,)`.
        reconstruction: log p(x|z) in nats.
        wrt_z: `(D,)` ∂L/∂z by autograd, with z as a leaf.
        wrt_mean: `(D,)` ∂L/∂μ by autograd through the draw.
        wrt_sigma: `(D,)` ∂L/∂σ likewise.
        dimensions: the K dimensions whose derivatives were also taken by finite differences.
        finite_mean: `(K,)` ∂L/∂μ by central differences, without autograd.
        finite_sigma: `(K,)` ∂L/∂σ likewise.
    """

    z: Tensor
    reconstruction: float
    wrt_z: Tensor
    wrt_mean: Tensor
    wrt_sigma: Tensor
    dimensions: tuple[int, ...]
    finite_mean: Tensor
    finite_sigma: Tensor

    @property
    def disagreement(self) -> float:
        """The largest difference from finite differences, relative to the largest derivative."""
        k = list(self.dimensions)
        exact = torch.cat([self.wrt_mean[k], self.wrt_sigma[k]])
        finite = torch.cat([self.finite_mean, self.finite_sigma])
        return ((exact - finite).abs().max() / exact.abs().max().clamp(min=1e-12)).item()


def pathwise_gradient(
    model: VAE,
    x: Tensor,
    mean: Tensor,
    sigma: Tensor,
    noise: Tensor,
    *,
    dimensions: Sequence[int] | None = None,
    step: float = 1e-6,
) -> PathwiseGradient:
    r"""Differentiates the reconstruction term through a reparameterised draw, in three ways.

    .. math:: z = \mu + \sigma\varepsilon: \quad
        \frac{\partial L}{\partial\mu} = \frac{\partial L}{\partial z}, \quad
        \frac{\partial L}{\partial\sigma} = \frac{\partial L}{\partial z}\,\varepsilon

    Computed in float64: in float32 a log-likelihood of hundreds of nats leaves a finite
    difference no digits.

    Args:
        model: model whose decoder defines L(z) = log p(x|z).
        x: one image `(C, H, W)` in [0, 1].
        mean: μ `(D,)`.
        sigma: σ `(D,)`.
        noise: ε `(D,)`.
        dimensions: dimensions for finite differences, all by default; each takes four decodes.
        step: step of the central differences.

    References:
        Auto-encoding variational Bayes (Kingma and Welling, 2013).
    """
    decoder = copy.deepcopy(model.decoder).double()
    x = model.observe(x[None]).double()
    mean, sigma, noise = (v.detach().double() for v in (mean, sigma, noise))

    def log_p(z: Tensor) -> Tensor:
        return torch.cat([decoder(part).log_prob(x) for part in z.split(at_once(model))])

    z = (mean + sigma * noise).requires_grad_()
    value = log_p(z[None])[0]
    wrt_z = torch.autograd.grad(value, z)[0]
    mu, spread = mean.clone().requires_grad_(), sigma.clone().requires_grad_()
    wrt_mean, wrt_sigma = torch.autograd.grad(log_p((mu + spread * noise)[None])[0], (mu, spread))
    chosen = tuple(range(len(mean)) if dimensions is None else dimensions)
    with torch.no_grad():
        shifts = step * torch.eye(len(mean), dtype=torch.float64)[list(chosen)]
        moved = [mean + s * shifts + sigma * noise for s in (1, -1)]
        widened = [mean + (sigma + s * shifts) * noise for s in (1, -1)]
        up_mean, down_mean, up_sigma, down_sigma = log_p(torch.cat(moved + widened)).chunk(4)
    return PathwiseGradient(
        z.detach(),
        value.item(),
        wrt_z,
        wrt_mean,
        wrt_sigma,
        chosen,
        (up_mean - down_mean) / (2 * step),
        (up_sigma - down_sigma) / (2 * step),
    )


def gradient_norms(model: VAE, x: Tensor, noise: Tensor) -> dict[tuple[str, str], float]:
    """Measures how strongly each term of the objective trains each network.

    Args:
        model: a variational model, which is not changed.
        x: images `(B, C, H, W)` in [0, 1].
        noise: ε `(B, D)`.

    Returns:
        {(term, network): Euclidean norm of the gradient of the batch mean with respect to all
        parameters, in nats} for the terms "reconstruction", "reconstruction, detached" (with z
        detached from the graph) and "kl", and the networks "encoder" and "decoder". The norm is 0
        for a network that a term does not reach.
    """
    own = copy.deepcopy(model).requires_grad_(True)
    x = own.observe(x)
    norms = {}
    with torch.enable_grad():
        posterior = own.encoder(x)
        z = posterior.mean + posterior.base_dist.scale * noise
        terms = {
            "reconstruction": own.decoder(z).log_prob(x).mean(),
            "reconstruction, detached": own.decoder(z.detach()).log_prob(x).mean(),
            "kl": kl_to_prior(own, posterior, z).mean(),
        }
        for term, value in terms.items():
            for network in ("encoder", "decoder"):
                parameters = list(getattr(own, network).parameters())
                gradients = torch.autograd.grad(
                    value, parameters, retain_graph=True, allow_unused=True
                )
                squares = [g.square().sum().item() for g in gradients if g is not None]
                norms[term, network] = math.sqrt(sum(squares))
    return norms


@dataclass(frozen=True)
class GradientEstimates:
    """Estimates of ∇ E_q[log p(x|z)] for each image and draw, in nats per unit.

    Args:
        mean: gradients with respect to μ, `(S, B, D)`.
        sigma: gradients with respect to σ, `(S, B, D)`.
    """

    mean: Tensor
    sigma: Tensor

    def variance(self) -> Tensor:
        """Variance of one draw's estimate, summed over all of μ and σ: `(B,)`."""
        return torch.cat([self.mean, self.sigma], -1).var(0).sum(-1)


def estimate_gradients(
    model: VAE, x: Tensor, noise: Tensor, estimator: str = "reparameterised"
) -> GradientEstimates:
    r"""Estimates the gradient of the reconstruction term with respect to μ and σ, per draw.

    - `reparameterised`: autograd through z = μ + σ·ε; uses the gradient of log p(x|z).
    - `score_function`: :math:`\log p(x|z)\,\nabla\log q(z)`; uses the value of log p(x|z) alone.
    - `score_function_baseline`: the same, with the mean value of the other draws subtracted.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        noise: ε `(S, B, D)`; use the same noise to compare two estimators. A baseline needs
            S ≥ 2.
        estimator: one of `ESTIMATORS`.

    Raises:
        ValueError: if the estimator is unknown.

    References:
        Simple statistical gradient-following algorithms for connectionist reinforcement learning
        (Williams, 1992); the baseline: Buy 4 REINFORCE samples, get a baseline for free! (Kool,
        van Hoof and Welling, 2019).
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator is {estimator!r}; expected one of {', '.join(ESTIMATORS)}.")
    with torch.no_grad():
        posterior = model.encoder(x)
    x = model.observe(x)
    mean = posterior.mean.expand_as(noise)
    sigma = posterior.base_dist.scale.expand_as(noise)
    if estimator == "reparameterised":
        parts = []
        for some in noise.split(max(1, at_once(model) // len(x))):  # one graph after another
            mu, spread = (v[: len(some)].clone().requires_grad_() for v in (mean, sigma))
            with torch.enable_grad():
                value = log_likelihoods(model, x, mu + spread * some)
                parts.append(torch.autograd.grad(value.sum(), (mu, spread)))
        return GradientEstimates(*map(torch.cat, zip(*parts, strict=True)))
    with torch.no_grad():
        value = log_likelihoods(model, x, mean + sigma * noise)  # (S, B)
        if estimator == "score_function_baseline":
            value = value - (value.sum(0) - value) / (len(noise) - 1)
        value = value[..., None]
        return GradientEstimates(value * noise / sigma, value * (noise**2 - 1) / sigma)

"""Gradients through a draw from q, and how much the encoder's one guess for all images costs."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from ..model import VAE
from ..objective import ELBO

__all__ = [
    "ESTIMATORS",
    "Gap",
    "Gradients",
    "Pull",
    "Refinement",
    "amortisation_gap",
    "bound",
    "encoder_gradients",
    "encoding_seconds",
    "gradients",
    "pull",
    "refine",
]

ESTIMATORS = ("reparameterised", "score_function", "score_function_baseline")
"""Ways to estimate the gradient of E_q[log p(x|z)], all right on average."""

_BATCH = 250  # codes or images at a time


# Through one draw ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Pull:
    """How log p(x|z) at z = μ + σ·ε pulls on μ and σ, for one ε; in nats per unit.

    Args:
        z: `(D,)`.
        reconstruction: log p(x|z) in nats.
        by_z: `(D,)` ∂L/∂z by autograd, z taken as a number of its own.
        by_mean: `(D,)` ∂L/∂μ by autograd through the draw.
        by_sigma: `(D,)` ∂L/∂σ likewise.
        dimensions: the K that were also differenced.
        finite_mean: `(K,)` ∂L/∂μ by central differences, no autograd at all.
        finite_sigma: `(K,)` ∂L/∂σ likewise.
    """

    z: Tensor
    reconstruction: float
    by_z: Tensor
    by_mean: Tensor
    by_sigma: Tensor
    dimensions: tuple[int, ...]
    finite_mean: Tensor
    finite_sigma: Tensor

    @property
    def disagreement(self) -> float:
        """The largest difference between autograd and finite differences, of the largest slope."""
        k = list(self.dimensions)
        found = torch.cat([self.by_mean[k], self.by_sigma[k]])
        finite = torch.cat([self.finite_mean, self.finite_sigma])
        return ((found - finite).abs().max() / found.abs().max().clamp(min=1e-12)).item()


def pull(
    model: VAE,
    x: Tensor,
    mean: Tensor,
    sigma: Tensor,
    noise: Tensor,
    *,
    dimensions: Sequence[int] | None = None,
    step: float = 1e-6,
) -> Pull:
    r"""Differentiates the reconstruction term through a reparameterised draw, in three ways.

    .. math:: z = \mu + \sigma\varepsilon: \quad
        \frac{\partial L}{\partial\mu} = \frac{\partial L}{\partial z}, \quad
        \frac{\partial L}{\partial\sigma} = \frac{\partial L}{\partial z}\,\varepsilon

    Computed in float64: in float32 a log-likelihood of hundreds of nats leaves a finite
    difference no digits.

    Args:
        model: its decoder gives L(z) = log p(x|z).
        x: one image `(C, H, W)` in [0, 1].
        mean: μ `(D,)`.
        sigma: σ `(D,)`.
        noise: ε `(D,)`.
        dimensions: to difference, of D; all by default, at four decodes each.
        step: of the central differences.

    References:
        Auto-encoding variational Bayes (Kingma and Welling, 2013).
    """
    decoder = copy.deepcopy(model.decoder).double()
    x = model.observe(x[None]).double()
    mean, sigma, noise = (v.detach().double() for v in (mean, sigma, noise))

    def level(z: Tensor) -> Tensor:
        return torch.cat([decoder(part).log_prob(x) for part in z.split(_BATCH)])

    free = (mean + sigma * noise).requires_grad_()
    value = level(free[None])[0]
    by_z = torch.autograd.grad(value, free)[0]
    mu, spread = mean.clone().requires_grad_(), sigma.clone().requires_grad_()
    by_mean, by_sigma = torch.autograd.grad(level((mu + spread * noise)[None])[0], (mu, spread))
    chosen = tuple(range(len(mean)) if dimensions is None else dimensions)
    with torch.no_grad():
        shifts = step * torch.eye(len(mean), dtype=torch.float64)[list(chosen)]
        moved = [mean + s * shifts + sigma * noise for s in (1, -1)]
        widened = [mean + (sigma + s * shifts) * noise for s in (1, -1)]
        up_mean, down_mean, up_sigma, down_sigma = level(torch.cat(moved + widened)).chunk(4)
    return Pull(
        free.detach(),
        value.item(),
        by_z,
        by_mean,
        by_sigma,
        chosen,
        (up_mean - down_mean) / (2 * step),
        (up_sigma - down_sigma) / (2 * step),
    )


def encoder_gradients(model: VAE, x: Tensor, noise: Tensor) -> dict[str, float]:
    """Measures which term reaches the encoder, with the draw left in the graph and cut out of it.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        noise: ε `(B, D)`.

    Returns:
        Euclidean norms of the gradient of the batch's mean with respect to all of the encoder's
        parameters, in nats: "reconstruction", "reconstruction, detached" and "kl".
    """
    encoder = copy.deepcopy(model.encoder).requires_grad_(True)
    x = model.observe(x)
    with torch.enable_grad():
        posterior = encoder(x)
        z = posterior.mean + posterior.base_dist.scale * noise
        terms = {
            "reconstruction": model.decoder(z).log_prob(x).mean(),
            "reconstruction, detached": model.decoder(z.detach()).log_prob(x).mean(),
            "kl": kl_divergence(posterior, model.prior).mean(),
        }
        parameters = list(encoder.parameters())
        found = {}
        for name, term in terms.items():
            slopes: Sequence[Tensor | None] = [None]
            if term.requires_grad:
                slopes = torch.autograd.grad(
                    term, parameters, allow_unused=True, retain_graph=True
                )
            squares = [slope.square().sum().item() for slope in slopes if slope is not None]
            found[name] = sum(squares) ** 0.5
    return found


# Many draws: estimators of one gradient ------------------------------------------------------


@dataclass(frozen=True)
class Gradients:
    """Estimates of ∇ E_q[log p(x|z)] for each image, one for each draw; in nats per unit.

    Args:
        mean: by μ, `(S, B, D)`.
        sigma: by σ, `(S, B, D)`.
    """

    mean: Tensor
    sigma: Tensor

    def variance(self) -> Tensor:
        """Variance of one draw's estimate, summed over all of μ and σ: `(B,)`."""
        return torch.cat([self.mean, self.sigma], -1).var(0).sum(-1)


def gradients(
    model: VAE, x: Tensor, noise: Tensor, estimator: str = "reparameterised"
) -> Gradients:
    r"""Estimates the gradient of the reconstruction term by μ and σ, once for every draw.

    - `reparameterised`: autograd through z = μ + σ·ε; it knows the slope of log p(x|z).
    - `score_function`: :math:`\log p(x|z)\,\nabla\log q(z)`, which knows its value alone.
    - `score_function_baseline`: the same, less the mean value of the other draws.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        noise: ε `(S, B, D)`; the same for two estimators compares them on the same draws. A
            baseline needs S ≥ 2.
        estimator: one of `ESTIMATORS`.

    Raises:
        ValueError: for an unknown estimator.

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
    mean = posterior.mean.expand_as(noise).clone()
    sigma = posterior.base_dist.scale.expand_as(noise).clone()
    if estimator == "reparameterised":
        with torch.enable_grad():
            mean.requires_grad_(), sigma.requires_grad_()
            level = _levels(model, x, mean + sigma * noise)
            return Gradients(*torch.autograd.grad(level.sum(), (mean, sigma)))
    with torch.no_grad():
        value = _levels(model, x, mean + sigma * noise)  # (S, B)
        if estimator == "score_function_baseline":
            value = value - (value.sum(0) - value) / (len(noise) - 1)
        value = value[..., None]
        return Gradients(value * noise / sigma, value * (noise**2 - 1) / sigma)


def _levels(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """Scores images `(B, C, H, W)` under codes `(S, B, D)`: log p(x|z), `(S, B)`."""
    _, b, d = z.shape
    per_chunk = max(1, _BATCH // b)
    return torch.cat(
        [
            model.decoder(part.reshape(-1, d)).log_prob(x.repeat(len(part), 1, 1, 1)).view(-1, b)
            for part in z.split(per_chunk)
        ]
    )


# One guess for all images, or one search for each ---------------------------------------------


def bound(model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, noise: Tensor) -> ELBO:
    """The ELBO of images under any q = N(μ, σ²), the encoder's or not, averaged over draws.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        mean: μ `(B, D)`.
        sigma: σ `(B, D)`.
        noise: ε `(S, B, D)`; keep it to compare one q with another.
    """
    q = Independent(Normal(mean, sigma), 1)
    reconstruction = _levels(model, model.observe(x), mean + sigma * noise).mean(0)
    return ELBO(reconstruction, kl_divergence(q, model.prior))


@dataclass(frozen=True)
class Refinement:
    """Where the search for each image's own q has come to.

    Args:
        step: gradient steps so far.
        mean: μ `(B, D)`.
        sigma: σ `(B, D)`.
        elbo: `(B,)` in nats, on draws that the search does not see.
        seconds: spent on the steps; measuring the bound does not count.
    """

    step: int
    mean: Tensor
    sigma: Tensor
    elbo: Tensor
    seconds: float


def refine(
    model: VAE,
    x: Tensor,
    steps: int = 100,
    *,
    start: str = "prior",
    detached: bool = False,
    samples: int = 8,
    learning_rate: float = 0.1,
    every: int = 10,
    draws: int = 100,
    seed: int = 0,
) -> Iterator[Refinement]:
    """Optimises μ and σ for each image by gradient steps, the decoder left as it is.

    `amortisation_gap` measures what this gains over the encoder's q.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        steps: of Adam on μ and log σ; the rate falls to 0 along a half cosine.
        start: "prior" (nothing is known yet) or "encoder".
        detached: cuts the draw out of the graph, so that log p(x|z) pulls on nothing.
        samples: draws for a step.
        learning_rate: at its highest.
        every: steps between two answers; the first and the last are always given.
        draws: on which the bound is measured, the same every time.
        seed: of all draws.

    Raises:
        ValueError: for an unknown start.

    References:
        Inference suboptimality in variational autoencoders (Cremer, Li and Duvenaud, 2018).
    """
    if start not in ("prior", "encoder"):
        raise ValueError(f'start is {start!r}; expected "prior" or "encoder".')
    generator = torch.Generator().manual_seed(seed)
    d = model.latent_dim
    unseen = torch.randn(draws, len(x), d, generator=generator, dtype=x.dtype)
    mean, log_sigma = torch.zeros(2, len(x), d, dtype=x.dtype)
    if start == "encoder":
        with torch.no_grad():
            posterior = model.encoder(x)
            mean, log_sigma = posterior.mean.clone(), posterior.base_dist.scale.log()
    state = torch.stack([mean, log_sigma])
    first, second = torch.zeros(2, *state.shape, dtype=x.dtype)  # Adam's running moments

    def answer(step: int, seconds: float) -> Refinement:
        mean, sigma = state[0].clone(), state[1].exp()
        with torch.no_grad():
            return Refinement(
                step, mean, sigma, bound(model, x, mean, sigma, unseen).elbo, seconds
            )

    yield answer(0, 0.0)
    seconds = 0.0
    for step in range(1, steps + 1):
        started = time.perf_counter()
        noise = torch.randn(samples, len(x), d, generator=generator, dtype=x.dtype)
        with torch.enable_grad():
            free = state.clone().requires_grad_()
            mean, sigma = free[0], free[1].exp()
            z = mean + sigma * noise
            z = z.detach() if detached else z
            kl = kl_divergence(Independent(Normal(mean, sigma), 1), model.prior)
            value = _levels(model, model.observe(x), z).mean(0) - kl
            slope = torch.autograd.grad(value.sum(), free)[0]
        first = 0.9 * first + 0.1 * slope
        second = 0.99 * second + 0.01 * slope**2
        rate = learning_rate * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / steps)))
        move = (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-8)
        state = state + rate * move
        seconds += time.perf_counter() - started
        if step % every == 0 or step == steps:
            yield answer(step, seconds)


@dataclass(frozen=True)
class Gap:
    """The ELBO of the encoder's q and of another one, in nats.

    Args:
        encoder: `(B,)` ELBO of q(z|x).
        found: `(B,)` ELBO of the other.
        error: `(B,)` standard error of their difference; the draws are shared, so it is small.
    """

    encoder: Tensor
    found: Tensor
    error: Tensor

    @property
    def nats(self) -> Tensor:
        """`(B,)` what the other gains: the amortisation gap, if it is the best of its family."""
        return self.found - self.encoder


@torch.no_grad()
def amortisation_gap(
    model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, *, draws: int = 500, seed: int = 1
) -> Gap:
    """Compares the encoder's q with one that was found for each image alone.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        mean: μ `(B, D)` of the one found.
        sigma: σ `(B, D)` likewise.
        draws: of ε, the same for both.
        seed: of the draws; another than the search's, which fitted its own.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(draws, *mean.shape, generator=generator, dtype=x.dtype)
    posterior = model.encoder(x)
    x = model.observe(x)
    values = []
    for q in (posterior.base_dist, Normal(mean, sigma)):
        kl = kl_divergence(Independent(q, 1), model.prior)
        values.append(_levels(model, x, q.loc + q.scale * noise) - kl)
    error = (values[1] - values[0]).std(0) / draws**0.5
    return Gap(values[0].mean(0), values[1].mean(0), error)


@torch.no_grad()
def encoding_seconds(
    model: VAE, x: Tensor, counts: Sequence[int] = (1, 100, 10_000), repeats: int = 3
) -> dict[int, float]:
    """Times the encoder on so many images at once, in batches of 250.

    Args:
        model: any.
        x: images `(B, C, H, W)`; repeated where more are asked for.
        counts: how many.
        repeats: of the small counts; the quickest counts.

    Returns:
        Seconds for each count.
    """
    model.encoder(x[:1])  # the first call prepares more than it computes
    found = {}
    for count in counts:
        times = []
        for _ in range(repeats if count <= _BATCH else 1):
            started = time.perf_counter()
            for begin in range(0, count, _BATCH):
                rows = torch.arange(begin, min(begin + _BATCH, count)) % len(x)
                model.encoder(x[rows])
            times.append(time.perf_counter() - started)
        found[count] = min(times)
    return found

"""One encoder for all images, or an optimisation for each: the amortisation gap."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from ..model import VAE
from ..objective import ELBO
from .decoding import CHUNK, log_likelihoods

__all__ = [
    "AmortisationGap",
    "OptimisedPosterior",
    "amortisation_gap",
    "elbo_under",
    "encoding_seconds",
    "optimise_posterior",
]


def elbo_under(model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, noise: Tensor) -> ELBO:
    """The ELBO of images under any q = N(μ, σ²), the encoder's or not, averaged over draws.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        mean: μ `(B, D)`.
        sigma: σ `(B, D)`.
        noise: ε `(S, B, D)`; keep it to compare one q with another.
    """
    q = Independent(Normal(mean, sigma), 1)
    z = mean + sigma * noise
    reconstruction = log_likelihoods(model, model.observe(x), z).mean(0)
    return ELBO(reconstruction, kl_divergence(q, model.prior))


@dataclass(frozen=True)
class OptimisedPosterior:
    """Each image's own q after some gradient steps.

    Args:
        step: gradient steps so far.
        mean: μ `(B, D)`.
        sigma: σ `(B, D)`.
        elbo: `(B,)` in nats, on draws that the optimisation does not see.
        seconds: spent on the steps; measuring the bound does not count.
    """

    step: int
    mean: Tensor
    sigma: Tensor
    elbo: Tensor
    seconds: float


def optimise_posterior(
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
) -> Iterator[OptimisedPosterior]:
    """Optimises μ and σ for each image by gradient ascent on its ELBO; the decoder is fixed.

    `amortisation_gap` measures what this gains over the encoder's q.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        steps: of Adam on μ and log σ; the rate falls to 0 along a half cosine.
        start: "prior" (nothing is known yet) or "encoder".
        detached: cuts the draw out of the graph, so that log p(x|z) has no gradient by μ and σ.
        samples: draws for a step.
        learning_rate: peak rate.
        every: steps between two reports; the first and the last are always given.
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
    exp_avg, exp_avg_sq = torch.zeros(2, *state.shape, dtype=x.dtype)  # Adam's moments

    def report(step: int, seconds: float) -> OptimisedPosterior:
        mean, sigma = state[0].clone(), state[1].exp()
        with torch.no_grad():
            elbo = elbo_under(model, x, mean, sigma, unseen).elbo
            return OptimisedPosterior(step, mean, sigma, elbo, seconds)

    yield report(0, 0.0)
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
            value = log_likelihoods(model, model.observe(x), z).mean(0) - kl
            gradient = torch.autograd.grad(value.sum(), free)[0]
        exp_avg = 0.9 * exp_avg + 0.1 * gradient
        exp_avg_sq = 0.99 * exp_avg_sq + 0.01 * gradient**2
        rate = learning_rate * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / steps)))
        move = (exp_avg / (1 - 0.9**step)) / ((exp_avg_sq / (1 - 0.99**step)).sqrt() + 1e-8)
        state = state + rate * move
        seconds += time.perf_counter() - started
        if step % every == 0 or step == steps:
            yield report(step, seconds)


@dataclass(frozen=True)
class AmortisationGap:
    """The ELBO of the encoder's q and of one optimised for each image, in nats.

    Args:
        encoder: `(B,)` ELBO of q(z|x).
        optimised: `(B,)` ELBO of the other.
        error: `(B,)` standard error of their difference; the draws are shared, so it is small.
    """

    encoder: Tensor
    optimised: Tensor
    error: Tensor

    @property
    def nats(self) -> Tensor:
        """`(B,)` what the other gains: the amortisation gap, if it is the best of its family."""
        return self.optimised - self.encoder


@torch.no_grad()
def amortisation_gap(
    model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, *, draws: int = 500, seed: int = 1
) -> AmortisationGap:
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
        values.append(log_likelihoods(model, x, q.loc + q.scale * noise) - kl)
    error = (values[1] - values[0]).std(0) / draws**0.5
    return AmortisationGap(values[0].mean(0), values[1].mean(0), error)


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
    seconds = {}
    for count in counts:
        times = []
        for _ in range(repeats if count <= CHUNK else 1):
            started = time.perf_counter()
            for begin in range(0, count, CHUNK):
                rows = torch.arange(begin, min(begin + CHUNK, count)) % len(x)
                model.encoder(x[rows])
            times.append(time.perf_counter() - started)
        seconds[count] = min(times)
    return seconds

"""The amortisation gap: the encoder's posterior against one optimised for each image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from ..model import VAE
from ..objective import ELBO, kl_to_prior
from .decoding import log_likelihoods

__all__ = [
    "AmortisationGap",
    "OptimisedPosterior",
    "amortisation_gap",
    "elbo_under",
    "encoding_seconds",
    "optimise_posterior",
]

_BATCH = 250  # images encoded at once


def elbo_under(model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, noise: Tensor) -> ELBO:
    """The ELBO of images under any q = N(μ, σ²), the encoder's or not, averaged over draws.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        mean: μ `(B, D)`.
        sigma: σ `(B, D)`.
        noise: ε `(S, B, D)`; use the same noise to compare two posteriors.
    """
    q = Independent(Normal(mean, sigma), 1)
    z = mean + sigma * noise
    reconstruction = log_likelihoods(model, model.observe(x), z).mean(0)
    return ELBO(reconstruction, kl_to_prior(model, q, z))


@dataclass(frozen=True)
class OptimisedPosterior:
    """Posteriors that are optimised for each image, after some gradient steps.

    Args:
        step: number of gradient steps taken.
        mean: μ `(B, D)`.
        sigma: σ `(B, D)`.
        elbo: `(B,)` in nats, on draws that the optimisation does not use.
        seconds: time of the gradient steps, without the evaluation of the bound: their number
            times the median time of one.
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
        steps: steps of Adam on μ and log σ, with a learning rate that decays to 0 on a half
            cosine.
        start: initial posterior, "prior" or "encoder".
        detached: whether to detach the draw from the graph, so that log p(x|z) has no gradient
            with respect to μ and σ.
        samples: draws in each step.
        learning_rate: peak learning rate.
        every: steps between two reports; the first and the last are always yielded.
        draws: draws on which the bound is evaluated, the same every time.
        seed: seed of all draws.

    Raises:
        ValueError: if `start` is unknown.

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
    seconds, taken = 0.0, []
    for step in range(1, steps + 1):
        started = time.perf_counter()
        noise = torch.randn(samples, len(x), d, generator=generator, dtype=x.dtype)
        with torch.enable_grad():
            free = state.clone().requires_grad_()
            mean, sigma = free[0], free[1].exp()
            z = mean + sigma * noise
            z = z.detach() if detached else z
            kl = kl_to_prior(model, Independent(Normal(mean, sigma), 1), z)
            value = log_likelihoods(model, model.observe(x), z).mean(0) - kl
            gradient = torch.autograd.grad(value.sum(), free)[0]
        exp_avg = 0.9 * exp_avg + 0.1 * gradient
        exp_avg_sq = 0.99 * exp_avg_sq + 0.01 * gradient**2
        rate = learning_rate * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / steps)))
        move = (exp_avg / (1 - 0.9**step)) / ((exp_avg_sq / (1 - 0.99**step)).sqrt() + 1e-8)
        state = state + rate * move
        taken.append(time.perf_counter() - started)
        if step % every == 0 or step == steps:
            seconds = max(seconds, step * median(taken))
            yield report(step, seconds)


@dataclass(frozen=True)
class AmortisationGap:
    """The ELBO of the encoder's q and of one optimised for each image, in nats.

    Args:
        encoder: `(B,)` ELBO of the encoder's posterior.
        optimised: `(B,)` ELBO of the optimised posterior.
        error: `(B,)` standard error of the difference, which is small as the draws are shared.
    """

    encoder: Tensor
    optimised: Tensor
    error: Tensor

    @property
    def nats(self) -> Tensor:
        """`(B,)` the amortisation gap, if the optimised posterior is the best of its family."""
        return self.optimised - self.encoder


@torch.no_grad()
def amortisation_gap(
    model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, *, draws: int = 500, seed: int = 1
) -> AmortisationGap:
    """Compares the encoder's posterior with one that was optimised for each image.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        mean: μ `(B, D)` of the optimised posterior.
        sigma: σ `(B, D)`, likewise.
        draws: number of draws of ε, the same for both posteriors.
        seed: seed of the draws; it should differ from that of the optimisation.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(draws, *mean.shape, generator=generator, dtype=x.dtype)
    posterior = model.encoder(x)
    x = model.observe(x)
    values = []
    for q in (posterior.base_dist, Normal(mean, sigma)):
        z = q.loc + q.scale * noise
        values.append(log_likelihoods(model, x, z) - kl_to_prior(model, Independent(q, 1), z))
    error = (values[1] - values[0]).std(0) / draws**0.5
    return AmortisationGap(values[0].mean(0), values[1].mean(0), error)


@torch.no_grad()
def encoding_seconds(
    model: VAE, x: Tensor, counts: Sequence[int] = (1, 100, 10_000), repeats: int = 3
) -> dict[int, float]:
    """Times the encoder on different numbers of images, in batches of 250.

    Args:
        model: any VAE.
        x: images `(B, C, H, W)`, which are repeated for counts above B.
        counts: numbers of images.
        repeats: repetitions for small counts, of which the fastest is kept.

    Returns:
        Seconds for each count.
    """
    model.encoder(x[:1])  # warm-up
    seconds = {}
    for count in counts:
        times = []
        for _ in range(repeats if count <= _BATCH else 1):
            started = time.perf_counter()
            for begin in range(0, count, _BATCH):
                rows = torch.arange(begin, min(begin + _BATCH, count)) % len(x)
                model.encoder(x[rows])
            times.append(time.perf_counter() - started)
        seconds[count] = min(times)
    return seconds

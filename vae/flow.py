"""A flow from noise to whitened codes: network, training and integration.

Flow matching (Lipman et al., 2023) on straight lines from noise at time 0 to a code at time 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "EXACT",
    "STEPS",
    "WIDTH",
    "AggregatePosterior",
    "VelocityField",
    "back_with_trace",
    "follow",
    "measure_step",
    "train_flow",
]

STEPS = 16  # steps of Heun's method from noise to code; more make no visible difference
EXACT = 64  # dimensions up to which the trace of the Jacobian is computed exactly
WIDTH = 384  # width of the hidden layers; 1.8 MB in 16 bits
_FREQUENCIES = 8
_DIRECTIONS = 8  # with which a trace is estimated, new ones in each step
_BATCH = 512
_RATE, _NARROW_RATE = 1e-3, 5e-3  # of Adam; a network narrower than WIDTH takes larger steps
_DECAY = 0.999  # decay of the running average of the weights
_CHECKS = 12  # evaluations of the held-out loss during a fit


class VelocityField(nn.Module):
    r"""Predicts the velocity dx/dt of whitened codes at a time between noise and code.

    A residual network with inputs `x` and sines of `t`, and `blocks` blocks of SiLU, linear,
    SiLU, linear.

    Args:
        dim: number of latent dimensions, D.
        width: width of the hidden layers.
        blocks: number of residual blocks.
    """

    def __init__(self, dim: int, width: int = WIDTH, blocks: int = 3) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        self.inward = nn.Linear(dim + 2 * _FREQUENCIES, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.outward = nn.Linear(width, dim)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)
        self.frequencies: Tensor
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(_FREQUENCIES) / 2)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The velocity `(B, D)` at `x` `(B, D)` and times `t` `(B,)` in 0…1."""
        h = self.enter(x, t)
        for block in self.blocks:
            h = h + block(h)
        return self.outward(nn.functional.silu(h))

    def enter(self, x: Tensor, t: Tensor) -> Tensor:
        """The output of the first layer `(B, width)` for codes and times."""
        angles = t[:, None] * self.frequencies
        return self.inward(torch.cat([x, angles.sin(), angles.cos()], 1))


class AggregatePosterior:
    """A sampler of whitened codes from the aggregate posterior."""

    def __init__(
        self, mean: np.ndarray, variance: np.ndarray, centre: np.ndarray, inverse: Tensor
    ) -> None:
        self.mean = torch.from_numpy(mean - centre)
        self.deviation = torch.from_numpy(np.sqrt(variance))
        self.inverse = inverse

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(self.mean), (n,), generator=generator)
        noise = torch.randn((n, self.mean.shape[1]), generator=generator)
        return (self.mean[rows] + self.deviation[rows] * noise) @ self.inverse.T


def train_flow(
    sampler: AggregatePosterior,
    judge: AggregatePosterior,
    dim: int,
    steps: int,
    seed: int,
    progress: Callable[[float], object],
    width: int = WIDTH,
) -> tuple[VelocityField, dict[str, Any]]:
    """Trains a flow from noise to the whitened codes of a sampler.

    Args:
        sampler: sampler of training codes.
        judge: sampler of held-out codes, on which the loss is evaluated.
        dim: number of latent dimensions, D.
        steps: number of training steps.
        seed: seed of weights and noise.
        progress: called with the fraction done, 0…1.
        width: width of the network.

    Returns:
        The velocity field, and metrics of its training.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        field = VelocityField(dim, width)
    average = VelocityField(dim, width)
    average.load_state_dict(field.state_dict())
    average.requires_grad_(False)
    rate = _RATE if width >= WIDTH else _NARROW_RATE
    optimiser = torch.optim.Adam(field.parameters(), lr=rate, betas=(0.9, 0.99))
    best: tuple[float, int, dict[str, Tensor]] = (math.inf, 0, {})
    every = max(1, steps // _CHECKS)
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
        _take_step(field, optimiser, sampler, generator)
        decay = min(_DECAY, 1 - 5 / (steps + 5), step / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(field.parameters()), 1 - decay)
        if step % every == 0 or step == steps:
            draws = torch.Generator().manual_seed(seed + 1)  # the same draws every time
            with torch.no_grad():
                loss = float(_loss(average, judge.draw(8_192, draws), draws))
            if loss < best[0]:
                best = loss, step, {k: v.clone() for k, v in average.state_dict().items()}
        progress(step / steps)
    average.load_state_dict(best[2])
    average.eval()
    return average, {"steps": steps, "best_step": best[1], "held_out_loss": best[0]}


def measure_step(dim: int, width: int = WIDTH, steps: int = 4) -> float:
    """Measures the duration of a training step on this machine, in seconds.

    Args:
        dim: dimensions of the latent space.
        width: width of the network.
        steps: number of steps after the first, which warms up.
    """
    codes = np.random.default_rng(0).standard_normal((_BATCH, dim), dtype=np.float32)
    sampler = AggregatePosterior(codes, np.zeros_like(codes), codes[0], torch.eye(dim))
    times: list[float] = []
    with torch.random.fork_rng(devices=[]):
        field = VelocityField(dim, width)
    optimiser = torch.optim.Adam(field.parameters())
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps + 1):
        times.append(time.perf_counter())
        _take_step(field, optimiser, sampler, generator)
    times.append(time.perf_counter())
    return float(np.median(np.diff(times)[1:]))


def _take_step(
    field: VelocityField,
    optimiser: torch.optim.Optimizer,
    sampler: AggregatePosterior,
    generator: torch.Generator,
) -> None:
    loss = _loss(field, sampler.draw(_BATCH, generator), generator)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _loss(field: VelocityField, codes: Tensor, generator: torch.Generator) -> Tensor:
    """Flow matching on straight lines from noise to code, with logit-normal times."""
    noise = torch.randn(codes.shape, generator=generator)
    t = torch.randn(len(codes), generator=generator).sigmoid()
    x = (1 - t[:, None]) * noise + t[:, None] * codes
    return (field(x, t) - (codes - noise)).square().mean()


@torch.no_grad()
def follow(field: VelocityField, x: Tensor, start: float, end: float) -> Tensor:
    """Integrates the flow from one time to another by Heun's method.

    Args:
        field: velocity of the flow.
        x: whitened codes `(N, D)`.
        start: initial time in 0…1, where 0 is noise.
        end: final time in 0…1.

    Returns:
        Whitened codes `(N, D)` at the final time.
    """
    steps = max(1, math.ceil(STEPS * abs(end - start)))
    h = (end - start) / steps
    for k in range(steps):
        x = _heun(field, x, start + k * h, h)
    return x


def _heun(field: VelocityField, x: Tensor, t: float, h: float) -> Tensor:
    first = field(x, x.new_full((len(x),), t))
    second = field(x + h * first, x.new_full((len(x),), t + h))
    return x + h / 2 * (first + second)


def back_with_trace(
    field: VelocityField, x: Tensor, steps: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Integrates the flow from whitened codes back to noise, with the trace of the Jacobian.

    Args:
        field: velocity of the flow.
        x: whitened codes `(N, D)`.
        steps: number of steps of Heun's method.
        generator: random generator of the directions with which the trace is estimated.

    Returns:
        Noise `(N, D)`, the integral of the trace `(N,)`, and its variance `(N,)`: 0 where it is
        exact, for up to 64 dimensions.
    """
    h, count, dim = -1.0 / steps, *x.shape
    gained, variance = torch.zeros(count), torch.zeros(count)
    for k in range(steps):
        t = 1.0 + k * h
        if dim > EXACT:
            directions = torch.randn((count, _DIRECTIONS, dim), generator=generator).sign()
        else:
            directions = torch.eye(dim).expand(count, -1, -1)
        first, before = _velocity_and_derivatives(field, x, t, directions)
        second, after = _velocity_and_derivatives(field, x + h * first, t + h, directions)
        x = x + h / 2 * (first + second)
        gains = -h / 2 * (before + after)
        if dim > EXACT:
            gained += gains.mean(1)
            variance += gains.var(1) / _DIRECTIONS
        else:
            gained += gains.sum(1)
    return x, gained, variance


@torch.no_grad()
def _velocity_and_derivatives(
    field: VelocityField, x: Tensor, t: float, directions: Tensor
) -> tuple[Tensor, Tensor]:
    """Velocity `(N, D)`, and its derivative along each of `(N, K, D)` directions: `(N, K)`.

    A derivative along a direction is the component of the change along it. The trace of the
    Jacobian is their sum over the axes, or their expectation over random signs (Hutchinson).
    Derivatives are computed in forward mode, for all directions at once.
    """
    time = x.new_full((len(x),), t)
    h, dh = field.enter(x, time), directions @ field.inward.weight[:, : x.shape[1]].T
    for block in field.blocks:
        first, second = (layer for layer in block.children() if isinstance(layer, nn.Linear))
        inner = first(nn.functional.silu(h))
        d_inner = (dh * _silu_derivative(h)[:, None]) @ first.weight.T
        dh = dh + (d_inner * _silu_derivative(inner)[:, None]) @ second.weight.T
        h = h + second(nn.functional.silu(inner))
    velocity = field.outward(nn.functional.silu(h))
    derivative = (dh * _silu_derivative(h)[:, None]) @ field.outward.weight.T
    return velocity, (derivative * directions).sum(2)


def _silu_derivative(h: Tensor) -> Tensor:
    gate = h.sigmoid()
    return gate * (1 + h * (1 - gate))

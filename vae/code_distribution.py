"""The learned distribution of a model's codes: draws, densities and paths that stay with the data.

N(0, I) is what the KL pulls codes towards, not where they are: decoded draws of it often look like
nobody. A small flow, fitted to the aggregate posterior as a second stage, mends that. It leads
from noise u ~ N(0, I) at time 0 to a code z at time 1 along dx/dt = v(x, t), where x is the code,
whitened by the mean and covariance of the aggregate posterior. Where codes are too few for a flow,
v = 0 and what remains is the fitted Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .checkpoint import CheckpointError, read_tensors, write_tensors
from .latent import slerp

__all__ = [
    "ENOUGH",
    "FILE",
    "STEPS",
    "CodeDistribution",
    "VelocityField",
    "fit_codes",
    "load_code_distribution",
    "save_code_distribution",
]

FILE = "code-distribution.safetensors"
ENOUGH = 200  # codes; fewer are described by the fitted Gaussian
STEPS = 16  # of Heun's method from noise to code; more change nothing that can be seen
_EXACT = 64  # dimensions up to which the trace of the Jacobian is computed exactly
_FREQUENCIES = 8
_BATCH = 512
_DECAY = 0.999  # of the running average of the weights
_CHECKS = 12  # times during a fit that held-out codes are asked
_WHITE_FLOOR = 1e-6  # smallest variance of a direction, beside that of the widest


class VelocityField(nn.Module):
    r"""Predicts the velocity dx/dt of whitened codes at a time between noise and code.

    A residual network: `x` and sines of `t` in, `blocks` times SiLU, linear, SiLU, linear, out.

    Args:
        dim: D.
        width: of the hidden layers.
        blocks: residual blocks.
    """

    def __init__(self, dim: int, width: int = 384, blocks: int = 3) -> None:
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
        """The first layer's answer `(B, width)` to codes and times."""
        angles = t[:, None] * self.frequencies
        return self.inward(torch.cat([x, angles.sin(), angles.cos()], 1))


@dataclass(frozen=True, eq=False)
class CodeDistribution:
    """Where a model's codes lie.

    Args:
        mean: of the aggregate posterior, `(D,)`.
        root: `(D, D)`, with `root @ root.T` its covariance: x ↦ mean + root x undoes whitening.
        field: the flow's velocity in whitened coordinates; None for the fitted Gaussian.
        held_out: `(M,)` log densities of held-out codes in nats, sorted: what is usual.
        about: figures of the fit for the card: how many codes, steps, losses, log densities of
            training and held-out codes, distances of draws to the nearest training code.

    References:
        Diagnosing and enhancing VAE models (Dai and Wipf, 2019); Flow matching for generative
        modeling (Lipman et al., 2023).
    """

    mean: np.ndarray
    root: np.ndarray
    field: VelocityField | None = None
    held_out: np.ndarray | None = None
    about: dict[str, Any] | None = None

    @property
    def dim(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def learned(self) -> bool:
        """Whether a flow was fitted; else it is a Gaussian."""
        return self.field is not None

    def whiten(self, z: np.ndarray) -> np.ndarray:
        """Whitened coordinates of codes `(N, D)`, float32."""
        centred = (np.atleast_2d(z) - self.mean).astype(np.float64)
        return np.linalg.solve(self.root.astype(np.float64), centred.T).T.astype(np.float32)

    def unwhiten(self, x: np.ndarray) -> np.ndarray:
        """Codes `(N, D)` of whitened coordinates, float32."""
        return (self.mean + np.atleast_2d(x) @ self.root.T).astype(np.float32)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Draws codes `(n, D)`; the same seed gives the same, however many are drawn."""
        return self.from_noise(np.random.default_rng(seed).standard_normal((n, self.dim)))

    def to_noise(self, z: np.ndarray, level: float = 1.0) -> np.ndarray:
        """Takes codes a part of the way back to noise.

        Args:
            z: `(N, D)`.
            level: 1 is all the way to u ~ N(0, I), 0 only whitens.

        Returns:
            `(N, D)`, in whitened coordinates.
        """
        return self._integrate(self.whiten(z), 1.0, 1.0 - _level(level))

    def from_noise(self, u: np.ndarray, level: float = 1.0) -> np.ndarray:
        """Takes noise `(N, D)` of a level, as `to_noise` gives it, to codes `(N, D)`."""
        u = np.atleast_2d(np.asarray(u, dtype=np.float32))
        return self.unwhiten(self._integrate(u, 1.0 - _level(level), 1.0))

    def path(
        self, a: np.ndarray, b: np.ndarray, frames: int | np.ndarray, level: float = 0.5
    ) -> np.ndarray:
        """Walks from one code to another along codes that are likely.

        Both ends go back to noise of the given level, an arc is taken there, and every point of
        it comes forward again. The higher the level, the likelier the middle, and the less of
        what both ends share is kept.

        Args:
            a: code `(D,)`.
            b: code `(D,)`.
            frames: how many points, or their positions (0 is `a`, 1 is `b`).
            level: 0…1, see `to_noise`.

        Returns:
            `(frames, D)`, both ends exact.
        """
        t = (
            np.linspace(0, 1, frames)
            if isinstance(frames, int | np.integer)
            else np.asarray(frames, np.float64)
        )
        u, v = self.to_noise(np.stack([a, b]), level)
        z = self.from_noise(np.asarray(slerp(u, v, t)), level)
        z[t == 0], z[t == 1] = a, b
        return z

    def log_density(self, z: np.ndarray, steps: int = STEPS, seed: int = 0) -> np.ndarray:
        r"""The log density of codes, in nats.

        log p(z) = log N(u; 0, I) − ∫ tr(∂v/∂x) dt − log |det root|, where u is the noise that
        flows to z. The trace is exact up to 64 dimensions, above them it is estimated with one
        random direction for each step (Hutchinson).

        Args:
            z: `(N, D)`.
            steps: of Heun's method.
            seed: of the random directions.

        Returns:
            `(N,)` float64.

        References:
            FFJORD (Grathwohl et al., 2019).
        """
        x = torch.from_numpy(self.whiten(z))
        spread = float(np.linalg.slogdet(self.root)[1])
        if self.field is None:
            return _standard_normal(x) - spread
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for part in x.split(max(1, 8_192 // min(self.dim, _EXACT))):
            u, gained = _back_with_trace(self.field, part, steps, generator)
            parts.append(_standard_normal(u) - gained.double().numpy())
        return np.concatenate(parts) - spread

    def percentile(self, z: np.ndarray) -> np.ndarray:
        """The share of held-out codes that are less likely than each code `(N, D)`: `(N,)`, 0…1.

        Raises:
            ValueError: no held-out codes were kept.
        """
        if self.held_out is None or not len(self.held_out):
            raise ValueError("This distribution was fitted without held-out codes to compare.")
        return np.searchsorted(self.held_out, self.log_density(z)) / len(self.held_out)

    @torch.no_grad()
    def _integrate(self, x: np.ndarray, start: float, end: float) -> np.ndarray:
        if self.field is None or start == end:
            return x
        steps = max(1, math.ceil(STEPS * abs(end - start)))
        h, state = (end - start) / steps, torch.from_numpy(np.ascontiguousarray(x, np.float32))
        for k in range(steps):
            state = _heun(self.field, state, start + k * h, h)
        return state.numpy()


def fit_codes(
    mean: np.ndarray,
    variance: np.ndarray | None = None,
    *,
    held_out: tuple[np.ndarray, np.ndarray | None] | None = None,
    steps: int = 9_000,
    seed: int = 0,
    progress: Callable[[float], object] = lambda share: None,
) -> CodeDistribution:
    """Fits the distribution of codes to the aggregate posterior.

    The velocity field is trained by flow matching on straight lines from noise to draws of
    q(z|x); held-out codes choose the weights that are kept. Four minutes for 9,000 steps on two
    cores; fewer codes take fewer steps.

    Args:
        mean: `(N, D)` posterior means; the codes themselves where there is nothing else.
        variance: `(N, D)` posterior variances; None or zeros for a standard autoencoder.
        held_out: mean and variance of codes that decide when to stop and what is usual; a tenth
            of the codes by default.
        steps: of training, at most.
        seed: of the weights, the draws and the noise.
        progress: told the share that is done, 0…1.

    Returns:
        A flow from 200 codes up, the fitted Gaussian below.

    Raises:
        ValueError: the codes are not finite, or there are none.
    """
    mean, variance = _checked(mean, variance)
    rng = np.random.default_rng(seed)
    if held_out is None:
        order = rng.permutation(len(mean))
        rest, kept = np.sort(order[len(mean) // 10 :]), np.sort(order[: len(mean) // 10])
        asked, asked_variance = mean[kept], variance[kept]
        mean, variance = mean[rest], variance[rest]
    else:
        asked, asked_variance = _checked(*held_out)
    centre, root = _aggregate(mean, variance)
    gaussian = CodeDistribution(centre, root)
    about: dict[str, Any] = {"codes": len(mean), "held_out_codes": len(asked), "seed": seed}
    if len(mean) < ENOUGH:
        return _with_figures(gaussian, mean, asked, about | {"kind": "gaussian"})
    inverse = torch.from_numpy(np.linalg.inv(root.astype(np.float64)).astype(np.float32))
    sampler = _Posterior(mean, variance, centre, inverse)
    judge = _Posterior(asked, asked_variance, centre, inverse) if len(asked) else sampler
    steps = min(steps, 600 + len(mean) * 2)
    field, found = _train(sampler, judge, mean.shape[1], steps, seed, progress)
    flow = CodeDistribution(centre, root, field)
    return _with_figures(flow, mean, asked, about | {"kind": "flow"} | found)


def save_code_distribution(folder: str | Path, distribution: CodeDistribution) -> None:
    """Writes `code-distribution.safetensors` into a checkpoint's folder; weights in 16 bits."""
    tensors = {
        "mean": torch.from_numpy(distribution.mean.astype(np.float32)),
        "root": torch.from_numpy(distribution.root.astype(np.float32)),
    }
    if distribution.held_out is not None:
        tensors["held_out"] = torch.from_numpy(distribution.held_out.astype(np.float32))
    shape: dict[str, int] = {}
    if distribution.field is not None:
        field = distribution.field
        shape = {"width": field.width, "blocks": len(field.blocks)}
        tensors |= {f"field.{k}": v.half() for k, v in _weights(field).items()}
    metadata = {"field": shape, "about": distribution.about or {}}
    write_tensors(Path(folder) / FILE, tensors, metadata)


def load_code_distribution(folder: str | Path) -> CodeDistribution | None:
    """Reads a checkpoint's distribution of codes; None where it has none.

    Raises:
        CheckpointError: naming the file, what was found and what was expected.
    """
    file = Path(folder) / FILE
    if not file.exists():
        return None
    arrays, metadata = read_tensors(file)
    try:
        mean, root = arrays["mean"], arrays["root"]
        shape, about = metadata["field"], metadata["about"]
        dim = mean.shape[0]
        sound = mean.shape == (dim,) and root.shape == (dim, dim) and isinstance(about, dict)
        if not sound or np.linalg.matrix_rank(root) < dim:
            raise ValueError(f"mean {mean.shape} and root {root.shape} do not fit")
        field = None
        if shape:
            width, blocks = shape["width"], shape["blocks"]
            if not (type(width) is int and 1 <= width <= 4_096):
                raise ValueError(f"width is {width!r}")
            if not (type(blocks) is int and 0 <= blocks <= 64):
                raise ValueError(f"blocks is {blocks!r}")
            field = VelocityField(dim, width, blocks)
            weights = {
                k.removeprefix("field."): torch.from_numpy(v).float()
                for k, v in arrays.items()
                if k.startswith("field.")
            }
            field.load_state_dict(weights | {"frequencies": field.frequencies})
            field.eval().requires_grad_(False)
    except (KeyError, TypeError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
        raise CheckpointError(
            f"{file}: not a distribution of codes ({error}); "
            "fit it again: python -m vae fit-codes tells how."
        ) from error
    held_out = arrays.get("held_out")
    return CodeDistribution(
        mean, root, field, None if held_out is None else np.sort(held_out.ravel()), about
    )


# The fit ---


class _Posterior:
    """Draws whitened codes from the aggregate posterior."""

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


def _train(
    sampler: _Posterior,
    judge: _Posterior,
    dim: int,
    steps: int,
    seed: int,
    progress: Callable[[float], object],
) -> tuple[VelocityField, dict[str, Any]]:
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        field = VelocityField(dim)
    average = VelocityField(dim)
    average.load_state_dict(field.state_dict())
    average.requires_grad_(False)
    optimiser = torch.optim.Adam(field.parameters(), lr=1e-3, betas=(0.9, 0.99))
    best: tuple[float, int, dict[str, Tensor]] = (math.inf, 0, {})
    every = max(1, steps // _CHECKS)
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
        loss = _loss(field, sampler.draw(_BATCH, generator), generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        decay = min(_DECAY, step / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(field.parameters()), 1 - decay)
        if step % every == 0 or step == steps:
            asked = torch.Generator().manual_seed(seed + 1)  # the same draws every time
            with torch.no_grad():
                found = float(_loss(average, judge.draw(8_192, asked), asked))
            if found < best[0]:
                best = found, step, {k: v.clone() for k, v in average.state_dict().items()}
        progress(step / steps)
    average.load_state_dict(best[2])
    average.eval()
    return average, {"steps": steps, "best_step": best[1], "held_out_loss": best[0]}


def _loss(field: VelocityField, codes: Tensor, generator: torch.Generator) -> Tensor:
    """Flow matching on straight lines from noise to code, with logit-normal times."""
    noise = torch.randn(codes.shape, generator=generator)
    t = torch.randn(len(codes), generator=generator).sigmoid()
    x = (1 - t[:, None]) * noise + t[:, None] * codes
    return (field(x, t) - (codes - noise)).square().mean()


def _with_figures(
    distribution: CodeDistribution, mean: np.ndarray, asked: np.ndarray, about: dict[str, Any]
) -> CodeDistribution:
    """Adds what the card says: how likely held-out codes are, and that it does not remember."""
    some = np.linspace(0, len(mean) - 1, min(1_000, len(mean))).astype(int)
    held_out = np.sort(distribution.log_density(asked[:2_000])) if len(asked) else None
    about = about | {
        "log_density_training": float(np.median(distribution.log_density(mean[some])))
    }
    if held_out is not None:
        draws = distribution.sample(min(1_000, 5 * len(asked)), seed=1)
        about |= {
            "log_density_held_out": float(np.median(held_out)),
            "log_density_draws": float(np.median(distribution.log_density(draws))),
            "nearest_of_draws": float(np.median(_nearest(mean, draws))),
            "nearest_of_held_out": float(np.median(_nearest(mean, asked[:1_000]))),
        }
    return CodeDistribution(
        distribution.mean, distribution.root, distribution.field, held_out, about
    )


def _nearest(codes: np.ndarray, z: np.ndarray) -> np.ndarray:
    tree = torch.from_numpy(np.asarray(codes, np.float32))
    parts = torch.from_numpy(np.asarray(z, np.float32)).split(256)
    return torch.cat([torch.cdist(part, tree).amin(1) for part in parts]).numpy()


def _aggregate(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean `(D,)` and a root `(D, D)` of the covariance of the aggregate posterior."""
    wide = mean.astype(np.float64)
    centre = wide.mean(0)
    covariance = (wide - centre).T @ (wide - centre) / len(wide)
    covariance += np.diag(variance.astype(np.float64).mean(0))
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, max(_WHITE_FLOOR * values.max(), 1e-12))
    root = (
        vectors * np.sqrt(values)
    ) @ vectors.T  # symmetric: whitening turns as little as it can
    return centre.astype(np.float32), root.astype(np.float32)


def _checked(mean: np.ndarray, variance: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    mean = np.asarray(mean, dtype=np.float32)
    variance = np.zeros_like(mean) if variance is None else np.asarray(variance, np.float32)
    if mean.ndim != 2 or not mean.size or variance.shape != mean.shape:
        raise ValueError(
            f"Means have shape {mean.shape} and variances {variance.shape}; expected (N, D) each."
        )
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
        raise ValueError("Some codes are not finite; expected finite means, variances above 0.")
    return mean, variance


def _level(level: float) -> float:
    if not 0 <= level <= 1:
        raise ValueError(f"level is {level!r}; expected a number from 0 to 1.")
    return float(level)


# The flow ---


def _heun(field: VelocityField, x: Tensor, t: float, h: float) -> Tensor:
    first = field(x, x.new_full((len(x),), t))
    second = field(x + h * first, x.new_full((len(x),), t + h))
    return x + h / 2 * (first + second)


def _back_with_trace(
    field: VelocityField, x: Tensor, steps: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Noise `(N, D)` of whitened codes and the integral `(N,)` of the trace on the way."""
    h, gained = -1.0 / steps, torch.zeros(len(x))
    for k in range(steps):
        t = 1.0 + k * h
        direction = None
        if x.shape[1] > _EXACT:
            direction = torch.randn(x.shape, generator=generator).sign()
        first, trace = _velocity_and_trace(field, x, t, direction)
        second, trace_after = _velocity_and_trace(field, x + h * first, t + h, direction)
        x = x + h / 2 * (first + second)
        gained = gained - h / 2 * (trace + trace_after)
    return x, gained


@torch.no_grad()
def _velocity_and_trace(
    field: VelocityField, x: Tensor, t: float, direction: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Velocity `(N, D)` and the trace `(N,)` of its Jacobian, along one direction if it is given.

    The derivative goes forward with the values, for all directions at once, by the chain rule.
    """
    time = x.new_full((len(x),), t)
    if direction is None:
        directions = torch.eye(x.shape[1]).expand(len(x), -1, -1)  # (N, K, D)
    else:
        directions = direction[:, None]
    h, dh = field.enter(x, time), directions @ field.inward.weight[:, : x.shape[1]].T
    for block in field.blocks:
        first, second = (layer for layer in block.children() if isinstance(layer, nn.Linear))
        inner = first(nn.functional.silu(h))
        d_inner = (dh * _silu_slope(h)[:, None]) @ first.weight.T
        dh = dh + (d_inner * _silu_slope(inner)[:, None]) @ second.weight.T
        h = h + second(nn.functional.silu(inner))
    velocity = field.outward(nn.functional.silu(h))
    derivative = (dh * _silu_slope(h)[:, None]) @ field.outward.weight.T
    return velocity, (derivative * directions).sum((1, 2))


def _silu_slope(h: Tensor) -> Tensor:
    gate = h.sigmoid()
    return gate * (1 + h * (1 - gate))


def _standard_normal(u: Tensor) -> np.ndarray:
    u = u.double()
    return (-0.5 * (u.square() + math.log(2 * math.pi)).sum(1)).numpy()


def _weights(field: VelocityField) -> dict[str, Tensor]:
    return {k: v for k, v in field.state_dict().items() if k != "frequencies"}

"""The learned distribution of a model's codes: samples, densities and paths inside the data.

The KL pulls codes towards N(0, I), but the aggregate posterior differs from it, so decoded samples
of N(0, I) often look unlike the data. A small flow that is fitted to the aggregate posterior in a
second stage corrects this. It leads from noise u ~ N(0, I) at time 0 to a code z at time 1 along
dx/dt = v(x, t), where x is the code, whitened by the mean and covariance of the aggregate
posterior. If there are too few codes for a flow, v = 0, which gives the fitted Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .flow import EXACT, STEPS, VelocityField, back_with_trace, follow
from .latent import LARGEST_CODE, slerp
from .tensors import CheckpointError, read_tensors, write_tensors

__all__ = [
    "EDGE",
    "FILE",
    "INSIDE",
    "LEVEL",
    "CodeDistribution",
    "load_code_distribution",
    "save_code_distribution",
]

FILE = "code-distribution.safetensors"
LEVEL = 0.4  # default noise level of a path: its middle is likely, and shared attributes stay
_PROBED = 8  # draws that tell whether a file is sound


INSIDE = 0.05
"""Share of the held-out codes that are less likely than a code inside the data, at least."""
EDGE = 0.01
"""The same at the edge of the data; a code below is outside."""


@dataclass(frozen=True, eq=False)
class CodeDistribution:
    """The distribution of a model's codes.

    Args:
        mean: mean of the aggregate posterior, `(D,)`.
        root: root of its covariance, `(D, D)`: x ↦ mean + root x reverts whitening.
        field: velocity of the flow in whitened coordinates; None for the fitted Gaussian.
        held_out: sorted log densities `(M,)` in nats of draws from q(z|x) for held-out images,
            with which codes are compared.
        about: metrics of the fit for the card: numbers of codes and steps, losses, log densities
            of training and held-out codes, distances of samples to the nearest training code.

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
        """The number of latent dimensions, D."""
        return len(self.mean)

    @property
    def learned(self) -> bool:
        """Whether a flow was fitted, rather than a Gaussian."""
        return self.field is not None

    def whiten(self, z: np.ndarray) -> np.ndarray:
        """Whitened coordinates of codes `(N, D)`, float32."""
        centred = (np.atleast_2d(z) - self.mean).astype(np.float64)
        return np.linalg.solve(self.root.astype(np.float64), centred.T).T.astype(np.float32)

    def unwhiten(self, x: np.ndarray) -> np.ndarray:
        """Codes `(N, D)` of whitened coordinates, float32."""
        return (self.mean + np.atleast_2d(x) @ self.root.T).astype(np.float32)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Draws codes `(n, D)`; the first ones of a seed do not depend on `n`."""
        return self.from_noise(np.random.default_rng(seed).standard_normal((n, self.dim)))

    def to_noise(self, z: np.ndarray, level: float = 1.0) -> np.ndarray:
        """Follows the flow from codes backwards to a level of noise.

        Args:
            z: codes `(N, D)`.
            level: 1 follows the flow to u ~ N(0, I), 0 only whitens.

        Returns:
            Points `(N, D)` in whitened coordinates.
        """
        return self._follow(self.whiten(z), 1.0, 1.0 - _level(level))

    def from_noise(self, u: np.ndarray, level: float = 1.0, until: float = 1.0) -> np.ndarray:
        """Follows the flow from a level of noise to codes.

        Args:
            u: points `(N, D)`, the output of `to_noise`.
            level: level of the noise, see `to_noise`.
            until: time at which to stop, between 1 − level and 1; before 1 the result is an
                intermediate point.

        Returns:
            Codes `(N, D)`.
        """
        u = np.atleast_2d(np.asarray(u, dtype=np.float32))
        return self.unwhiten(self._follow(u, 1.0 - _level(level), until))

    def path(
        self, a: np.ndarray, b: np.ndarray, frames: int | np.ndarray, level: float = LEVEL
    ) -> np.ndarray:
        """Interpolates between two codes along likely codes.

        Both endpoints are taken back to noise of the given level, where they are interpolated
        spherically, and every point is taken forward again. A higher level makes the middle more
        likely, but preserves less of what both endpoints have in common.

        Args:
            a: code `(D,)`.
            b: code `(D,)`.
            frames: number of points, or their positions (0 is `a`, 1 is `b`).
            level: level of the noise, 0…1, see `to_noise`.

        Returns:
            Codes `(frames, D)`, including both endpoints exactly.
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
        """Computes the log density of codes, see `estimate_log_density`.

        Args:
            z: codes `(N, D)`.
            steps: number of steps of Heun's method.
            seed: seed of the random directions.

        Returns:
            Log densities in nats `(N,)`, float64.
        """
        return self.estimate_log_density(z, steps, seed)[0]

    def estimate_log_density(
        self, z: np.ndarray, steps: int = STEPS, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""Computes the log density of codes and its standard error, in nats.

        log p(z) = log N(u; 0, I) − ∫ tr(∂v/∂x) dt − log |det root|, where u is the noise that
        flows to z. The trace is exact for up to 64 dimensions; for more it is estimated with
        eight random directions for each step (Hutchinson).

        Args:
            z: codes `(N, D)`.
            steps: number of steps of Heun's method.
            seed: seed of the random directions.

        Returns:
            Log densities `(N,)` and their standard errors `(N,)`, float64; the errors are 0
            for up to 64 dimensions.

        References:
            FFJORD (Grathwohl et al., 2019).
        """
        x = torch.from_numpy(self.whiten(z))
        spread = float(np.linalg.slogdet(self.root)[1])
        if self.field is None:
            return _standard_normal(x) - spread, np.zeros(len(x))
        generator = torch.Generator().manual_seed(seed)
        densities, errors = [], []
        for part in x.split(max(1, 8_192 // min(self.dim, EXACT))):
            u, gained, variance = back_with_trace(self.field, part, steps, generator)
            densities.append(_standard_normal(u) - gained.double().numpy())
            errors.append(variance.sqrt().double().numpy())
        return np.concatenate(densities) - spread, np.concatenate(errors)

    def percentile(self, z: np.ndarray, steps: int = STEPS) -> np.ndarray:
        """The share of held-out codes that are less likely than each code, 0…1 `(N,)`.

        Args:
            z: codes `(N, D)`.
            steps: number of steps of Heun's method, as in `log_density`. With 16, percentiles of
                the shipped faces are within 0.02 of those with 64; with 8, within 0.09.

        Raises:
            ValueError: if the distribution was fitted without held-out codes.
        """
        if self.held_out is None or not len(self.held_out):
            raise ValueError("This distribution was fitted without held-out codes to compare.")
        return np.searchsorted(self.held_out, self.log_density(z, steps)) / len(self.held_out)

    def _follow(self, x: np.ndarray, start: float, end: float) -> np.ndarray:
        if self.field is None or start == end:
            return x
        return follow(self.field, torch.from_numpy(np.ascontiguousarray(x)), start, end).numpy()


def save_code_distribution(folder: str | Path, distribution: CodeDistribution) -> None:
    """Writes `code-distribution.safetensors` to a checkpoint's folder, with weights in 16 bits."""
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
    """Reads a checkpoint's distribution of codes, or returns None if it has none.

    Raises:
        CheckpointError: if the file is damaged; the message names it and the remedy.
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
        with np.errstate(all="ignore"):  # numbers may be as large as numbers are
            sound = sound and np.linalg.matrix_rank(root) == dim
        if not sound:
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
        held_out = arrays.get("held_out")
        distribution = CodeDistribution(
            mean, root, field, None if held_out is None else np.sort(held_out.ravel()), about
        )
        with np.errstate(all="ignore"):
            largest = np.abs(distribution.sample(_PROBED)).max()
        if not largest <= LARGEST_CODE:  # true for nan
            raise ValueError(f"its draws reach {largest:.0e}, expected at most {LARGEST_CODE:,}")
    except (KeyError, TypeError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
        raise CheckpointError(
            f"{file}: not a distribution of codes ({error}); "
            "fit it again with python -m vae fit-codes."
        ) from error
    return distribution


def _level(level: float) -> float:
    if not 0 <= level <= 1:
        raise ValueError(f"level is {level!r}; expected a number from 0 to 1.")
    return float(level)


def _standard_normal(u: Tensor) -> np.ndarray:
    u = u.double()
    return (-0.5 * (u.square() + math.log(2 * math.pi)).sum(1)).numpy()


def _weights(field: VelocityField) -> dict[str, Tensor]:
    return {k: v for k, v in field.state_dict().items() if k != "frequencies"}

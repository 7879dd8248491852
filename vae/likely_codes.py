"""Arithmetic on codes that stays inside the data: blends, completions, corrections of edits.

An average of codes shrinks towards the mean, where no codes lie in high dimensions. Each function
here computes at an intermediate level of noise, where the norm of an average can be corrected, and
then follows the flow forwards again.
"""

from __future__ import annotations

import numpy as np
import torch

from .code_distribution import LEVEL, CodeDistribution
from .flow import STEPS, follow

__all__ = ["LEVELS", "blend", "bring_back", "complete", "directions_in_noise", "traverse"]

LEVELS = (0.2, 0.3, 0.4, 0.5, 0.7)  # levels of noise that `bring_back` tries


def blend(
    distribution: CodeDistribution, codes: np.ndarray, weights: np.ndarray, level: float = LEVEL
) -> np.ndarray:
    """Blends codes so that the blend is as likely as the codes themselves.

    The codes are taken back to noise of the given level and averaged there. The average is scaled
    to their mean norm, and taken forward again.

    Args:
        distribution: distribution of the codes.
        codes: codes `(K, D)`.
        weights: nonnegative weights `(N, K)`, or `(K,)` for one blend, whose rows sum to 1.
        level: level of the noise, 0…1, see `CodeDistribution.to_noise`.

    Returns:
        Blends `(N, D)`, float32; a blend with all weight on one code is that code.

    Raises:
        ValueError: if the shapes of weights and codes differ, or a row does not sum to 1.

    References:
        Flow matching for generative modeling (Lipman et al., 2023).
    """
    codes = np.atleast_2d(np.asarray(codes, dtype=np.float32))
    weights = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if weights.shape[1] != len(codes):
        raise ValueError(
            f"There are weights {weights.shape} for codes {codes.shape}; expected a weight for "
            "each code in every row."
        )
    if (weights < 0).any() or not np.allclose(weights.sum(1), 1, atol=1e-4):
        raise ValueError(
            "A row of weights has a negative weight or another sum than 1; expected weights of 0 "
            "or more that add up to 1."
        )
    u = distribution.to_noise(codes, level).astype(np.float64)
    mean, length = weights @ u, weights @ np.linalg.norm(u, axis=1)
    now = np.linalg.norm(mean, axis=1)
    mean *= (length / np.maximum(now, 1e-12))[:, None]
    z = distribution.from_noise(mean, level)
    whole = weights.argmax(1)
    alone = weights.max(1) == 1
    z[alone] = codes[whole[alone]]
    return z


def directions_in_noise(
    distribution: CodeDistribution, directions: np.ndarray, level: float = LEVEL
) -> np.ndarray:
    """Converts directions of codes to directions of their noise at a level.

    Args:
        distribution: distribution of the codes.
        directions: directions `(K, D)`, for example one standard deviation of the codes long.
        level: level of the noise, 0…1, see `CodeDistribution.to_noise`.

    Returns:
        Directions `(K, D)`, whose norm relative to noise equals that relative to codes before.
    """
    whitened = distribution.whiten(distribution.mean + np.atleast_2d(directions))
    return whitened * np.float32(np.hypot(level, 1 - level))


def traverse(
    distribution: CodeDistribution,
    base: np.ndarray,
    directions: np.ndarray,
    steps: np.ndarray,
    level: float = LEVEL,
) -> np.ndarray:
    """Moves a code along directions and stays inside the data.

    The steps are taken in noise of the given level, where each point is scaled to the norm of the
    starting point, and then taken forward again.

    Args:
        distribution: distribution of the codes.
        base: starting point `(D,)`.
        directions: directions `(K, D)`.
        steps: step along each direction, `(N, K)`.
        level: level of the noise, 0…1, see `CodeDistribution.to_noise`.

    Returns:
        Codes `(N, D)`, float32.
    """
    u = distribution.to_noise(base, level)
    moved = u + np.atleast_2d(steps) @ directions_in_noise(distribution, directions, level)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return distribution.from_noise(moved * np.linalg.norm(u) / np.maximum(lengths, 1e-12), level)


def complete(
    distribution: CodeDistribution,
    z: np.ndarray,
    shown: np.ndarray,
    noise: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> np.ndarray:
    """Completes codes of which only the components along some directions are given.

    The flow is integrated from noise to codes. Meanwhile the given components are kept on the
    straight line from their noise to their values, so that all other components adapt to them.
    Codes depend continuously on the given components: similar ones with the same noise give
    similar pictures.

    Args:
        distribution: distribution of the codes.
        z: codes `(N, D)`, of which only `shown @ z` is used.
        shown: directions of the given components, `(K, D)`.
        noise: noise at which the flow starts, `(D,)` or `(N, D)`; by default a draw that is the
            same for all codes.
        seed: seed of the noise.

    Returns:
        Codes `(N, D)`, float32, with the given components.

    Raises:
        ValueError: if the directions do not match the codes, or are linearly dependent.

    References:
        RePaint: Inpainting using denoising diffusion probabilistic models (Lugmayr et al., 2022).
    """
    z = np.atleast_2d(np.asarray(z, dtype=np.float32))
    shown = np.atleast_2d(np.asarray(shown, dtype=np.float64))
    if shown.shape[1] != z.shape[1] or np.linalg.matrix_rank(shown) < len(shown):
        raise ValueError(
            f"The directions have shape {shown.shape} for codes {z.shape}; expected independent "
            "directions (K, D)."
        )
    drawn = np.random.default_rng(seed).standard_normal((1, z.shape[1]))
    basis = np.linalg.qr(distribution.root.T.astype(np.float64) @ shown.T)[0].astype(np.float32)
    kept = torch.from_numpy(basis @ basis.T)  # in whitened coordinates
    x = torch.from_numpy(
        np.broadcast_to(drawn if noise is None else noise, z.shape).astype(np.float32)
    )
    goal = torch.from_numpy(distribution.whiten(z)) @ kept
    start = x @ kept
    for k in range(STEPS):
        t, end = k / STEPS, (k + 1) / STEPS
        if distribution.field is not None:
            x = follow(distribution.field, x, t, end)
        x = x + ((1 - end) * start + end * goal) - x @ kept
    return distribution.unwhiten(x.numpy())


def bring_back(
    distribution: CodeDistribution, start: np.ndarray, edited: np.ndarray, least: float = 0.05
) -> tuple[np.ndarray, float]:
    """Brings an edited code back to the data and preserves the edit as far as possible.

    The noise of the edited code at a level is shortened to the norm of the starting point's, and
    taken forward again. The lowest level at which the code becomes likely enough is used, because
    higher levels change more than the edit intends.

    Args:
        distribution: distribution of the codes, fitted with held-out codes.
        start: code before the edit, `(D,)`.
        edited: code after the edit, `(D,)`.
        least: smallest share of held-out codes that must be less likely, 0…1.

    Returns:
        The code `(D,)`, float32, and its level; if no level makes it likely enough, the one that
        makes it most likely.

    Raises:
        ValueError: if the distribution was fitted without held-out codes.
    """
    pair = np.stack([start, edited])
    best, taken, likeliest = pair[1], LEVELS[0], -1.0
    for level in LEVELS:
        before, after = distribution.to_noise(pair, level)
        norms = float(np.linalg.norm(before)), float(np.linalg.norm(after))
        shrunk = min(1.0, norms[0] / max(norms[1], 1e-12))
        z = distribution.from_noise(shrunk * after, level)[0]
        share = float(distribution.percentile(z[None])[0])
        if share > likeliest:
            best, taken, likeliest = z, level, share
        if share >= least:
            break
    return best, taken

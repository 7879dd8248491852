"""Codes that stay with the data: blends, places of a plane completed, edits brought back.

An average of codes shrinks towards the mean, where in many dimensions no code lies. Each function
here does its arithmetic part of the way back to noise, where an average can be given the length
that noise has, and follows the flow forwards again.
"""

from __future__ import annotations

import numpy as np
import torch

from .code_distribution import LEVEL, CodeDistribution
from .flow import STEPS, follow

__all__ = ["LEVELS", "blend", "bring_back", "complete", "directions_in_noise", "traverse"]

_STEPS = 8  # of a log density
LEVELS = (0.2, 0.3, 0.4, 0.5, 0.7)  # tried to bring a code back


def blend(
    distribution: CodeDistribution, codes: np.ndarray, weights: np.ndarray, level: float = LEVEL
) -> np.ndarray:
    """Blends codes so that the blend is as likely as what it is made of.

    The codes go back to noise of the given level and are averaged there. The average gets the
    length that they have on average, and comes forward again.

    Args:
        distribution: of the codes.
        codes: `(K, D)`.
        weights: `(N, K)`, or `(K,)` for one blend; not negative, each row adding up to 1.
        level: 0…1, see `CodeDistribution.to_noise`.

    Returns:
        `(N, D)` float32; a blend with the whole weight on one code is that code.

    Raises:
        ValueError: weights and codes do not fit, or a row of weights does not add up to 1.

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
        raise ValueError("Each row of weights should be 0 or more and add up to 1.")
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
    """Turns directions of the codes into directions of their noise at a level.

    Args:
        distribution: of the codes.
        directions: `(K, D)`, such as a standard deviation of the codes along each.
        level: 0…1, see `CodeDistribution.to_noise`.

    Returns:
        `(K, D)`, as long beside the noise of that level as the directions are beside the codes.
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
    """Goes from a code along directions, and stays with the data.

    The directions are followed in noise of the level, where each place gets the length that the
    start has, and comes forward again.

    Args:
        distribution: of the codes.
        base: the start, `(D,)`.
        directions: `(K, D)`.
        steps: `(N, K)`, how far along each.
        level: 0…1, see `CodeDistribution.to_noise`.

    Returns:
        `(N, D)` float32.
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
    """Completes places of which only some directions are known by drawing all the others.

    The flow carries noise to codes. On the way, what is shown is kept on the straight line from
    its own noise to what it should become, so that everything else adapts to it. Codes depend
    continuously on their places: near places with the same noise become similar pictures.

    Args:
        distribution: of the codes.
        z: `(N, D)`, of which only `shown @ z` counts.
        shown: `(K, D)` directions in which the codes are given.
        noise: `(D,)` or `(N, D)`, where the flow starts; by default drawn, the same for all.
        seed: of the noise.

    Returns:
        `(N, D)` float32, with `shown @` of it as in `z`.

    Raises:
        ValueError: the directions do not fit the codes, or depend on each other.

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
    if noise is None:
        noise = np.random.default_rng(seed).standard_normal(z.shape[1])
    basis = np.linalg.qr(distribution.root.T.astype(np.float64) @ shown.T)[0].astype(np.float32)
    kept = torch.from_numpy(basis @ basis.T)  # in whitened coordinates
    x = torch.from_numpy(np.broadcast_to(noise, z.shape).astype(np.float32))
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
    """Brings an edited code back to the data, and keeps as much of the edit as that allows.

    At a level, the noise of the edited code gets the length that the start's has, if it is
    longer, and comes forward again. The lowest level that makes the code likely enough is taken:
    the higher the level, the more changes that the edit does not ask for.

    Args:
        distribution: of the codes, with held-out codes to compare with.
        start: the code before the edit, `(D,)`.
        edited: the code after it, `(D,)`.
        least: share of the held-out codes that should be less likely, 0…1.

    Returns:
        The code `(D,)` float32, and the level that was taken: the one that makes it most likely
        where none makes it likely enough.

    Raises:
        ValueError: no held-out codes were kept.
    """
    pair = np.stack([start, edited])
    best, taken, likeliest = pair[1], LEVELS[0], -1.0
    for level in LEVELS:
        before, after = distribution.to_noise(pair, level)
        shrunk = min(1.0, float(np.linalg.norm(before) / max(np.linalg.norm(after), 1e-12)))
        z = distribution.from_noise(shrunk * after, level)[0]
        share = float(distribution.percentile(z[None], _STEPS)[0])
        if share > likeliest:
            best, taken, likeliest = z, level, share
        if share >= least:
            break
    return best, taken

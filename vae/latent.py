"""Geometry of the latent space: paths, planes, grids, neighbours. Arrays in, arrays out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

__all__ = [
    "NeighbourDistances",
    "bilinear",
    "density",
    "evenly",
    "grid",
    "intervals",
    "lerp",
    "neighbours",
    "plane",
    "slerp",
]

_ALMOST = 1e-6  # radians from parallel or opposite, where a rotation has no plane


def _weights(steps: int | np.ndarray) -> np.ndarray:
    t = (
        np.linspace(0, 1, steps)
        if isinstance(steps, int | np.integer)
        else np.asarray(steps, dtype=np.float64)
    )
    if t.ndim != 1 or len(t) == 0:
        raise ValueError(
            f"steps is {steps!r}; expected a count of at least 1 or a list of positions."
        )
    return t


def _pair(a: object, b: object) -> tuple[np.ndarray, np.ndarray, Tensor | None]:
    like = a if isinstance(a, Tensor) else None
    ends = [
        np.asarray(v.detach().cpu() if isinstance(v, Tensor) else v, dtype=np.float64)
        for v in (a, b)
    ]
    if ends[0].ndim != 1 or ends[0].shape != ends[1].shape:
        raise ValueError(
            f"The ends have shapes {ends[0].shape} and {ends[1].shape}; expected two codes (D,)."
        )
    return ends[0], ends[1], like


def _like(path: np.ndarray, like: Tensor | None) -> np.ndarray | Tensor:
    if like is None:
        return path.astype(np.float32)
    return like.new_tensor(path.tolist())


def lerp(a: object, b: object, steps: int | np.ndarray) -> np.ndarray | Tensor:
    """Walks the straight line from `a` to `b`, ends included and exact.

    Args:
        a: code `(D,)`, an array or a tensor; the answer is of its kind.
        b: code `(D,)`.
        steps: how many points, or their positions t (0 is `a`, 1 is `b`, outside overshoots).

    Returns:
        `(steps, D)`.
    """
    start, end, like = _pair(a, b)
    t = _weights(steps)[:, None]
    return _like((1 - t) * start + t * end, like)


def slerp(a: object, b: object, steps: int | np.ndarray) -> np.ndarray | Tensor:
    """Walks the arc from `a` to `b`: the direction turns evenly, the norm changes linearly.

    Rotating unit vectors and scaling apart keeps the norm bounded when the ends are of unequal
    length and nearly opposite, where the usual formula explodes. Falls back to `lerp` where the
    ends are parallel, opposite or zero. Overshooting goes on turning; a norm never falls below 0.

    Args:
        a: code `(D,)`, an array or a tensor; the answer is of its kind.
        b: code `(D,)`.
        steps: how many points, or their positions t (0 is `a`, 1 is `b`).

    Returns:
        `(steps, D)`, ends exact.

    References:
        Animating rotation with quaternion curves (Shoemake, 1985); Sampling generative networks
        (White, 2016).
    """
    start, end, like = _pair(a, b)
    norms = np.linalg.norm(start), np.linalg.norm(end)
    if min(norms) == 0:
        return lerp(a, b, steps)
    u, v = start / norms[0], end / norms[1]
    # atan2 of difference and sum stays accurate at both ends, arccos does not.
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if angle < _ALMOST or np.pi - angle < _ALMOST:
        return lerp(a, b, steps)
    t = _weights(steps)[:, None]
    turned = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    path = turned * np.maximum((1 - t) * norms[0] + t * norms[1], 0)
    path[t[:, 0] == 0], path[t[:, 0] == 1] = start, end
    return _like(path, like)


def bilinear(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Blends four codes as their places in a square say.

    Args:
        corners: `(4, D)`: top left, top right, bottom left, bottom right.
        at: `(N, 2)`: x to the right and y down, each 0 at the top left and 1 at the other end.

    Returns:
        `(N, D)`, exact in the corners.

    Raises:
        ValueError: if there are not four corners.
    """
    corners = np.asarray(corners, dtype=np.float64)
    if corners.ndim != 2 or len(corners) != 4:
        raise ValueError(f"The corners have shape {corners.shape}; expected four codes (4, D).")
    x, y = np.atleast_2d(np.asarray(at, dtype=np.float64)).T
    weights = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], 1)
    return (weights @ corners).astype(np.float32)


def plane(origin: np.ndarray, first: np.ndarray, second: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Places points of a plane in the latent space: origin + x · first + y · second.

    Args:
        origin: `(D,)`.
        first: `(D,)`, what one unit of x adds.
        second: `(D,)`, what one unit of y adds.
        at: `(N, 2)` positions on the plane.

    Returns:
        `(N, D)`.
    """
    at = np.atleast_2d(at)
    return np.asarray(origin) + at[:, :1] * np.asarray(first) + at[:, 1:] * np.asarray(second)


def grid(x: tuple[float, float], y: tuple[float, float], columns: int, rows: int) -> np.ndarray:
    """Lays a lattice over a rectangle of a plane, top row first, as a sheet is read.

    Args:
        x: left and right.
        y: bottom and top.
        columns: across.
        rows: down.

    Returns:
        `(rows * columns, 2)`.
    """
    across, down = np.linspace(*x, columns), np.linspace(y[1], y[0], rows)
    return np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """Picks at most so many of some rows `(N, …)`, evenly from the first to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]


def neighbours(codes: np.ndarray, z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the k nearest codes, in the latent space and not in a picture of it.

    Args:
        codes: `(N, D)`.
        z: `(M, D)` or `(D,)`.
        k: how many; at most N are returned.

    Returns:
        Rows `(M, k)` and Euclidean distances `(M, k)`, nearest first; without M for one `z`.

    Raises:
        ValueError: if `z` and the codes are of different dimensions.
    """
    z = np.asarray(z, dtype=np.float32)
    codes = np.asarray(codes, dtype=np.float32)
    single, z = z.ndim == 1, np.atleast_2d(z)
    if z.shape[1] != codes.shape[1]:
        raise ValueError(f"z has {z.shape[1]} dimensions; the codes have {codes.shape[1]}.")
    k = min(k, len(codes))
    rows, distances = [], []
    for query in z:
        squared = ((codes - query) ** 2).sum(1)
        near = np.argpartition(squared, k - 1)[:k]
        near = near[np.argsort(squared[near], kind="stable")]
        rows.append(near)
        distances.append(np.sqrt(squared[near]))
    return (rows[0], distances[0]) if single else (np.stack(rows), np.stack(distances))


LARGEST_CODE = 1_000_000  # of a code's numbers: far outside any data, and no layer overflows yet
UNJUDGED = "too few different images to judge that"
_FEWEST = 20  # codes: 95 % of fewer would be all of them


@dataclass(frozen=True)
class NeighbourDistances:
    """How far codes lie from their nearest neighbours: the scale of every other distance.

    Args:
        usual: Euclidean distance of a code from its nearest neighbour, the median; infinite where
            the codes are too few, or too many of them equal, to tell near from far.
        far: the same, the 95 % quantile: the radius within which data count as near.
    """

    usual: float
    far: float

    @classmethod
    def of(cls, codes: np.ndarray, sample: int = 500) -> NeighbourDistances:
        """Measures codes `(N, D)`, so many of them at most.

        Args:
            codes: `(N, D)`.
            sample: codes whose neighbour is searched, spread evenly.
        """
        unknown = cls(float("inf"), float("inf"))
        if len(codes) < _FEWEST:
            return unknown
        _, distances = neighbours(codes, evenly(np.asarray(codes), sample), 2)
        usual, far = np.quantile(distances[:, 1], (0.5, 0.95)).tolist()
        return cls(usual, far) if usual > 0 else unknown

    @property
    def judged(self) -> bool:
        """Whether near can be told from far."""
        return math.isfinite(self.usual)

    @property
    def zones(self) -> tuple[tuple[float, str], ...]:
        """Up to which distance from the nearest code a place counts as what, nearest first."""
        if not self.judged:
            return ((float("inf"), UNJUDGED),)
        return (
            (self.far, "inside the data"),
            (2 * self.far, "at the edge of the data"),
            (float("inf"), "far from any data"),
        )

    def describe(self, distance: float) -> str:
        """What a place at that distance from the nearest code counts as."""
        return next(zone for limit, zone in self.zones if distance <= limit)


def density(codes: np.ndarray, path: np.ndarray, radius: float) -> np.ndarray:
    """Counts the codes within a radius of each point of a path.

    Args:
        codes: `(N, D)`.
        path: `(M, D)`.
        radius: Euclidean, such as `NeighbourDistances.far`: where the count is 0, the path has
            left the data, farther from any code than most codes are from each other.

    Returns:
        `(M,)` int.
    """
    # Centred on the path, so that the squares stay small beside their differences.
    centre = np.asarray(path, dtype=np.float64).mean(0)
    points, all_ = np.asarray(path) - centre, np.asarray(codes) - centre
    squared = (points**2).sum(1)[:, None] + (all_**2).sum(1) - 2 * points @ all_.T
    return (squared <= radius**2 + 1e-9).sum(1)


def intervals(inside: np.ndarray, at: np.ndarray) -> list[tuple[float, float]]:
    """Finds where along a path something holds.

    Args:
        inside: bool `(M,)`, whether it holds at each point.
        at: `(M,)` positions of the points, rising.

    Returns:
        Start and end of each interval; between two points the border lies half-way.
    """
    at = np.asarray(at, dtype=np.float64)
    borders = np.r_[at[0], (at[1:] + at[:-1]) / 2, at[-1]]
    steps = np.diff(np.r_[0, np.asarray(inside, dtype=int), 0])
    begun, ended = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [(float(borders[i]), float(borders[j])) for i, j in zip(begun, ended, strict=True)]

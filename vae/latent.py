"""Geometry of the latent space: paths, planes, grids, neighbours. Arrays in, arrays out."""

from __future__ import annotations

import math
from collections.abc import Iterator
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

_MANY = 8  # points from which on their neighbours are searched together
_FEW = 4  # neighbours up to which they are searched one after another
_AT_ONCE = 4_000_000  # distances that are held at a time
_ALMOST = 1e-6  # radians from parallel or opposite, where the plane of rotation is undefined


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
    """Interpolates linearly from `a` to `b`, including both exactly.

    Args:
        a: code `(D,)`, an array or a tensor; the result is of the same type.
        b: code `(D,)`.
        steps: number of points, or their positions t (0 is `a`, 1 is `b`, others extrapolate).

    Returns:
        Points `(steps, D)`.
    """
    start, end, like = _pair(a, b)
    t = _weights(steps)[:, None]
    return _like((1 - t) * start + t * end, like)


def slerp(a: object, b: object, steps: int | np.ndarray) -> np.ndarray | Tensor:
    """Interpolates spherically from `a` to `b`, including both exactly.

    The direction rotates at a constant rate and the norm changes linearly. Rotating unit vectors
    and scaling them separately bounds the norm if the endpoints differ in length and are nearly
    opposite, where the usual formula diverges. For parallel, opposite or zero endpoints the
    interpolation is linear. Extrapolation continues the rotation, and norms stay at least 0.

    Args:
        a: code `(D,)`, an array or a tensor; the result is of the same type.
        b: code `(D,)`.
        steps: number of points, or their positions t (0 is `a`, 1 is `b`).

    Returns:
        Points `(steps, D)`.

    References:
        Animating rotation with quaternion curves (Shoemake, 1985); Sampling generative networks
        (White, 2016).
    """
    start, end, like = _pair(a, b)
    norms = np.linalg.norm(start), np.linalg.norm(end)
    if min(norms) == 0:
        return lerp(a, b, steps)
    u, v = start / norms[0], end / norms[1]
    # atan2 of difference and sum is accurate for small and large angles, unlike arccos.
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if angle < _ALMOST or np.pi - angle < _ALMOST:
        return lerp(a, b, steps)
    t = _weights(steps)[:, None]
    turned = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    path = turned * np.maximum((1 - t) * norms[0] + t * norms[1], 0)
    path[t[:, 0] == 0], path[t[:, 0] == 1] = start, end
    return _like(path, like)


def bilinear(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolates bilinearly between four codes.

    Args:
        corners: codes `(4, D)`: top left, top right, bottom left, bottom right.
        at: positions `(N, 2)` in 0…1, x to the right and y down.

    Returns:
        Codes `(N, D)`, exact in the corners.

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
    """Maps positions on a plane to codes: origin + x · first + y · second.

    Args:
        origin: code at the origin of the plane, `(D,)`.
        first: vector of one unit of x, `(D,)`.
        second: vector of one unit of y, `(D,)`.
        at: positions on the plane, `(N, 2)`.

    Returns:
        Codes `(N, D)`.
    """
    at = np.atleast_2d(at)
    return np.asarray(origin) + at[:, :1] * np.asarray(first) + at[:, 1:] * np.asarray(second)


def grid(x: tuple[float, float], y: tuple[float, float], columns: int, rows: int) -> np.ndarray:
    """Positions of a lattice over a rectangle, row by row from the top left.

    Args:
        x: left and right edge.
        y: bottom and top edge.
        columns: number of columns.
        rows: number of rows.

    Returns:
        Positions `(rows * columns, 2)`.
    """
    across, down = np.linspace(*x, columns), np.linspace(y[1], y[0], rows)
    return np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """Selects at most `most` of the rows `(N, …)`, evenly spaced from the first to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]


def neighbours(codes: np.ndarray, z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the k nearest codes by distance in the latent space.

    Args:
        codes: codes `(N, D)`.
        z: points `(M, D)` or `(D,)`.
        k: number of neighbours; at most N are returned.

    Returns:
        Rows `(M, k)` and Euclidean distances `(M, k)`, nearest first; `(k,)` for a single point.

    Raises:
        ValueError: if `z` and the codes have different dimensions.
    """
    z = np.asarray(z, dtype=np.float32)
    codes = np.asarray(codes, dtype=np.float32)
    single, z = z.ndim == 1, np.atleast_2d(z)
    if z.shape[1] != codes.shape[1]:
        raise ValueError(f"z has {z.shape[1]} dimensions; the codes have {codes.shape[1]}.")
    k = min(k, len(codes))
    found = [_nearest(codes, query, k) for query in z] if len(z) < _MANY else _of_many(codes, z, k)
    rows, distances = zip(*found, strict=True)
    return (rows[0], distances[0]) if single else (np.stack(rows), np.stack(distances))


def _nearest(codes: np.ndarray, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    squared = ((codes - query) ** 2).sum(1)
    near = np.argpartition(squared, k - 1)[:k]
    near = near[np.argsort(squared[near], kind="stable")]
    return near, np.sqrt(squared[near])


def _of_many(codes: np.ndarray, z: np.ndarray, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The nearest codes of many points: found by products of matrices, then measured exactly."""
    centre = codes.mean(0, dtype=np.float64)  # products of centred codes do not cancel
    points, known = z - centre, codes - centre
    squares = np.square(known).sum(1)
    step = max(1, _AT_ONCE // len(codes))
    for start in range(0, len(z), step):
        part = squares - 2 * points[start : start + step] @ known.T
        near = _smallest(part, k)
        for query, rows in zip(z[start : start + step], np.sort(near), strict=True):
            order, distances = _nearest(codes[rows], query, k)
            yield rows[order], distances


def _smallest(values: np.ndarray, k: int) -> np.ndarray:
    """Columns `(M, k)` of the smallest values `(M, N)` of each row, which may be changed."""
    if k > _FEW:
        return np.argpartition(values, k - 1, axis=1)[:, :k]
    found = np.empty((len(values), k), np.int64)
    for place in range(k):  # several passes are quicker than one that sorts
        found[:, place] = values.argmin(1)
        np.put_along_axis(values, found[:, place : place + 1], np.inf, 1)
    return found


LARGEST_CODE = 1_000_000  # bound on the entries of a code: far outside any data, without overflow
UNJUDGED = "too few different images to judge that"
_FEWEST = 20  # codes; the 95 % quantile of fewer is not meaningful


@dataclass(frozen=True)
class NeighbourDistances:
    """Distances of codes from their nearest neighbours: the scale of all other distances.

    Args:
        usual: median Euclidean distance of a code from its nearest neighbour; infinite if there
            are too few distinct codes to judge distances.
        far: 95 % quantile of the same distances: the radius within which a point is in the data.
    """

    usual: float
    far: float

    @classmethod
    def of(cls, codes: np.ndarray, sample: int = 500) -> NeighbourDistances:
        """Measures the distances of codes from their nearest neighbours.

        Args:
            codes: codes `(N, D)`.
            sample: largest number of codes whose neighbours are searched, evenly spaced.
        """
        unknown = cls(float("inf"), float("inf"))
        if len(codes) < _FEWEST:
            return unknown
        _, distances = neighbours(codes, evenly(np.asarray(codes), sample), 2)
        usual, far = np.quantile(distances[:, 1], (0.5, 0.95)).tolist()
        return cls(usual, far) if usual > 0 else unknown

    @property
    def judged(self) -> bool:
        """Whether there are enough distinct codes to judge distances."""
        return math.isfinite(self.usual)

    @property
    def zones(self) -> tuple[tuple[float, str], ...]:
        """Pairs of an upper distance from the nearest code and its description, nearest first."""
        if not self.judged:
            return ((float("inf"), UNJUDGED),)
        return (
            (self.far, "inside the data"),
            (2 * self.far, "at the edge of the data"),
            (float("inf"), "far from any data"),
        )

    def describe(self, distance: float) -> str:
        """The description of a point at a distance from the nearest code."""
        return next(zone for limit, zone in self.zones if distance <= limit)


def density(codes: np.ndarray, path: np.ndarray, radius: float) -> np.ndarray:
    """Counts the codes within a radius of each point of a path.

    Args:
        codes: codes `(N, D)`.
        path: points `(M, D)`.
        radius: Euclidean radius, such as `NeighbourDistances.far`: a count of 0 then means that
            the path has left the data.

    Returns:
        Counts `(M,)`, int.
    """
    # Centred on the path to avoid cancellation in the squared distances.
    centre = np.asarray(path, dtype=np.float64).mean(0)
    points, all_ = np.asarray(path) - centre, np.asarray(codes) - centre
    squared = (points**2).sum(1)[:, None] + (all_**2).sum(1) - 2 * points @ all_.T
    return (squared <= radius**2 + 1e-9).sum(1)


def intervals(inside: np.ndarray, at: np.ndarray) -> list[tuple[float, float]]:
    """Finds the intervals of a path on which a condition holds.

    Args:
        inside: whether the condition holds at each point, bool `(M,)`.
        at: increasing positions of the points, `(M,)`.

    Returns:
        Start and end of each interval; boundaries lie half-way between two points.
    """
    at = np.asarray(at, dtype=np.float64)
    borders = np.r_[at[0], (at[1:] + at[:-1]) / 2, at[-1]]
    steps = np.diff(np.r_[0, np.asarray(inside, dtype=int), 0])
    begun, ended = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [(float(borders[i]), float(borders[j])) for i, j in zip(begun, ended, strict=True)]

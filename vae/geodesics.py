"""Shortest curves under a decoder's own metric: what is a short way in pictures, not in codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize  # torch's L-BFGS imports its compiler: 2 seconds, 150 MB
from threadpoolctl import threadpool_limits
from torch import Tensor

from .model import VAE

__all__ = ["curve_length", "follow", "pictures_of", "shortest_curve"]

Surface = Callable[[Tensor], Tensor]
_HISTORY = 12  # steps that L-BFGS remembers


def pictures_of(model: VAE) -> Surface:
    r"""The surface that a decoder draws: pictures as a function of codes.

    A Gaussian decoder has a standard deviation for every pixel beside the mean. The metric
    J_μᵀJ_μ + J_σᵀJ_σ is then the expectation of that of its random pictures.

    Args:
        model: model whose decoder can be differentiated.

    Returns:
        A function from codes `(N, D)` to vectors `(N, P)` of pixels in [0, 1], and deviations.

    References:
        Latent space oddity: on the curvature of deep generative models (Arvanitidis et al., 2018).
    """
    gaussian = model.config.likelihood == "gaussian"

    def surface(z: Tensor) -> Tensor:
        likelihood = model.decoder(z)
        parts = [likelihood.mean, likelihood.stddev] if gaussian else [likelihood.mean]
        return torch.cat([part.flatten(1) for part in parts], 1)

    return surface


@torch.no_grad()
def curve_length(surface: Surface, z: np.ndarray) -> float:
    """The length of a curve on a surface, as a sum of Euclidean distances.

    Args:
        surface: function from codes `(N, D)` to points `(N, P)`.
        z: codes along the curve, `(M, D)`; the more there are, the truer the length.
    """
    points = surface(torch.from_numpy(np.asarray(z, dtype=np.float32)))
    return float((points[1:] - points[:-1]).norm(dim=1).sum())


def shortest_curve(
    surface: Surface, a: np.ndarray, b: np.ndarray, *, points: int = 13, evaluations: int = 30
) -> np.ndarray:
    """Finds a short curve between two codes, from the straight line on.

    Minimises the energy of a chain of points, the sum of their squared distances on the surface,
    which is least for a shortest curve at constant speed. The minimum is a local one, and the
    search ends after a given effort.

    Args:
        surface: differentiable function from codes `(N, D)` to points `(N, P)`.
        a: code `(D,)` at the start.
        b: code `(D,)` at the end.
        points: number of codes along the curve, ends included.
        evaluations: number of times that the energy may be evaluated with its gradient, after
            which the step that was begun is finished.

    Returns:
        Codes `(points, D)` float32, both ends exact; never of more energy than the straight line.

    Raises:
        ValueError: if there are fewer than two points.
    """
    if points < 2:
        raise ValueError(f"points is {points}; expected at least 2, the ends.")
    ends = [torch.from_numpy(np.asarray(end, dtype=np.float32))[None] for end in (a, b)]
    t = torch.linspace(0, 1, points)[1:-1, None]
    line = (1 - t) * ends[0] + t * ends[1]
    if points == 2 or torch.equal(*ends):
        return torch.cat([ends[0], line, ends[1]]).numpy()
    # In these coordinates a flat surface has the same curvature in every direction.
    second = 2 * torch.eye(points - 2) - torch.diag(torch.ones(points - 3), 1)
    second = second - torch.diag(torch.ones(points - 3), -1)
    values, vectors = torch.linalg.eigh(second)
    root = vectors * values.rsqrt()
    best, kept = np.inf, torch.cat([ends[0], line, ends[1]])

    def energy(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best, kept
        moved = torch.from_numpy(x.reshape(line.shape)).float().requires_grad_()
        with torch.enable_grad():
            z = torch.cat([ends[0], line + root @ moved, ends[1]])
            drawn = surface(z)
            total = (drawn[1:] - drawn[:-1]).square().sum()
            (gradient,) = torch.autograd.grad(total, moved)
        if total.item() < best:
            best, kept = total.item(), z.detach()
        return total.item(), gradient.double().numpy().ravel()

    options = {"maxcor": _HISTORY, "maxfun": evaluations, "maxiter": evaluations}
    with threadpool_limits(1, "blas"):  # a second thread would only wait for work
        minimize(energy, np.zeros(line.numel()), jac=True, method="L-BFGS-B", options=options)
    return kept.numpy()


def follow(curve: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Codes along a curve, straight between its points and beyond its ends.

    Args:
        curve: codes `(M, D)` at equally spaced positions from 0 to 1.
        at: positions `(N,)`; those outside 0…1 continue the first or the last part.

    Returns:
        Codes `(N, D)` float32.
    """
    place = np.asarray(at, dtype=np.float64) * (len(curve) - 1)
    first = np.clip(np.floor(place), 0, len(curve) - 2).astype(int)
    part = (place - first)[:, None]
    return ((1 - part) * curve[first] + part * curve[first + 1]).astype(np.float32)

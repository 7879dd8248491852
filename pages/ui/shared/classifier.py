"""What the independent classifier of a model's dataset predicts, and how sure it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from vae.codes import decode

__all__ = ["confidence", "predictions", "threshold"]


def confidence(space: LatentSpace, x: Tensor) -> np.ndarray:
    """The probability of the likeliest class for images `(B, C, H, W)`: `(B,)` in 0…1."""
    return space.classifier.probabilities(x).amax(1).numpy()


@cache.shared(64)
def predictions(space: LatentSpace, rows: np.ndarray) -> np.ndarray:
    """What is predicted for reconstructions of reference images, bool `(N, K)`."""
    return space.classifier.predictions(decode(space.model, space.mean[rows])).numpy()


@cache.shared(16)
def threshold(space: LatentSpace) -> float:
    """How sure the classifier is of 95 % of the real images, at least."""
    real = space.dataset.images[torch.from_numpy(space.index[:1_000])]
    return float(np.quantile(confidence(space, real), 0.05))

"""The independent classifier of a model's dataset."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from vae.classifier import Classifier, classifier_file, load_classifier

__all__ = ["confidence", "judge", "threshold"]


def judge(space: LatentSpace) -> Classifier | None:
    """The classifier of the model's dataset, if there is one for such images."""
    file = classifier_file(space.dataset.name)
    if not file.is_file():
        return None
    found = cache.remember(
        space, ("judge", file.stat().st_mtime_ns), lambda: load_classifier(space.dataset.name)
    )
    return found if found is not None and found.image_shape == space.shape else None


@torch.no_grad()
def confidence(space: LatentSpace, x: Tensor) -> np.ndarray:
    """The probability of the likeliest class for images `(B, C, H, W)`: `(B,)` in 0…1."""
    parts = [judge(space).probabilities(part).amax(1) for part in x.split(250)]
    return torch.cat(parts).numpy()


def threshold(space: LatentSpace) -> float:
    """How sure the classifier is of 95 % of the real images, at least."""

    def compute() -> float:
        real = space.dataset.images[torch.from_numpy(space.index[:1_000])]
        return float(np.quantile(confidence(space, real), 0.05))

    return cache.remember(space, ("threshold",), compute)

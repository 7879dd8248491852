"""Where training starts: decoders that answer with the average image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..likelihoods import logits_of_mean
from ..model import VAE

__all__ = ["start_at_average"]

_MOST = 5_000  # images whose average is taken
_STEP = 1 / 255  # an average is kept this far from 0 and 1, where logits are infinite


@torch.no_grad()
def start_at_average(model: VAE, images: Any) -> None:
    """Sets the biases of a new decoder's last layer so that it answers with the average image.

    Pixels that are black in every image need not be learned then. A decoder whose biases are not
    all zero has been trained, and is left as it is.

    Args:
        model: model that is changed in place.
        images: training images, `(N, C, H, W)`: a uint8 tensor, `Images`, or a sequence that
            returns float images in [0, 1] for a list of rows.
    """
    bias = model.decoder.mean_biases()
    if bias.any():
        return
    rows = torch.linspace(0, len(images) - 1, min(len(images), _MOST)).long().tolist()
    total = torch.zeros(model.config.image_shape, dtype=torch.float64)
    for start in range(0, len(rows), 250):
        part: Tensor = torch.as_tensor(images[rows[start : start + 250]])
        part = part.double() / 255 if part.dtype == torch.uint8 else part.double()
        total += part.sum(0).cpu()
    mean = (total / len(rows)).clamp(_STEP, 1 - _STEP)
    if bias.numel() < mean.numel():  # one bias for all pixels of a channel
        mean = mean.mean((1, 2))
    bias.copy_(logits_of_mean(model.config.likelihood, mean).flatten())

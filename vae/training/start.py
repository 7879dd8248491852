"""Where training starts: decoders that answer with the average image, priors that know images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..likelihoods import logits_of_mean
from ..model import VAE

__all__ = ["start_at_average", "start_at_images"]

_MOST = 5_000  # images whose average is taken
_FAINT = 0.05  # images of a learned prior start this far from 0 and 1, where gradients vanish
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
    rows = _spread(len(images), _MOST)
    total = torch.zeros(model.config.image_shape, dtype=torch.float64)
    for start in range(0, len(rows), 250):
        total += _part(images, rows[start : start + 250]).sum(0).cpu()
    mean = (total / len(rows)).clamp(_STEP, 1 - _STEP)
    if bias.numel() < mean.numel():  # one bias for all pixels of a channel
        mean = mean.mean((1, 2))
    bias.copy_(logits_of_mean(model.config.likelihood, mean).flatten())


@torch.no_grad()
def start_at_images(model: VAE, images: Any) -> None:
    """Sets the images of a new model's learned prior to training images.

    Args:
        model: model that is changed in place, unless it has no learned prior or was trained.
        images: training images, as for `start_at_average`.
    """
    logits = model.prior_logits
    if logits is None or model.decoder.mean_biases().any():
        return
    rows = _spread(len(images), len(logits))
    rows = [rows[k % len(rows)] for k in range(len(logits))]
    x = _part(images, rows).clamp(_FAINT, 1 - _FAINT)
    logits.copy_(x.logit())


def _spread(count: int, most: int) -> list[int]:
    return torch.linspace(0, count - 1, min(count, most)).long().tolist()


def _part(images: Any, rows: list[int]) -> Tensor:
    part = torch.as_tensor(images[rows])
    return part.double() / 255 if part.dtype == torch.uint8 else part.double()

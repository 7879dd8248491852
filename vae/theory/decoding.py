"""log p(x|z) at many codes, decoded in batches of bounded size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..model import VAE

__all__ = ["at_once", "log_likelihood", "log_likelihoods"]

_MOST = 64  # codes
_VALUES = _MOST * 3 * 64 * 64  # of pixels


def at_once(model: VAE) -> int:
    """How many codes are decoded at once: 64, fewer where images have more than 64×64×3 values.

    Larger batches are no faster on a CPU, but what lies between a decoder's layers takes memory:
    of 480 drawn faces 400 MB, of 64 of them 25 MB, and with gradients more than twice as much.
    """
    return max(1, min(_MOST, _VALUES // math.prod(model.config.image_shape)))


def log_likelihood(model: VAE, z: Tensor, x: Tensor) -> Tensor:
    """Log p(x|z) of one image at many codes.

    Args:
        model: model with the decoder.
        z: codes `(N, D)`.
        x: image `(C, H, W)`.

    Returns:
        `(N,)`, in nats.
    """
    return torch.cat([model.decoder(part).log_prob(x) for part in z.split(at_once(model))])


def log_likelihoods(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """Log p(x|z) of images, each at its own codes.

    Args:
        model: model with the decoder.
        x: images `(B, C, H, W)`.
        z: codes `(S, B, D)`.

    Returns:
        `(S, B)`, in nats.
    """
    _, b, d = z.shape
    return torch.cat(
        [
            model.decoder(part.reshape(-1, d)).log_prob(x.repeat(len(part), 1, 1, 1)).view(-1, b)
            for part in z.split(max(1, at_once(model) // b))
        ]
    )

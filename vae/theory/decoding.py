"""log p(x|z) at many codes, decoded in chunks of bounded size."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model import VAE

__all__ = ["CHUNK", "log_likelihood", "log_likelihoods"]

CHUNK = 500  # codes decoded, or images encoded, at once


def log_likelihood(model: VAE, z: Tensor, x: Tensor) -> Tensor:
    """Log p(x|z) of one image at many codes.

    Args:
        model: model with the decoder.
        z: codes `(N, D)`.
        x: image `(C, H, W)`.

    Returns:
        `(N,)`, in nats.
    """
    return torch.cat([model.decoder(part).log_prob(x) for part in z.split(CHUNK)])


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
            for part in z.split(max(1, CHUNK // b))
        ]
    )

"""Evaluation of a model on held-out images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..model import VAE
from ..objective import elbo, kl_per_dimension

__all__ = ["ACTIVE", "Heldout", "evaluate_heldout"]

ACTIVE = 0.01  # variance of a dimension's posterior mean above which it is active


@dataclass(frozen=True)
class Heldout:
    """Metrics of held-out images, in nats per image.

    Args:
        reconstruction: mean E_q[log p(x|z)]; None for an autoencoder.
        kl: mean KL; None for an autoencoder.
        squared_error: squared error of the reconstruction, mean over pixels.
        kl_per_dimension: `(D,)` mean KL of each latent dimension; empty for an autoencoder, and
            for a learned prior, whose KL is not a sum over dimensions.
        active_units: dimensions whose posterior mean varies (variance above 0.01); None for a
            single image.
    """

    reconstruction: float | None
    kl: float | None
    squared_error: float
    kl_per_dimension: tuple[float, ...]
    active_units: int | None

    @property
    def elbo(self) -> float | None:
        """Reconstruction − KL."""
        if self.reconstruction is None or self.kl is None:
            return None
        return self.reconstruction - self.kl


@torch.no_grad()
def evaluate_heldout(model: VAE, x: Tensor, batch: int = 250) -> Heldout:
    """Evaluates a model on held-out images, always with the same noise.

    Args:
        model: any VAE; its training mode is preserved.
        x: images `(M, C, H, W)` in [0, 1], or a uint8 tensor.
        batch: images in a batch.
    """
    noise = torch.Generator().manual_seed(0)
    reconstruction, kls, each, errors, means = [], [], [], [], []
    for start in range(0, len(x), batch):
        part = _batch(x, slice(start, start + batch), next(model.parameters()).device)
        part = model.observe(part)
        posterior = model.encoder(part)
        means.append(posterior.mean)
        errors.append((model.decoder(posterior.mean).mean - part).square().flatten(1).mean(1))
        if model.config.variational:
            terms = elbo(model, part, generator=noise)
            reconstruction.append(terms.reconstruction)
            kls.append(terms.kl)
            if model.config.has_prior:
                each.append(kl_per_dimension(posterior))
    codes = torch.cat(means)
    active = int((codes.var(0) > ACTIVE).sum()) if len(codes) > 1 else None
    error = torch.cat(errors).mean().item()
    if not model.config.variational:
        return Heldout(None, None, error, (), active)
    return Heldout(
        torch.cat(reconstruction).mean().item(),
        torch.cat(kls).mean().item(),
        error,
        tuple(torch.cat(each).mean(0).tolist()) if each else (),
        active,
    )


def _batch(images: Any, rows: Tensor | slice, device: torch.device) -> Tensor:
    x = images[rows]
    if x.dtype == torch.uint8:
        x = x.to(device).float().div_(255)
    return x.to(device, memory_format=torch.channels_last)

"""A small model with a plane of codes, and images that it made."""

from __future__ import annotations

import pytest
import torch

from vae import VAE, VAEConfig
from vae.theory.exact import decode_grid


@pytest.fixture(scope="module")
def model() -> VAE:
    """A small decoder whose pictures differ from place to place, with a q that fits badly."""
    torch.manual_seed(0)
    built = VAE(VAEConfig((1, 8, 8), latent_dim=2, channels=(), hidden=(16,)))
    for parameter in built.decoder.parameters():
        parameter.data.mul_(3.0)
    return built.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def grid(model):
    return decode_grid(model, steps=37)


@pytest.fixture(scope="module")
def images(model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn((3, 2), generator=generator)
    return torch.bernoulli(model.decoder(z).mean, generator=generator)

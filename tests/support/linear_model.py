"""A linear-Gaussian model, in which all is exact, and small networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from vae import VAE, VAEConfig

SHAPE = (1, 8, 8)


class Affine(nn.Module):
    """A linear mean and one deviation: as a decoder or as an encoder."""

    def __init__(self, weight, bias, sigma, shape):
        super().__init__()
        self.weight, self.bias, self.sigma, self.shape = weight, bias, sigma, shape

    def forward(self, x, validate_args=None):
        mean = (x.flatten(1) @ self.weight.T + self.bias).reshape(-1, *self.shape)
        return Independent(Normal(mean, self.sigma.expand_as(mean)), len(self.shape))


def linear_model() -> tuple[VAE, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """A linear-Gaussian model, its exact posterior as the encoder, and five images.

    Columns of W are orthogonal, so the exact posterior has independent dimensions
    (probabilistic principal component analysis, Tipping and Bishop, 1999).
    """
    generator = torch.Generator().manual_seed(0)
    model = VAE(VAEConfig(SHAPE, 2, "gaussian_fixed", channels=(), hidden=(4,))).double()
    w = torch.linalg.qr(torch.randn(64, 2, generator=generator).double())[0]
    w = w * torch.tensor([1.5, 0.7]).double()
    b, s = torch.randn(64, generator=generator).double(), torch.tensor(0.4).double()
    precision = torch.eye(2).double() + w.T @ w / s**2
    gain = torch.linalg.solve(precision, w.T) / s**2
    model.decoder = Affine(w, b, s, SHAPE)
    model.encoder = Affine(gain, -gain @ b, precision.diagonal().rsqrt(), (2,))
    z = torch.randn(5, 2, generator=generator).double()
    noise = torch.randn(5, 64, generator=generator).double()
    return model, (z @ w.T + b + s * noise).reshape(5, *SHAPE), (w, b, s)


def network(likelihood):
    torch.manual_seed(0)
    model = VAE(VAEConfig(SHAPE, 3, likelihood, channels=(4,), hidden=(6,)))
    return model.eval().requires_grad_(False), torch.rand(4, *SHAPE)

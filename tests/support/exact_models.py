"""A VAE of which everything has a closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

from vae import VAE, VAEConfig


class Affine(nn.Module):
    """x → an Independent Normal with a linear mean and one deviation."""

    def __init__(self, weight, bias, sigma, shape):
        super().__init__()
        self.weight, self.bias, self.sigma, self.shape = weight, bias, sigma, shape

    def forward(self, x):
        mean = (x.flatten(1) @ self.weight.T + self.bias).reshape(-1, *self.shape)
        return Independent(Normal(mean, self.sigma.expand_as(mean)), len(self.shape))


def linear_gaussian() -> tuple[VAE, Tensor, Tensor]:
    """A VAE, images `(16, 1, 8, 8)` and their log p(x); the encoder is the exact posterior.

    Columns of W are orthogonal, so that the exact posterior has independent dimensions
    (probabilistic principal component analysis, Tipping and Bishop, 1999).
    """
    torch.manual_seed(0)
    model = VAE(VAEConfig((1, 8, 8), 3, "gaussian_fixed")).double()
    w = torch.linalg.qr(torch.randn(64, 3).double())[0] * torch.tensor([2.0, 1.0, 0.5]).double()
    b, s = torch.randn(64).double(), torch.tensor(0.3).double()
    precision = torch.eye(3).double() + w.T @ w / s**2
    gain = torch.linalg.solve(precision, w.T) / s**2
    model.decoder = Affine(w, b, s, (1, 8, 8))
    model.encoder = Affine(gain, -gain @ b, precision.diagonal().rsqrt(), (3,))
    evidence = MultivariateNormal(b, w @ w.T + s**2 * torch.eye(64).double())
    x = evidence.sample((16,))
    return model, x.reshape(16, 1, 8, 8), evidence.log_prob(x)

"""A likelihood of one's own: pixels with a Laplace distribution, and the ELBO that it gives.

A decoder returns a `torch.distributions` object with batch `(B,)` and event `(C, H, W)`; the
objective, the training and the estimates of the evidence ask it for nothing but `log_prob` and
`mean`.

python examples/likelihood.py --epochs 5
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from torch.distributions import Independent, Laplace

from vae import VAE, VAEConfig, elbo, load_dataset, log_evidence
from vae.model import Decoder
from vae.training import TrainingConfig, train


class LaplaceDecoder(Decoder):
    """p(x|z) whose log is an absolute error: outliers cost less than with a normal one."""

    def forward(self, z: Tensor, validate_args: bool | None = None) -> Independent:
        """Gives p(x|z) of codes `(B, D)`."""
        location = self.network(z).sigmoid().float()
        return Independent(
            Laplace(location, self.config.sigma, validate_args=validate_args),
            3,
            validate_args=validate_args,
        )


def build(latent_dim: int = 8) -> VAE:
    """A network with one number for each pixel, as `gaussian_fixed` has, and another density."""
    config = VAEConfig(
        (1, 28, 28), latent_dim, "gaussian_fixed", channels=(), hidden=(200,), sigma=0.1
    )
    model = VAE(config)
    model.decoder = LaplaceDecoder(config)
    return model


def main(arguments: list[str] | None = None) -> float:
    """Trains it on digits and prints the two terms; returns the ELBO in nats per image."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=4_000, help="how many to train on")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    model, data = build(), load_dataset("digits", "train")
    config = TrainingConfig(epochs=options.epochs, learning_rate=2e-3)
    for report in train(model, data.images.uint8[: options.images], config):
        if report.epoch == int(report.epoch):
            print(f"epoch {report.epoch:.0f}: ELBO {report.elbo:.1f} nats")
    x = load_dataset("digits", "test").images[:200]
    with torch.no_grad():
        bound = elbo(model, x).elbo
    evidence = log_evidence(model, x[:5], samples=500)
    print(f"200 held-out images: ELBO {bound.mean():.1f} nats")
    print(f"five of them: ELBO {bound[:5].mean():.1f} nats, log p(x) {evidence.mean():.1f} nats")
    return bound.mean().item()


if __name__ == "__main__":
    main()

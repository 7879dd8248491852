"""A convolutional VAE with batch normalisation and ReLU, whose decoder returns logits.

One module with `encode` and `decode`, as many repositories have it; the encoder returns mean and
log-variance in one tensor.

python examples/models/convolutional.py --explore
"""

from __future__ import annotations

from recipe import run
from torch import Tensor, nn

HOW = {"likelihood": "bernoulli", "latent_shape": 16, "output": "logits"}


class ConvolutionalVAE(nn.Module):
    """28 → 14 → 7 pixels a side, 16 latent dimensions."""

    def __init__(self, latent_dim: int = 16) -> None:
        super().__init__()
        self.down = nn.Sequential(
            *(nn.Conv2d(1, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(32 * 49, 2 * latent_dim)),
        )
        self.up = nn.Sequential(
            *(nn.Linear(latent_dim, 32 * 49), nn.ReLU(), nn.Unflatten(1, (32, 7, 7))),
            *(nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
            nn.ConvTranspose2d(16, 1, 4, 2, 1),
        )

    def encode(self, x: Tensor) -> Tensor:
        """Gives mean and log-variance, side by side `(B, 2·D)`, of images."""
        return self.down(x)

    def decode(self, z: Tensor) -> Tensor:
        """Gives logits `(B, 1, 28, 28)` of codes `(B, D)`."""
        return self.up(z)


def build() -> tuple[nn.Module, None]:
    """The module, which is both."""
    return ConvolutionalVAE(), None


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Trains it; gives the ELBO before and after."""
    return run(build, __doc__, arguments, **HOW)


if __name__ == "__main__":
    main()

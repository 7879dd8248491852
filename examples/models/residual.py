"""A residual VAE: group normalisation, SiLU, upsampling by nearest neighbours.

Its codes keep two axes, (8, 7, 7), so the shape of a code is said.

python examples/models/residual.py --explore
"""

from __future__ import annotations

from recipe import run
from torch import Tensor, nn

HOW = {
    "likelihood": "bernoulli",
    "latent_shape": (8, 7, 7),
    "output": "logits",
    "encoder_output": "log_variance",
}


class Block(nn.Module):
    """x + f(x), with normalisation and SiLU before each convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(nn.GroupNorm(4, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1)),
            *(nn.GroupNorm(4, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Gives features of the same shape."""
        return x + self.change(x)


def build() -> tuple[nn.Module, nn.Module]:
    """Decoder and encoder."""
    decoder = nn.Sequential(
        *(nn.Conv2d(8, 32, 3, padding=1), Block(32)),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1), Block(16)),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 16, 3, padding=1), Block(16)),
        *(nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 1, 3, padding=1)),
    )
    encoder = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), Block(16), nn.Conv2d(16, 16, 4, 2, 1)),
        *(Block(16), nn.Conv2d(16, 32, 4, 2, 1), Block(32)),
        *(nn.GroupNorm(4, 32), nn.SiLU(), nn.Conv2d(32, 16, 3, padding=1)),
    )
    return decoder, encoder


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Trains it; gives the ELBO before and after."""
    return run(build, __doc__, arguments, **HOW)


if __name__ == "__main__":
    main()

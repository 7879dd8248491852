"""A fully connected VAE, as most first tutorials have it: 784–400–20, a sigmoid at the end.

The encoder returns a mean and a log-variance as a tuple; both it and the decoder take and give
rows of 784 pixels. None of this has to be said.

python examples/models/fully_connected.py --explore
"""

from __future__ import annotations

import torch
from recipe import run
from torch import Tensor, nn

HOW = {"likelihood": "bernoulli"}


class Encoder(nn.Module):
    """Rows of pixels to mean and log-variance."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mean, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gives mean and log-variance `(B, 20)` of rows `(B, 784)`."""
        hidden = torch.relu(self.hidden(x))
        return self.mean(hidden), self.log_variance(hidden)


def build() -> tuple[nn.Module, nn.Module]:
    """Decoder and encoder."""
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())
    return decoder, Encoder()


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Trains it; gives the ELBO before and after."""
    return run(build, __doc__, arguments, **HOW)


if __name__ == "__main__":
    main()

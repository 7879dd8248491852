"""A β-VAE as in papers on disentanglement: strided convolutions, few dimensions, a heavy KL.

python examples/models/disentangling.py --explore

References:
    beta-VAE: learning basic visual concepts with a constrained variational framework (Higgins et
    al., 2017); understanding disentangling in β-VAE (Burgess et al., 2018).
"""

from __future__ import annotations

from recipe import run
from torch import nn

HOW = {
    "likelihood": "bernoulli",
    "latent_shape": 10,
    "output": "logits",
    "encoder_output": "log_variance",
}


def build(latent_dim: int = 10) -> tuple[nn.Module, nn.Module]:
    """Decoder and encoder."""
    encoder = nn.Sequential(
        *(nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 4, 2, 1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 49, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()),
        nn.Linear(256, 2 * latent_dim),
    )
    decoder = nn.Sequential(
        *(nn.Linear(latent_dim, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()),
        *(nn.Linear(256, 32 * 49), nn.ReLU(), nn.Unflatten(1, (32, 7, 7))),
        *(nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1)),
    )
    return decoder, encoder


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Trains it; gives the ELBO before and after."""
    return run(build, __doc__, arguments, beta=4.0, rate=5e-4, **HOW)


if __name__ == "__main__":
    main()

"""A folder that pythae has saved: its default networks, read without running any code of it.

`model.pt` is a pickle: with `weights_only=True` torch reads tensors from it and refuses the rest.
The folder's owner runs this script; the app never opens such a file.

python examples/models/pythae_folder.py FOLDER --dataset digits --likelihood bernoulli
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from vae import explore
from vae.imported_models.config import LIKELIHOODS


class Encoder(nn.Module):
    """pythae's default: one hidden layer, mean and log-variance."""

    def __init__(self, pixels: int, hidden: int, latent_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU())])
        self.embedding = nn.Linear(hidden, latent_dim)
        self.log_var = nn.Linear(hidden, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gives mean and log-variance `(B, D)` of images."""
        hidden = self.layers[0](x.flatten(1))
        return self.embedding(hidden), self.log_var(hidden)


class Decoder(nn.Module):
    """pythae's default: one hidden layer, a sigmoid at the end."""

    def __init__(self, shape: tuple[int, ...], hidden: int, latent_dim: int) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU()),
                nn.Sequential(nn.Linear(hidden, math.prod(shape)), nn.Sigmoid()),
            ]
        )

    def forward(self, z: Tensor) -> Tensor:
        """Gives images of codes `(B, D)`."""
        return self.layers[1](self.layers[0](z)).reshape(-1, *self.shape)


def read(folder: str | Path) -> tuple[Decoder, Encoder]:
    """Reads decoder and encoder from a folder.

    Raises:
        ValueError: if the networks are not pythae's default ones.
    """
    folder = Path(folder)
    config = json.loads((folder / "model_config.json").read_text("utf-8"))
    weights = torch.load(folder / "model.pt", map_location="cpu", weights_only=True)
    weights = weights["model_state_dict"]
    shape, latent_dim = tuple(config["input_dim"]), config["latent_dim"]
    try:
        hidden = len(weights["encoder.layers.0.0.bias"])
        encoder = Encoder(math.prod(shape), hidden, latent_dim)
        decoder = Decoder(shape, hidden, latent_dim)
        for name, network in (("encoder", encoder), ("decoder", decoder)):
            own = {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(name)}
            network.load_state_dict(own)
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"{folder} holds networks of its own ({str(error)[:200]}); expected pythae's default "
            "ones. Load the model where its classes are, and give model.decoder and "
            "model.encoder to vae.explore."
        ) from error
    return decoder.eval(), encoder.eval()


def main(arguments: list[str] | None = None) -> None:
    """Opens the app on the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a folder with model.pt and model_config.json")
    parser.add_argument("--dataset", required=True, help="the images, such as digits")
    parser.add_argument("--likelihood", choices=LIKELIHOODS, default="none")
    options = parser.parse_args(arguments)
    decoder, encoder = read(options.folder)
    explore(decoder, encoder, options.dataset, likelihood=options.likelihood)


if __name__ == "__main__":
    main()

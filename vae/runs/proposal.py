"""Settings proposed for a first run on imported pictures."""

from __future__ import annotations

import torch

from ..imports import ImportedDataset
from ..imports.store import all_images
from ..training.config import TrainingConfig
from .config import RunConfig

__all__ = ["propose"]

_SAMPLE = 500  # pictures whose pixels are looked at
_STEPS = 2_000  # of training: enough for a first look, minutes on a laptop
_EXTREME = 0.05  # a pixel nearer to 0 or 1 is black or white
_FEW = 2_000  # pictures; fewer need fewer latent dimensions
_NETWORKS = {  # widths of convolutions and of what follows, by how often the sides are halved
    0: ([], [400]),
    1: ([], [400]),
    2: ([32, 64], [256]),
    3: ([32, 64, 128], [512]),
    4: ([24, 48, 96, 128], [256]),
    5: ([16, 24, 48, 96, 128], [256]),
}


def propose(dataset: ImportedDataset) -> RunConfig:
    """Proposes likelihood, network, latent dimensions and epochs by what the pictures are like.

    Colour gets a Gaussian likelihood with a predicted variance; grey a Bernoulli one where
    nearly all pixels are black or white, else a continuous Bernoulli. The network halves the
    sides as often as they allow, to 4 pixels or more.

    Args:
        dataset: the import to train on.

    Raises:
        DatasetError: if its pixels are missing or damaged.
    """
    n, colours, height, width = dataset.shape
    if colours == 3:
        likelihood = "gaussian"
    else:
        pixels = all_images(dataset)
        rows = torch.linspace(0, n - 1, min(n, _SAMPLE)).long()
        x = pixels[rows].float() / 255
        extreme = ((x < _EXTREME) | (x > 1 - _EXTREME)).float().mean()
        likelihood = "bernoulli" if extreme > 0.7 else "continuous_bernoulli"
    halvings = 0
    while halvings < 5 and all(
        side % 2 ** (halvings + 1) == 0 and side // 2 ** (halvings + 1) >= 4
        for side in (height, width)
    ):
        halvings += 1
    channels, hidden = _NETWORKS[halvings]
    model = {
        "latent_dim": 8 if n < _FEW else 16 if max(height, width) <= 32 else 32,
        "likelihood": likelihood,
        "channels": channels,
        "hidden": hidden,
    }
    trained = max(dataset.counts.get("train", n), 1)
    batch = min(128, max(16, 2 ** round((trained / 8) ** 0.5).bit_length()))
    epochs = min(300, max(5, round(_STEPS * batch / trained)))
    training = TrainingConfig(
        epochs=epochs,
        batch_size=batch,
        beta_warmup=float(round(epochs / 10)),
        sigma_warmup_epochs=float(round(epochs / 10)) if likelihood == "gaussian" else 0.0,
    )
    return RunConfig(dataset.name, model, training)

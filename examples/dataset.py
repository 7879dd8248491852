"""A dataset from an array: anything of shape `(N, C, H, W)` in bytes trains, encodes and maps.

Here the images are stripes of random width and direction; the direction is known as a label.

python examples/dataset.py --epochs 10 --out stripes
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from vae import VAE, VAEConfig, save_checkpoint
from vae.codes import encode
from vae.datasets import Dataset, Images
from vae.projection import fit_pca
from vae.training import TrainingConfig, train


def draw(count: int, seed: int, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Images `(count, 1, side, side)` in bytes and labels `(count,)`: 0 lying, 1 standing."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=count)
    phase, period = rng.uniform(0, 2 * np.pi, count), rng.uniform(4, 10, count)
    wave = np.sin(2 * np.pi * np.arange(side) / period[:, None] + phase[:, None])
    rows = np.repeat(wave[:, :, None], side, axis=2)
    images = np.where(labels[:, None, None] == 0, rows, rows.transpose(0, 2, 1))
    return np.uint8(127.5 * (images + 1))[:, None], labels


def as_dataset(split: str, count: int, seed: int) -> Dataset:
    """The array as the library's own data are, with the names of its classes."""
    images, labels = draw(count, seed)
    return Dataset(
        name="stripes",
        split=split,
        images=Images(torch.from_numpy(images)),
        labels=torch.from_numpy(labels),
        classes=("lying", "standing"),
        licence="Drawn by this script",
    )


def main(arguments: list[str] | None = None) -> float:
    """Trains on stripes, saves the model; returns how well a line tells both classes apart."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=4_000, help="how many to train on")
    parser.add_argument("--out", type=Path, default=Path("stripes"), help="a new folder")
    options = parser.parse_args(arguments)

    data, heldout = as_dataset("train", options.images, 0), as_dataset("test", 500, 1)
    torch.manual_seed(0)
    shape = data.images.shape[1:]
    model = VAE(VAEConfig(shape, 4, "gaussian_fixed", channels=(), hidden=(100,)))
    config = TrainingConfig(epochs=options.epochs, batch_size=64, learning_rate=2e-3)
    for report in train(model, data.images.uint8, config, heldout=heldout.images[:]):
        if report.heldout:
            print(f"epoch {report.epoch:.0f}: held-out ELBO {report.heldout.elbo:.1f} nats")
    codes = encode(model, heldout.images)["mean"]
    shares = fit_pca(codes).shares
    print(f"PCA: {shares[0]:.0%} and {shares[1]:.0%} of the variance along both axes")
    labels = heldout.labels.numpy() == 1
    design = np.c_[codes, codes**2, np.ones(len(codes))]
    line = np.linalg.lstsq(design[::2], labels[::2], rcond=None)[0]
    accuracy = float(((design[1::2] @ line > 0.5) == labels[1::2]).mean())
    print(f"the direction is read from the codes of {accuracy:.0%} of held-out images")
    card = {"dataset": "stripes", "licence": data.licence}
    save_checkpoint(model, options.out, card)
    print(f"{options.out}: the model, for load_checkpoint.")
    return accuracy


if __name__ == "__main__":
    main()

"""Trains the same network with several betas and plots what the KL buys.

python examples/beta.py --betas 0.5 1 4 16 --epochs 10 --out beta.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

from vae import VAE, VAEConfig, load_dataset
from vae.training import TrainingConfig, train


def measure(beta: float, epochs: int, images: int) -> tuple[float, float]:
    """Reconstruction and KL of held-out digits in nats per image, after training with a beta."""
    data, heldout = load_dataset("digits", "train"), load_dataset("digits", "test")
    torch.manual_seed(0)
    model = VAE(VAEConfig((1, 28, 28), latent_dim=8, channels=(), hidden=(200,)))
    config = TrainingConfig(epochs=epochs, beta=beta, learning_rate=2e-3)
    reports = train(model, data.images.uint8[:images], config, heldout=heldout.images[:500])
    found = [report.heldout for report in reports if report.heldout][-1]
    return found.reconstruction, found.kl


def main(arguments: list[str] | None = None) -> None:
    """Draws one point for each beta: the rate in nats, and what is left to be explained."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--betas", type=float, nargs="+", default=[0.25, 1, 4, 16])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=4_000, help="how many to train on")
    parser.add_argument("--out", type=Path, default=Path("beta.png"))
    options = parser.parse_args(arguments)

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for beta in options.betas:
        reconstruction, kl = measure(beta, options.epochs, options.images)
        print(f"beta {beta:g}: {-reconstruction:.1f} nats left, KL {kl:.1f} nats")
        axes.scatter(kl, -reconstruction)
        axes.annotate(f"β = {beta:g}", (kl, -reconstruction), xytext=(6, 4),
                      textcoords="offset points")  # fmt: skip
    axes.set(xlabel="KL(q(z|x) ‖ p(z)), nats", ylabel="−E[log p(x|z)], nats")
    figure.savefig(options.out, dpi=120)
    plt.close(figure)
    print(f"{options.out}: the curve.")


if __name__ == "__main__":
    main()

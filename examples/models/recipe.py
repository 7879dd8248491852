"""What the recipes have in common: a short training, the ELBO, and the app.

`wrap_model` gives any encoder and decoder the distributions that the library works with, so that
its own `elbo` trains them. Whoever has a trained model leaves that out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from vae import elbo, explore, load_dataset, wrap_model

Build = Callable[[], tuple[nn.Module, nn.Module | None]]


def run(
    build: Build,
    about: str,
    arguments: list[str] | None,
    *,
    dataset: str = "digits",
    beta: float = 1.0,
    rate: float = 2e-3,
    **how: Any,
) -> tuple[float, float]:
    """Trains a model and opens the app on it.

    Args:
        build: function that gives a decoder and an encoder, or a module that is both and None.
        about: description for `--help`.
        arguments: command-line arguments, by default those of the process.
        dataset: name of the images.
        beta: weight of the KL.
        rate: learning rate.
        how: arguments of `wrap_model`.

    Returns:
        Mean ELBO of held-out images in nats, before and after.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--epochs", type=int, default=10, help="passes over the images")
    parser.add_argument("--images", type=int, default=4_000, help="number of train images")
    parser.add_argument("--explore", action="store_true", help="open the app on the model")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    decoder, encoder = build()
    held_out = load_dataset(dataset, "test").images[:200]
    train = load_dataset(dataset, "train").images
    model = wrap_model(decoder, encoder, images=held_out, **how)

    def measured() -> float:
        model.eval()
        with torch.no_grad():
            return (
                elbo(model, held_out, generator=torch.Generator().manual_seed(0))
                .elbo.mean()
                .item()
            )

    before = measured()
    optimiser = torch.optim.Adam(model.parameters(), rate)
    for epoch in range(options.epochs):
        model.train()
        for rows in torch.randperm(min(options.images, len(train))).split(64):
            terms = elbo(model, train[rows])
            loss = (beta * terms.kl - terms.reconstruction).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        print(f"epoch {epoch + 1}: ELBO {measured():.1f} nats")
    after = measured()
    if options.explore:
        explore(decoder, encoder, dataset, **how)
    return before, after

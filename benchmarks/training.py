"""How fast Fashion-MNIST trains here, and by the loop that textbooks show.

    python benchmarks/training.py [--json] [--seconds 60] [--epochs 5] [--threads N] [--device cpu]

Both train networks of the same two sizes with the same likelihood, Adam and batches of 128 on all
60,000 images. The textbook's: ReLU and torch's own start of weights, a constant learning rate of
1e-3, a torchvision dataset with `ToTensor`, a `DataLoader` that shuffles, `torch.optim.Adam`,
eager PyTorch. Ours: `vae.VAE` and `vae.training.train`. They take turns, a slice each, so that
other work on the machine slows both alike.

`seconds_to_elbo` is the time of training until the held-out ELBO is what the textbook's loop
reaches in its share of the time, less one nat; time spent on measuring it is not counted.
`elbo_of_epochs` and `textbook_elbo_of_epochs` are what both reach with the same number of epochs,
each with its own schedule, on 10,000 held-out images that are drawn black and white once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import torch
from torch.distributions import kl_divergence
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vae import VAE, VAEConfig, load_dataset
from vae.locations import data_folder
from vae.training.config import TrainingConfig
from vae.training.distributed import Group
from vae.training.heldout import evaluate_heldout
from vae.training.loop import train
from vae.training.memory import keep_memory

BATCH = 128
NETWORKS = {
    "small": VAEConfig((1, 28, 28), latent_dim=20, channels=(), hidden=(400,)),
    "large": VAEConfig((1, 28, 28), latent_dim=16, channels=(32, 64), hidden=(256,)),
}


def textbook_network(config: VAEConfig) -> VAE:
    """A network of the same size with ReLU and torch's own start of weights."""
    model = VAE(config)
    for network in (model.encoder.network, model.decoder.network):
        for index, layer in enumerate(network):
            if isinstance(layer, torch.nn.LeakyReLU):
                network[index] = torch.nn.ReLU()
            elif hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return model


def textbook(model: VAE, folder: Path, device: torch.device) -> Iterator[int]:
    """The loop that tutorials show; yields the images of each step."""
    loader = DataLoader(
        FashionMNIST(folder, train=True, transform=ToTensor()),
        batch_size=BATCH,
        shuffle=True,
        num_workers=1 if device.type == "cuda" else 0,
        pin_memory=device.type == "cuda",
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    while True:
        for x, _ in loader:
            x = torch.bernoulli(x.to(device))
            optimizer.zero_grad()
            posterior = model.encoder(x)
            likelihood = model.decoder(posterior.rsample())
            kl = kl_divergence(posterior, model.prior)
            loss = (kl - likelihood.log_prob(x)).mean()
            loss.backward()
            optimizer.step()
            loss.item()
            yield len(x)


def ours(model: VAE, images: object, device: torch.device) -> Iterator[int]:
    """The library's loop, with a constant learning rate for all that is measured."""
    config = TrainingConfig(epochs=1000, batch_size=BATCH)
    count, seen = len(images), 0
    for progress in train(model, images, config, group=Group(device=device)):
        yield min(BATCH, count - seen)
        seen = 0 if progress.step * BATCH % count < BATCH else seen + BATCH


class Racer:
    """One loop with its clock: only time inside `run` counts."""

    def __init__(self, model: VAE, steps: Iterator[int], elbo: Callable[[VAE], float]) -> None:
        self.model, self.steps, self.elbo = model, steps, elbo
        self.seconds, self.images, self.curve = 0.0, 0, []
        for _ in range(3):  # the first steps allocate memory and choose algorithms
            next(steps)

    def run(self, seconds: float) -> None:
        """Trains for a slice of time, then measures the held-out ELBO with the clock stopped."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            self.images += next(self.steps)
        if next(self.model.parameters()).is_cuda:
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - begin
        self.curve.append((self.seconds, self.elbo(self.model)))

    def reached(self, elbo: float) -> float | None:
        """Seconds until the held-out ELBO was so high, None if it never was."""
        return next((seconds for seconds, found in self.curve if found >= elbo), None)


def measure(config: VAEConfig, seconds: float, device: torch.device, folder: Path) -> dict:
    """Races both loops on one network.

    Args:
        config: the network.
        seconds: of training for each.
        device: to train on.
        folder: where torchvision finds Fashion-MNIST.
    """
    images = load_dataset("fashion", "train").images
    heldout = load_dataset("fashion").images[:1000].to(device)

    def elbo(model: VAE) -> float:
        found = evaluate_heldout(model, heldout).elbo
        model.train()
        return found

    racers = []
    for kind in ("textbook", "ours"):
        torch.manual_seed(0)
        model = (VAE if kind == "ours" else textbook_network)(config).to(device)
        steps = (
            textbook(model, folder, device) if kind == "textbook" else ours(model, images, device)
        )
        racers.append(Racer(model, steps, elbo))
    slices = max(8, round(seconds / 1.5))
    for _ in range(slices):
        for racer in racers:
            racer.run(seconds / slices)
    theirs, own = racers
    target = theirs.curve[-1][1] - 1
    return {
        "images_per_second": own.images / own.seconds,
        "textbook_images_per_second": theirs.images / theirs.seconds,
        "ratio": own.images / own.seconds / (theirs.images / theirs.seconds),
        "elbo": target,
        "seconds_to_elbo": own.reached(target),
        "textbook_seconds_to_elbo": theirs.reached(target),
    }


def measure_epochs(config: VAEConfig, epochs: int, device: torch.device, folder: Path) -> dict:
    """The held-out ELBO of both after the same number of epochs.

    Args:
        config: the network.
        epochs: passes over the images.
        device: to train on.
        folder: where torchvision finds Fashion-MNIST.
    """
    images, grey = load_dataset("fashion", "train").images, load_dataset("fashion").images[:]
    heldout = torch.bernoulli(grey, generator=torch.Generator().manual_seed(0)).to(device)
    torch.manual_seed(0)
    theirs = textbook_network(config).to(device)
    steps = -(-len(images) // BATCH) * epochs
    for _ in islice(textbook(theirs, folder, device), steps):
        pass
    torch.manual_seed(0)
    own = VAE(config).to(device)
    for _ in train(own, images, TrainingConfig(epochs=epochs), group=Group(device=device)):
        pass
    return {
        "epochs": epochs,
        "elbo_of_epochs": evaluate_heldout(own, heldout).elbo,
        "textbook_elbo_of_epochs": evaluate_heldout(theirs.eval(), heldout).elbo,
    }


def fashion_folder() -> Path:
    """A folder from which torchvision reads Fashion-MNIST; its files are linked or fetched."""
    system = Path("/usr/share/datasets/fashion-mnist")
    folder = data_folder() / "benchmarks"
    raw = folder / "FashionMNIST" / "raw"
    if system.is_dir() and not raw.exists():
        raw.mkdir(parents=True)
        import gzip

        for file in system.glob("*-ubyte.gz"):
            (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    FashionMNIST(folder, train=True, download=True)
    return folder


def main() -> None:
    """Prints a table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=60, help="of training for each loop")
    parser.add_argument("--epochs", type=int, default=5, help="after which ELBOs are compared")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    folder = fashion_folder()
    found = {}
    print(f"{device}, {options.threads} threads, {options.seconds:g} seconds each")
    print("network   ours/s  textbook/s   ratio   seconds to ELBO: ours  textbook")
    for name, config in NETWORKS.items():
        row = found[name] = measure(config, options.seconds, device, folder)
        times = [row["seconds_to_elbo"], row["textbook_seconds_to_elbo"]]
        shown = ["never" if t is None else f"{t:.1f}" for t in times]
        print(
            f"{name:8}{row['images_per_second']:8.0f}{row['textbook_images_per_second']:12.0f}"
            f"{row['ratio']:8.2f}{row['elbo']:12.1f}{shown[0]:>15}{shown[1]:>10}",
            flush=True,
        )
    print("network   epochs   ELBO: ours  textbook")
    for name, config in NETWORKS.items() if options.epochs else ():
        row = measure_epochs(config, options.epochs, device, folder)
        found[name] |= row
        own, theirs = row["elbo_of_epochs"], row["textbook_elbo_of_epochs"]
        print(f"{name:8}{options.epochs:8}{own:13.2f}{theirs:10.2f}", flush=True)
    if options.json:
        print(json.dumps(found | {"device": str(device), "threads": options.threads}))


if __name__ == "__main__":
    keep_memory()  # as the command line does; for both loops
    main()

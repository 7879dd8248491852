"""How much of what a model shows by default passes for real: on its map, and midway on a path.

    python benchmarks/realism.py [MODEL …] [--json]

A discriminator learns to tell reconstructions from cross-fades of two reconstructions, the
plainest mixture that is no picture of anything. It is trained on every other reference code of a
checkpoint and asked about the rest; two are trained, and both answers are printed. A share above
that of reconstructions would say nothing: look at the pictures as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vae import VAE, load_checkpoint
from vae.checkpoint import load_codes
from vae.classifier import Classifier
from vae.codes import decode
from vae.latent import lerp, slerp
from vae.projection import fit_pca

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"
PAIRS = 500
EPOCHS = 40


def crossfades(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Mixes random pairs of images `(B, C, H, W)` pixel by pixel, neither below 3 parts in 10."""
    a, b = (torch.randint(len(x), (count,), generator=generator) for _ in range(2))
    b = torch.where(a == b, (b + 1) % len(x), b)
    weight = 0.3 + 0.4 * torch.rand((count, 1, 1, 1), generator=generator)
    return torch.lerp(x[a], x[b], weight)


def train_discriminator(real: Tensor, seed: int) -> Classifier:
    """Trains a network to tell reconstructions `(B, C, H, W)` from their cross-fades."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Classifier(tuple(real.shape[1:]), ("real",), exclusive=False)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-2)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(real), generator=generator).split(64):
            x = torch.cat([real[rows], crossfades(real, len(rows), generator)])
            target = (torch.arange(len(x)) < len(rows)).float()
            loss = F.binary_cross_entropy_with_logits(model(x)[:, 0], target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval().requires_grad_(False)


def shown(model: VAE, codes: np.ndarray) -> dict[str, Tensor]:
    """What is asked about: pictures `(N, C, H, W)` by name, from held-out codes `(N, D)`."""
    rng = np.random.default_rng(0)
    a, b = (codes[rng.permutation(len(codes))[:PAIRS]] for _ in range(2))
    pca = fit_pca(codes, min(2, codes.shape[1]))
    on_plane = (codes - pca.mean) @ pca.components.T @ pca.components
    others = codes - pca.mean - on_plane  # of the person that is pinned
    pinned = rng.permutation(others)

    def middle(way: Callable[..., np.ndarray]) -> np.ndarray:
        return np.concatenate([way(p, q, np.array([0.5])) for p, q in zip(a, b, strict=True)])

    found = {
        "reconstructions": codes,
        "map, the other dimensions at the mean": pca.mean + on_plane,
        "map, the others kept from a random image": pca.mean + on_plane + pinned,
        "middle of the straight line": middle(lerp),
        "middle of the arc": middle(slerp),
    }
    pictures = {name: decode(model, z.astype(np.float32)) for name, z in found.items()}
    return pictures | {"cross-fade": torch.lerp(decode(model, a), decode(model, b), 0.5)}


def measure(name: str) -> dict[str, list[float]]:
    """The share that passes for real, 0…1, by each of two discriminators."""
    folder = CHECKPOINTS / name
    model, codes = load_checkpoint(folder), load_codes(folder)["mean"]
    real = decode(model, codes[::2])
    judges = [train_discriminator(real, seed) for seed in (0, 1)]
    return {
        what: [
            float((torch.cat([judge(part) for part in x.split(250)]) > 0).float().mean())
            for judge in judges
        ]
        for what, x in shown(model, codes[1::2]).items()
    }


def main() -> None:
    """Prints a table for each model; with `--json` one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["faces"])
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    found = {}
    for name in wanted.models:
        found[name] = measure(name)
        print(f"{name}: passes for real, by two discriminators")
        for what, shares in found[name].items():
            print(f"  {what:<42}" + "".join(f"{share:>7.0%}" for share in shares), flush=True)
    if wanted.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

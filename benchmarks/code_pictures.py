"""Draws the pictures of `docs/ideas/codes.md`: draws, paths, and means of several codes.

    python benchmarks/code_pictures.py [MODEL]

Nothing is chosen: draws and pairs follow from the seed 0. Each file is a JPEG in `docs/ideas/`.
Also prints the page's table of figures, as the cards hold them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vae import VAE, load_checkpoint
from vae.checkpoint import load_card, load_codes
from vae.code_distribution import CodeDistribution, load_code_distribution
from vae.codes import decode
from vae.latent import lerp, slerp
from vae.likely_codes import blend
from vae.locations import SHIPPED

MODELS = ("faces", "digits-16", "fashion", "digits")
ROWS = {
    "reconstructions": "reconstructions",
    "crossfades": "cross-fades",
    "prior": "draws of N(0, I)",
    "gaussian": "draws of the fitted Gaussian",
    "mixture": "draws of a mixture of 64",
    "learned": "draws of the learned distribution",
    "line": "middle: straight line",
    "arc": "middle: arc",
    "learned_path": "middle: learned",
    "map": "places of the map",
    "corners": "four random codes, blended",
    "blend": "four neighbours, blended",
}
SOURCES = {
    "reconstructions": "precision / recall: reconstructions",
    "prior": "N(0, I)",
    "fitted_gaussian": "fitted Gaussian",
    "mixture": "mixture",
    "learned": "learned distribution",
}
PLACE = Path(__file__).resolve().parent.parent / "docs" / "ideas"
DRAWS = (4, 12)  # rows and columns
PAIRS, FRAMES = 8, 7
MOST = 10  # codes in a mean
GAP = 8  # pixels between groups
LABEL = 18


def sheet(pictures: Tensor, columns: int, split: int = 0) -> Image.Image:
    """Lays pictures `(N, C, H, W)` out row by row, with a gap before every `split`-th column."""
    count, _, height, width = pictures.shape
    rows = -(-count // columns)
    gaps = (columns - 1) // split if split else 0
    whole = Image.new("RGB", (columns * width + gaps * GAP, rows * height), "white")
    grey = (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    for number, pixels in enumerate(grey):
        row, column = divmod(number, columns)
        x = column * width + (column // split * GAP if split else 0)
        whole.paste(Image.fromarray(np.repeat(pixels, 3 // pixels.shape[2], 2)), (x, row * height))
    return whole


def titled(parts: dict[str, Image.Image], across: int = 1) -> Image.Image:
    """Puts sheets of one size beside and below each other, each under its name."""
    width, height = next(iter(parts.values())).size
    rows = -(-len(parts) // across)
    size = (across * (width + GAP) - GAP, rows * (height + LABEL + GAP) - GAP)
    whole = Image.new("RGB", size, "white")
    write = ImageDraw.Draw(whole)
    for number, (name, part) in enumerate(parts.items()):
        row, column = divmod(number, across)
        x, y = column * (width + GAP), row * (height + LABEL + GAP)
        write.text((x + 2, y + 2), name, "black")
        whole.paste(part, (x, y + LABEL))
    return whole


def draws(model: VAE, learned: CodeDistribution) -> Image.Image:
    """Draws of N(0, I) and of the learned distribution."""
    count = DRAWS[0] * DRAWS[1]
    prior = np.random.default_rng(0).standard_normal((count, learned.dim))
    found = {
        "Drawn from N(0, I)": prior,
        "Drawn from the learned distribution": learned.sample(count),
    }
    return titled({k: sheet(decode(model, z), DRAWS[1]) for k, z in found.items()})


def paths(model: VAE, learned: CodeDistribution, codes: np.ndarray) -> Image.Image:
    """The same pairs by a straight line, an arc, the learned distribution and a cross-fade."""
    rng = np.random.default_rng(0)
    pairs = codes[rng.permutation(len(codes))[: 2 * PAIRS]].reshape(PAIRS, 2, -1)
    ways = {"Straight line": lerp, "Arc": slerp, "Learned distribution": learned.path}
    found = {
        name: torch.cat([decode(model, np.asarray(way(a, b, FRAMES))) for a, b in pairs])
        for name, way in ways.items()
    }
    share = torch.linspace(0, 1, FRAMES)[:, None, None, None]
    ends = [decode(model, pair) for pair in pairs]
    found["Cross-fade of the pixels"] = torch.cat([torch.lerp(a, b, share) for a, b in ends])
    return titled({k: sheet(x, FRAMES) for k, x in found.items()}, across=2)


def means(model: VAE, learned: CodeDistribution, codes: np.ndarray) -> Image.Image:
    """The mean of the first m of ten random codes, plain and through the distribution."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Tensor]] = {}
    for _ in range(3):
        some = codes[rng.permutation(len(codes))[:MOST]]
        weights = np.tril(np.ones((MOST, MOST))) / np.arange(1, MOST + 1)[:, None]
        for name, z in (
            ("The codes", some),
            ("Mean of the first 1, 2, … 10", weights @ some),
            ("Their blend through the learned distribution", blend(learned, some, weights)),
        ):
            found.setdefault(name, []).append(decode(model, z))
    return titled({k: sheet(torch.cat(x), MOST) for k, x in found.items()})


def figures_table() -> list[str]:
    """The figures of all cards that hold them, a row for each way of making a code."""
    cards = {name: load_card(SHIPPED / name)["metrics"] for name in MODELS}
    cards = {name: found for name, found in cards.items() if found.get("realism")}
    rows = ["| | " + " | ".join(cards) + " |", "|---" * (len(cards) + 1) + "|"]
    for way, words in ROWS.items():
        shares = []
        for found in cards.values():
            low, high = found["realism_interval"].get(way, (0, 0))
            share = found["realism"].get(way)
            shares.append(
                "" if share is None else f"{100 * share:.1f} ({100 * low:.1f}–{100 * high:.1f})"
            )
        rows.append(f"| {words} | " + " | ".join(shares) + " |")
    for path, words in (("line", "straight line"), ("arc", "arc"), ("learned_path", "learned")):
        kept = [f"{100 * found['shared_kept'][path]:.1f}" for found in cards.values()]
        rows.append(f"| shared attributes kept: {words} | " + " | ".join(kept) + " |")
    for source, words in SOURCES.items():
        both = [(found["precision"][source], found["recall"][source]) for found in cards.values()]
        rows.append(f"| {words} | " + " | ".join(f"{p:.2f} / {r:.2f}" for p, r in both) + " |")
    return rows


def main() -> None:
    """Writes the three files and says how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="faces")
    parser.add_argument("--out", type=Path, default=PLACE)
    wanted = parser.parse_args()
    folder = SHIPPED / wanted.model
    model, codes = load_checkpoint(folder), load_codes(folder)["mean"]
    learned = load_code_distribution(folder)
    if learned is None:
        sys.exit(
            f"{folder} has no distribution of its codes: python -m vae fit-codes {wanted.model}"
        )
    for name, picture in (
        ("draws", draws(model, learned)),
        ("paths", paths(model, learned, codes)),
        ("means", means(model, learned, codes)),
    ):
        file = wanted.out / f"{wanted.model}-{name}.jpg"
        picture.save(file, quality=80, optimize=True)
        print(f"{file}: {picture.size}, {file.stat().st_size / 1_000:.0f} kB")
    print("\n".join(figures_table()))


if __name__ == "__main__":
    main()

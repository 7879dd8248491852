"""What a checkpoint's folder keeps of its reference images: codes, their places, their ELBO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .checkpoint import save_codes
from .datasets import Dataset
from .model import VAE
from .objective import elbo
from .projection import fit_pca, fit_tsne

__all__ = ["encode", "write_reference"]


@torch.no_grad()
def encode(
    model: VAE,
    images: object,
    rows: np.ndarray | None = None,
    *,
    batch: int = 250,
    progress: Callable[[float], None] | None = None,
) -> dict[str, np.ndarray]:
    """Encodes images, always with the same noise for the ELBO.

    Args:
        model: on any device.
        images: `(N, C, H, W)`, of a dataset.
        rows: `(M,)` of the images to take; all by default.
        batch: images at a time.
        progress: told the part that is done.

    Returns:
        `mean`, `variance` `(M, D)`, `index` `(M,)`; `kl`, `elbo` `(M,)` in nats if variational.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    device = next(model.parameters()).device
    parts: dict[str, list[torch.Tensor]] = {}
    for start in range(0, len(rows), batch):
        chosen = torch.from_numpy(rows[start : start + batch])
        x = images[chosen].to(device)
        posterior = model.encoder(x)
        found = {"mean": posterior.mean, "variance": posterior.variance}
        if model.config.variational:
            # Seeded by the first row, so that it does not matter who encodes which part.
            noise = torch.Generator(device).manual_seed(int(chosen[0]))
            bound = elbo(model, x, generator=noise)
            found |= {"kl": bound.kl, "elbo": bound.elbo}
        for name, values in found.items():
            parts.setdefault(name, []).append(values.float().cpu())
        if progress:
            progress(min(start + batch, len(rows)) / len(rows))
    codes = {name: torch.cat(values).numpy() for name, values in parts.items()}
    return codes | {"index": rows.astype(np.int64)}


def write_reference(
    model: VAE,
    folder: str | Path,
    dataset: Dataset,
    tsne: bool = True,
    *,
    limit: int = 5_000,
    codes: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Encodes a dataset's images, finds their places on the map and saves both.

    Args:
        model: the checkpoint's.
        folder: the checkpoint's.
        dataset: reference images, usually the held-out split.
        tsne: whether to fit t-SNE, which takes a minute for thousands of codes.
        limit: takes at most so many of the first images.
        codes: as `encode` gave them, if they are known.

    Returns:
        What `load_codes` will give: `mean`, `variance` `(N, D)`, `index` `(N,)`, `kl`, `elbo`
        `(N,)` if variational, `pca` `(N, 2)` with `pca_mean` `(D,)` and `pca_components` `(2, D)`,
        and `tsne` `(N, 2)`.
    """
    if codes is None:
        codes = encode(model, dataset.images, np.arange(min(limit, len(dataset))))
    mean = codes["mean"]
    pca = fit_pca(mean, 2)
    missing = 2 - len(pca.components)  # a latent space of one dimension lies on a line
    components = np.pad(pca.components, ((0, missing), (0, 0)))
    codes = codes | {
        "pca": (mean - pca.mean) @ components.T,
        "pca_mean": pca.mean,
        "pca_components": components,
    }
    save_codes(folder, codes)
    perplexity = min(30.0, (len(mean) - 1) / 3)
    if tsne and perplexity > 1:
        codes["tsne"] = fit_tsne(mean, perplexity=perplexity).embedding
        save_codes(folder, codes)
    return codes

"""Reads a checkpoint as the pages use it: checks what lies in its folder, and finds its images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pages.ui.shared.latent_space import LatentSpace
from vae import VAE, CheckpointError, load_checkpoint
from vae.checkpoint import load_card, load_codes
from vae.code_distribution import FILE, CodeDistribution, load_code_distribution
from vae.codes import BOUNDS, encode, find_reference
from vae.datasets import Dataset, DatasetError
from vae.imports import find_import
from vae.locations import Checkpoint
from vae.projection import fit_pca

__all__ = ["read_latent_space"]

_MOST = 5_000  # images encoded for a checkpoint that came without codes


def read_latent_space(
    checkpoint: Checkpoint,
    stamp: str,
    load: Callable[[str, str, tuple[int, int, int]], Dataset],
    images_stamp: str,
) -> LatentSpace:
    """Reads a checkpoint's folder and its images; computes the codes where it has none.

    Args:
        checkpoint: checkpoint to be read.
        stamp: kept with it.
        load: gives a dataset by name, split and shape of its images.
        images_stamp: of the dataset; that of an import ends in a message if its source changed.

    Raises:
        CheckpointError: a damaged checkpoint.
        DatasetError: its images cannot be had, or are not those it was made with.
    """
    model = load_checkpoint(checkpoint.folder)
    card = load_card(checkpoint.folder)
    name = card.get("dataset")
    if not isinstance(name, str):
        raise DatasetError("Its card names no dataset, so there are no real images to show.")

    def load_split(split: str) -> Dataset:
        return load(name, split, model.config.image_shape)

    saved = (checkpoint.folder / "codes.safetensors").exists()
    if saved:
        codes = load_codes(checkpoint.folder)
        data, matched, notices = find_reference(card, codes, load_split)
    else:
        data, notices = load_split(str(card.get("split", "test"))), ()
    imported = find_import(name)
    if imported is not None and (change := images_stamp.removeprefix(imported.card["content"])):
        notices = (*notices, change)
    first = int(codes["index"][matched][0]) if saved else 0  # others may be gone
    _check_weights(checkpoint.folder, model, data.images[first])
    if not saved and not model.config.encodes:
        raise CheckpointError(
            f"{checkpoint.folder / 'codes.safetensors'}: no such file, and the model has no "
            "encoder that could compute the codes. Import it again."
        )
    if not saved:
        codes = encode(model, data.images, limit=_MOST)
        matched = np.ones(len(codes["index"]), dtype=bool)
    index, d = codes["index"][matched], model.latent_dim
    if codes["mean"].shape != (len(matched), d) or index.max() >= len(data):
        raise DatasetError(
            f"Its codes are {codes['mean'].shape} for images up to {index.max()}; expected "
            f"{d} dimensions and images below {len(data)}. Compute them again."
        )
    _check_variances(checkpoint.folder, model, codes)
    codes = {k: v[matched] for k, v in codes.items() if v.shape[:1] == matched.shape}
    pca = fit_pca(codes["mean"], d)
    places = pca.transform(codes["mean"])[:, :2]  # codes of one dimension lie on a line
    embeddings = {"pca": np.pad(places, ((0, 0), (0, 2 - places.shape[1])))}
    if "tsne" in codes:
        embeddings["tsne"] = codes["tsne"]
    variational = model.config.variational
    distribution, damage = _read_distribution(checkpoint.folder, d)
    return LatentSpace(
        name=checkpoint.name,
        stamp=stamp,
        model=model,
        card=card,
        dataset=data,
        index=index,
        mean=codes["mean"],
        variance=codes["variance"],
        pca=pca,
        embeddings=embeddings,
        kl=codes.get("kl") if variational else None,
        elbo=codes.get("elbo") if variational else None,
        notices=(*notices, *damage),
        distribution=distribution,
        estimates={k: codes[k] for k in BOUNDS} if codes.keys() >= {*BOUNDS} else {},
    )


def _read_distribution(folder: Path, dim: int) -> tuple[CodeDistribution | None, tuple[str, ...]]:
    """The learned distribution, if there is a sound one; else what is wrong with it."""
    try:
        distribution = load_code_distribution(folder)
        if distribution is not None and distribution.dim != dim:
            raise CheckpointError(
                f"{folder / FILE}: it is of codes with {distribution.dim} dimensions; expected "
                f"{dim}. Fit it again: python -m vae fit-codes."
            )
    except CheckpointError as error:
        return None, (str(error),)
    return distribution, ()


@torch.no_grad()
def _check_weights(folder: Path, model: VAE, x: Tensor) -> None:
    """Refuses weights that are finite, but not what they make of an image `(C, H, W)`."""
    code = torch.zeros(1, model.latent_dim)
    if model.config.encodes:
        code = model.encoder(x[None], validate_args=False).mean
    picture = model.decoder(code, validate_args=False).mean
    if not (torch.isfinite(code).all() and torch.isfinite(picture).all()):
        raise CheckpointError(
            f"{folder / 'model.safetensors'}: the weights are so large that what they give is "
            "not finite. Put the file back as it was, or train the model again."
        )


def _check_variances(folder: Path, model: VAE, codes: dict[str, np.ndarray]) -> None:
    variational = model.config.variational
    needed = ("variance", *(("kl", "elbo") if variational else ()))
    missing = [name for name in needed if name not in codes]
    if missing or (variational and not (codes["variance"] > 0).all()):
        defect = f"{missing[0]} is missing" if missing else "variance is not above 0"
        raise CheckpointError(
            f"{folder / 'codes.safetensors'}: {defect}. Remove the file: the codes are computed "
            "again when the model is opened."
        )

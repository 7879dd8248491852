"""Small untrained models with real images, for tests of pages that need some model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vae import VAE, VAEConfig, elbo, load_checkpoint, load_dataset, save_checkpoint
from vae.checkpoint import load_codes, save_codes
from vae.code_distribution import CodeDistribution, save_code_distribution
from vae.codes import FittedGaussian
from vae.flow import VelocityField

COUNT = 300
CONFIGS = {
    "tiny-plane": VAEConfig((1, 28, 28), latent_dim=2, channels=(8,), hidden=(24,)),
    "tiny-gaussian": VAEConfig(
        (1, 28, 28), latent_dim=5, likelihood="gaussian", channels=(8,), hidden=(24,)
    ),
    "tiny-autoencoder": VAEConfig(
        (1, 28, 28), latent_dim=3, variational=False, channels=(8,), hidden=(24,)
    ),
}


@torch.no_grad()
def make(folder: Path, names: tuple[str, ...] = tuple(CONFIGS)) -> None:
    """Writes the models as checkpoints, codes of 300 test digits included."""
    x = load_dataset("digits", "test").images[:COUNT]
    for name in names:
        torch.manual_seed(1)
        model = VAE(CONFIGS[name])
        for parameter in model.parameters():
            parameter.mul_(1.4)  # so that different codes give different pictures
        save_checkpoint(model, folder / name, {"dataset": "digits", "split": "test"})
        model = load_checkpoint(folder / name)
        posterior = model.encoder(x)
        codes = posterior.mean.numpy()
        rng = np.random.default_rng(0)
        arrays = {
            "mean": codes,
            "variance": posterior.variance.numpy(),
            "index": np.arange(COUNT),
            "tsne": codes[:, :2] * 3 + 0.01 * rng.standard_normal((COUNT, 2)),
        }
        if model.config.variational:
            bound = elbo(model, x)
            arrays |= {"kl": bound.kl.numpy(), "elbo": bound.elbo.numpy()}
        save_codes(folder / name, arrays)


def make_learned(folder: Path, *, standard: bool = False) -> None:
    """Writes "tiny-gaussian", and "tiny-learned": the same with a distribution of its codes.

    The velocity is 0, so that what the flow gives is a Gaussian, exactly: the fitted one, or the
    one with means and variances of 1.
    """
    make(folder, ("tiny-gaussian",))
    shutil.copytree(folder / "tiny-gaussian", folder / "tiny-learned")
    codes = load_codes(folder / "tiny-gaussian")
    fitted = FittedGaussian.fit(codes["mean"], codes["variance"])
    mean, root = fitted.mean, np.linalg.cholesky(fitted.covariance)
    if standard:
        mean, root = np.ones(5), np.eye(5)
    arrays = (mean.astype(np.float32), root.astype(np.float32))
    learned = CodeDistribution(*arrays, VelocityField(5, 8, 1))
    held_out = np.sort(learned.log_density(learned.sample(500, seed=3)))
    save_code_distribution(folder / "tiny-learned", replace(learned, held_out=held_out))

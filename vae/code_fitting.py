"""Fitting the distribution of codes: of arrays, and of a checkpoint within a budget of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .checkpoint import (
    CheckpointError,
    find_checkpoint,
    load_card,
    load_checkpoint,
    load_codes,
)
from .code_distribution import CodeDistribution, save_code_distribution
from .codes import encode
from .datasets import Dataset, load_dataset
from .durations import time_words
from .flow import WIDTH, AggregatePosterior, measure_step, train_flow
from .model import VAE

__all__ = ["ENOUGH", "IMAGES", "STEPS", "Plan", "fit_checkpoint", "fit_codes", "plan_fit"]

ENOUGH = 200  # smallest number of codes for a flow; fewer get the fitted Gaussian
IMAGES = 16_000  # largest number of training images
STEPS = 9_000  # largest number of steps
_NARROW = 128  # width of the narrow network, whose steps take a seventh of the time
_WORTH = 2_500  # steps for which the wide network is taken
_LEAST = 1_000  # steps; of the narrow network these come close to a whole fit
_WHITE_FLOOR = 1e-6  # smallest variance of a direction, relative to the largest
_ENCODING = 0.2  # share of encoding in the displayed progress


@dataclass(frozen=True)
class Plan:
    """The size of a fit.

    Args:
        steps: training steps; 0 for the fitted Gaussian.
        width: width of the network.
        seconds: duration on this machine.
    """

    steps: int
    width: int
    seconds: float


def plan_fit(codes: int, dim: int, steps: int = STEPS, budget: float | None = None) -> Plan:
    """Chooses steps and width of a fit from the measured duration of a step.

    Args:
        codes: number of codes; fewer need fewer steps.
        dim: dimensions of the latent space.
        steps: largest number of steps.
        budget: duration in seconds that is not exceeded unless too few steps would be left; None
            for no limit.
    """
    if codes < ENOUGH:
        return Plan(0, WIDTH, 0.0)
    steps = min(steps, 600 + 2 * codes)
    pace = measure_step(dim)
    width = WIDTH
    if budget is not None and budget < pace * min(_WORTH, steps):
        width, pace = _NARROW, measure_step(dim, _NARROW)
    if budget is not None:
        steps = min(steps, max(_LEAST, int(budget / pace)))
    return Plan(steps, width, steps * pace)


def fit_checkpoint(
    folder: str | Path,
    *,
    images: int = IMAGES,
    steps: int = STEPS,
    seed: int = 0,
    budget: float | None = None,
    model: VAE | None = None,
    data: Dataset | None = None,
    log: Callable[[str], object] = lambda sentence: None,
    progress: Callable[[float], object] = lambda share: None,
) -> CodeDistribution:
    """Fits the distribution of a checkpoint's codes and saves it in the checkpoint's folder.

    It is fitted to the codes of training images; the checkpoint's reference codes are held out.

    Args:
        folder: folder or name of the checkpoint.
        images: largest number of training images.
        steps: largest number of steps, as in `fit_codes`.
        seed: seed of the fit, as in `fit_codes`.
        budget: duration of the training in seconds, see `plan_fit`.
        model: loaded model of the checkpoint, on any device.
        data: loaded training images of the checkpoint.
        log: called with a message for each step, with its duration.
        progress: called with the fraction done, 0…1; an exception that it raises ends
            the fit, and nothing is written.

    Raises:
        CheckpointError: if model, codes, or the name of the dataset are missing.
        DatasetError: if the images cannot be loaded.
    """
    folder = find_checkpoint(folder)
    model = model or load_checkpoint(folder)
    codes = load_codes(folder)
    if data is None:
        name = load_card(folder).get("dataset")
        if not name:
            raise CheckpointError(f"{folder}: the card names no dataset, so there are no images.")
        data = load_dataset(name, "train", image_shape=model.config.image_shape)
    count = min(images, len(data))

    def tell(done: int) -> None:
        progress(_ENCODING * done / max(count, 1))

    log(f"Encoding {count:,} images.")
    encoded = encode(model, data.images, limit=count, bound=False, progress=tell)
    plan = plan_fit(count, model.latent_dim, steps, budget)
    if plan.steps:
        log(
            f"Fitting a distribution to {count:,} codes: {plan.steps:,} steps, about "
            f"{time_words(plan.seconds)}."
        )
    else:
        log(f"Fitting a Gaussian: {count:,} codes are too few for more, {ENOUGH} are needed.")
    distribution = fit_codes(
        encoded["mean"],
        encoded["variance"],
        held_out=(codes["mean"], codes["variance"]),
        steps=plan.steps,
        width=plan.width,
        seed=seed,
        progress=lambda share: progress(_ENCODING + (1 - _ENCODING) * share),
    )
    save_code_distribution(folder, distribution)
    return distribution


def fit_codes(
    mean: np.ndarray,
    variance: np.ndarray | None = None,
    *,
    held_out: tuple[np.ndarray, np.ndarray | None] | None = None,
    steps: int = STEPS,
    width: int = WIDTH,
    seed: int = 0,
    progress: Callable[[float], object] = lambda share: None,
) -> CodeDistribution:
    """Fits the distribution of codes to the aggregate posterior.

    The velocity field is trained by flow matching on straight lines from noise to draws of
    q(z|x); the weights with the lowest loss on held-out codes are kept. Training takes four
    minutes for 9,000 steps on two cores; fewer codes take fewer steps.

    Args:
        mean: posterior means `(N, D)`, or codes.
        variance: posterior variances `(N, D)`; None or zeros for a standard autoencoder.
        held_out: mean and variance of held-out codes, on which the loss is evaluated and with
            which codes are compared; by default a tenth of the codes.
        steps: largest number of training steps.
        width: width of the velocity network.
        seed: seed of the weights, the draws and the noise.
        progress: called with the fraction done, 0…1.

    Returns:
        A flow for at least 200 codes, else the fitted Gaussian.

    Raises:
        ValueError: if there are no codes, or some are not finite.
    """
    mean, variance = _checked(mean, variance)
    rng = np.random.default_rng(seed)
    if held_out is None:
        order = rng.permutation(len(mean))
        rest, kept = np.sort(order[len(mean) // 10 :]), np.sort(order[: len(mean) // 10])
        held_out_mean, held_out_variance = mean[kept], variance[kept]
        mean, variance = mean[rest], variance[rest]
    else:
        held_out_mean, held_out_variance = _checked(*held_out)
    centre, root = _aggregate(mean, variance)
    gaussian = CodeDistribution(centre, root)
    about: dict[str, Any] = {
        "codes": len(mean),
        "held_out_codes": len(held_out_mean),
        "seed": seed,
    }
    drawn = _draw(mean, variance, seed), _draw(held_out_mean, held_out_variance, seed + 1)
    if len(mean) < ENOUGH:
        return _with_figures(gaussian, *drawn, about | {"kind": "gaussian"})
    inverse = torch.from_numpy(np.linalg.inv(root.astype(np.float64)).astype(np.float32))
    sampler = AggregatePosterior(mean, variance, centre, inverse)
    judge = (
        AggregatePosterior(held_out_mean, held_out_variance, centre, inverse)
        if len(held_out_mean)
        else sampler
    )
    steps = min(steps, 600 + len(mean) * 2)
    field, training = train_flow(sampler, judge, mean.shape[1], steps, seed, progress, width)
    flow = CodeDistribution(centre, root, field)
    return _with_figures(flow, *drawn, about | {"kind": "flow"} | training)


def _with_figures(
    distribution: CodeDistribution,
    trained: np.ndarray,
    held_out_codes: np.ndarray,
    about: dict[str, Any],
) -> CodeDistribution:
    """Adds log densities of held-out codes, and distances that would reveal memorisation.

    Codes are draws from q(z|x) here, one for each image, like those of the fit: means have less
    noise in inactive dimensions, and are therefore more likely.
    """
    some = trained[np.linspace(0, len(trained) - 1, min(1_000, len(trained))).astype(int)]
    about = about | {"log_density_training": float(np.median(distribution.log_density(some)))}
    held_out = None
    if len(held_out_codes):
        held_out = np.sort(distribution.log_density(held_out_codes[:2_000]))
        draws = distribution.sample(min(1_000, 5 * len(held_out_codes)), seed=1)
        about |= {
            "log_density_held_out": float(np.median(held_out)),
            "log_density_draws": float(np.median(distribution.log_density(draws))),
            "nearest_of_draws": float(np.median(_nearest(trained, draws))),
            "nearest_of_held_out": float(np.median(_nearest(trained, held_out_codes[:1_000]))),
        }
    return replace(distribution, held_out=held_out, about=about)


def _draw(mean: np.ndarray, variance: np.ndarray, seed: int) -> np.ndarray:
    """A draw from each posterior, `(N, D)`."""
    noise = np.random.default_rng(seed).standard_normal(mean.shape, dtype=np.float32)
    return mean + np.sqrt(variance) * noise


def _nearest(codes: np.ndarray, z: np.ndarray) -> np.ndarray:
    tree = torch.from_numpy(np.asarray(codes, np.float32))
    parts = torch.from_numpy(np.asarray(z, np.float32)).split(256)
    return torch.cat([torch.cdist(part, tree).amin(1) for part in parts]).numpy()


def _aggregate(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean `(D,)` and a root `(D, D)` of the covariance of the aggregate posterior."""
    wide = mean.astype(np.float64)
    centre = wide.mean(0)
    covariance = (wide - centre).T @ (wide - centre) / len(wide)
    covariance += np.diag(variance.astype(np.float64).mean(0))
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, max(_WHITE_FLOOR * values.max(), 1e-12))
    root = (
        vectors * np.sqrt(values)
    ) @ vectors.T  # symmetric: whitening turns as little as it can
    return centre.astype(np.float32), root.astype(np.float32)


def _checked(mean: np.ndarray, variance: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    mean = np.asarray(mean, dtype=np.float32)
    variance = np.zeros_like(mean) if variance is None else np.asarray(variance, np.float32)
    if mean.ndim != 2 or not mean.size or variance.shape != mean.shape:
        raise ValueError(
            f"Means have shape {mean.shape} and variances {variance.shape}; expected (N, D) each."
        )
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
        raise ValueError("Some codes are not finite; expected finite means, variances above 0.")
    return mean, variance

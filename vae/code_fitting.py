"""Fitting the distribution of a checkpoint's codes within a budget of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import (
    CheckpointError,
    find_checkpoint,
    load_card,
    load_checkpoint,
    load_codes,
)
from .code_distribution import ENOUGH, CodeDistribution, fit_codes, save_code_distribution
from .codes import encode
from .datasets import Dataset, load_dataset
from .durations import time_words
from .flow import WIDTH, measure_step
from .model import VAE

__all__ = ["IMAGES", "STEPS", "Plan", "fit_checkpoint", "plan_fit"]

IMAGES = 16_000  # largest number of training images
STEPS = 9_000  # largest number of steps
_NARROW = 128  # width of the narrow network, whose steps take a seventh of the time
_WORTH = 2_500  # steps for which the wide network is taken
_LEAST = 1_000  # steps; of the narrow network these come close to a whole fit
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

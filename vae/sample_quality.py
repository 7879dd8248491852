"""How generated samples compare with real images, in the feature space of a classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .bounds import REPEATS, half_interval
from .classifier import Classifier
from .codes import decode
from .datasets import Dataset
from .model import VAE

__all__ = ["MEASURES", "SampleQuality", "compare_samples", "measure_samples"]

MEASURES = ("precision", "recall", "density", "coverage")
_SAMPLES = 1_000
_FEWEST = 100  # real images, below which nothing is measured


@dataclass(frozen=True)
class SampleQuality:
    """Four measures of a set of samples against a set of real ones.

    Args:
        precision: share of the generated samples that lie among real ones, 0…1.
        recall: share of the real samples that lie among generated ones, 0…1.
        density: how many neighbourhoods of real samples hold a generated one, on average, over k;
            1 for samples of the same distribution, and it can be larger.
        coverage: share of the real samples whose neighbourhood holds a generated one, 0…1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def compare_samples(real: Tensor, generated: Tensor, k: int = 3, wide: int = 5) -> SampleQuality:
    """Precision, recall, density and coverage of generated samples.

    A neighbourhood of a sample is the ball around it that reaches its k-th neighbour of the same
    set. Precision and recall ask whether a sample lies in any neighbourhood of the other set, so
    that one sample in a wide ball counts in full: many copies of one average image have a
    precision of 1. Their coverage is near 0.

    Args:
        real: features of real samples `(N, F)`.
        generated: features of generated samples `(M, F)`.
        k: neighbours for precision and recall.
        wide: neighbours for density and coverage.

    References:
        Improved precision and recall metric for assessing generative models (Kynkäänniemi et al.,
        2019); reliable fidelity and diversity metrics for generative models (Naeem et al., 2020).
    """

    def radii(of: Tensor, neighbours: int) -> Tensor:
        return torch.cdist(of, of).kthvalue(min(neighbours + 1, len(of)), dim=1).values

    apart = torch.cdist(generated, real)
    among_real = apart <= radii(real, k)
    among_generated = apart.T <= radii(generated, k)
    wider = apart <= radii(real, wide)
    return SampleQuality(
        among_real.any(1).float().mean().item(),
        among_generated.any(1).float().mean().item(),
        wider.float().sum(1).mean().item() / wide,
        wider.any(0).float().mean().item(),
    )


def measure_samples(
    model: VAE,
    classifier: Classifier | None,
    data: Dataset,
    reconstructions: Tensor,
    distributions: dict[str, Any],
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Any]:
    """Compares held-out images, reconstructions and draws of each distribution with real images.

    It is done with five seeds, each of which halves the images anew and draws as many samples.

    Args:
        model: any model.
        classifier: classifier of the same dataset.
        data: held-out images.
        reconstructions: reconstructions of its first images `(n, C, H, W)`.
        distributions: distributions of codes by name, with `sample(count, seed)`; None where one
            was not fitted. The prior is added.
        seed: the first seed.
        progress: called with the number of seeds done, and of all.

    Returns:
        For each of `MEASURES` the mean over the seeds by source, and under its name with
        `_interval` a 95 % confidence interval of it; `sample_precision` and `sample_recall` are
        those of the prior. None for all without a classifier or 200 images.
    """
    count = min(len(data.images), len(reconstructions))
    half = min(count // 2, _SAMPLES)
    names = ("sample_precision", "sample_recall", *MEASURES)
    if classifier is None or half < _FEWEST:
        return dict.fromkeys((*names, *(f"{name}_interval" for name in MEASURES)))
    found: dict[str, list[SampleQuality]] = {}
    for number in range(REPEATS):
        rng = np.random.default_rng([seed, number])
        rows = torch.from_numpy(rng.permutation(count))
        first, second = rows[:half], rows[half : 2 * half]
        real = classifier.features(model.observe(data.images[first]))
        sources = {
            "held_out": model.observe(data.images[second]),
            "reconstructions": reconstructions[second],
        }
        for name, distribution in distributions.items():
            if distribution is not None:
                sources[name] = decode(model, distribution.sample(half, seed + number))
        if model.config.variational:
            source = torch.Generator().manual_seed(int(rng.integers(2**31)))
            sources["prior"] = decode(model, model.draw_prior(half, source))
        for name, pictures in sources.items():
            measured = compare_samples(real, classifier.features(pictures))
            found.setdefault(name, []).append(measured)
        progress(number + 1, REPEATS)
    values = {name: np.array([list(asdict(f).values()) for f in of]) for name, of in found.items()}
    report: dict[str, Any] = {}
    for column, measure in enumerate(MEASURES):
        means = {name: float(of[:, column].mean()) for name, of in values.items()}
        halves = {name: half_interval(of[:, column].tolist()) for name, of in values.items()}
        report[measure] = means
        report[f"{measure}_interval"] = {
            name: [mean - halves[name], mean + halves[name]] for name, mean in means.items()
        }
    return {f"sample_{m}": report[m].get("prior") for m in ("precision", "recall")} | report

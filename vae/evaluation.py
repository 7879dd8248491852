"""Evaluation of a checkpoint on held-out images: the report of `python -m vae evaluate`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .bounds import estimate_evidence
from .checkpoint import CheckpointError, load_card, load_checkpoint, load_codes, save_card
from .classifier import Classifier, accuracy, load_classifier
from .code_distribution import load_code_distribution
from .codes import FittedGaussian, change_since, decode, encode
from .concepts.attributes import attribute_table
from .datasets import Dataset, load_dataset
from .durations import time_words
from .mixture import fit_mixture
from .model import VAE
from .objective import elbo
from .realism import FEWEST, estimate_seconds, measure_realism
from .training.heldout import ACTIVE

__all__ = [
    "attribute_survival",
    "evaluate",
    "precision_recall",
    "psnr",
]

_SAMPLES = 1_000  # samples for precision and recall
_BATCH = 250

Log = Callable[[str], None]
Progress = Callable[[int, int], None]


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in decibels, `(B,)`, for pixels in [0, 1]."""
    error = (x - y).square().flatten(1).mean(1)
    return -10 * torch.log10(error.clamp(min=1e-10))


def attribute_survival(
    classifier: Classifier, x: Tensor, data: Dataset, start: int = 0
) -> dict[str, float]:
    """Share of the images with an attribute that still show it after reconstruction.

    Args:
        classifier: classifier of the same dataset.
        x: reconstructions `(B, C, H, W)` of `data.images[start:start + B]`.
        data: dataset with attributes or labels.
        start: row of the first image.

    Returns:
        Shares by attribute, 0…1, or under the key `class` for data with classes.
    """
    predicted = classifier.predictions(x)
    rows = slice(start, start + len(x))
    if classifier.exclusive:
        assert data.labels is not None  # only classes exclude each other
        right = predicted.int().argmax(1) == data.labels[rows]
        return {"class": right.float().mean().item()}
    shares = {}
    table = attribute_table(data, rows)
    for column, name in enumerate(classifier.names):
        has = torch.from_numpy(np.asarray(table[name], dtype=np.float32) > 0.5)  # not NaN
        if has.any():
            shares[name] = predicted[has, column].float().mean().item()
    return shares


def precision_recall(real: Tensor, generated: Tensor, k: int = 3) -> tuple[float, float]:
    """Precision and recall of generated samples in a feature space.

    Precision is the share of generated samples inside the k-nearest-neighbour manifold of the
    real ones: within the distance of some real sample to its k-th real neighbour. Recall is the
    share of real samples inside the manifold of the generated ones.

    Args:
        real: features of real samples `(N, F)`.
        generated: features of generated samples `(M, F)`.
        k: number of neighbours.

    Returns:
        Precision and recall, 0…1.

    References:
        Improved precision and recall metric for assessing generative models (Kynkäänniemi et al.,
        2019).
    """

    def covered(inside: Tensor, of: Tensor) -> float:
        radii = torch.cdist(of, of).kthvalue(min(k + 1, len(of)), dim=1).values
        return (torch.cdist(inside, of) <= radii).any(1).float().mean().item()

    return covered(generated, real), covered(real, generated)


@torch.no_grad()
def evaluate(
    folder: str | Path,
    *,
    dataset: str | None = None,
    images: int | None = None,
    evidence_images: int = 200,
    evidence_samples: int = 500,
    seed: int = 0,
    realism: bool = False,
    save: bool = False,
    log: Log = lambda sentence: None,
    progress: Progress = lambda done, count: None,
) -> dict[str, Any]:
    """Evaluates a checkpoint on held-out images.

    Args:
        folder: folder or name of the checkpoint.
        dataset: name or path of the dataset, by default the one that the card names.
        images: number of images of the test split, all by default.
        evidence_images: number of these images for which log p(x) is estimated, 0 for none.
        evidence_samples: largest number of importance samples for each of them, beyond a few
            hundred that are always drawn.
        seed: seed of all noise.
        realism: whether to train three discriminators and apply them to pictures of each way of
            making a code, see `measure_realism`, which takes minutes.
        save: whether to write the metrics into the card, under `metrics`.
        log: called with a message at each step.
        progress: called with the number of images done and the total of the step.

    Returns:
        `elbo`, `reconstruction`, `kl`, `log_evidence` (nats per image), the standard errors
        `elbo_error` and `log_evidence_error`, `active_units`, `psnr` (decibels),
        `attribute_survival` and `classifier_accuracy` on real images (by name, 0…1),
        `sample_precision` and `sample_recall` (of draws from N(0, I); `precision` and `recall`
        hold them for every source), `n`; with `realism`, `realism`, `realism_interval` and
        `shared_kept`. None for metrics that do not apply.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
        DatasetError: if the dataset cannot be loaded.
        ValueError: if neither the card nor an argument names a dataset.
    """
    model = load_checkpoint(folder)
    card = load_card(folder)
    name = dataset or card.get("dataset")
    if not name:
        raise ValueError(f"{folder}: the card names no dataset; pass --dataset.")
    data = load_dataset(name, "test", image_shape=model.config.image_shape)
    classifier = load_classifier(name)
    n = min(images or len(data.images), len(data.images))
    generator = torch.Generator().manual_seed(seed)
    if dataset is None and (changed := change_since(card, name, data.fingerprint)):
        log(f"{changed} Some that are held out now may have been trained on.")
    log(f"Encoding {n:,} images of {name}.")
    encoded = encode(model, data.images, limit=n, bound=False)
    means, variances = encoded["mean"], encoded["variance"]
    y = decode(model, means)
    terms, decibels = [], []
    for start in range(0, n, _BATCH):
        x = model.observe(data.images[start : min(start + _BATCH, n)])
        decibels.append(psnr(x, y[start : start + len(x)]))
        if model.config.variational:
            first, second = (elbo(model, x, generator=generator) for _ in range(2))
            both = torch.stack([first.reconstruction, second.reconstruction])
            terms.append(torch.stack([both.mean(0), both.diff(dim=0)[0] / 2, first.kl]))
        progress(start + len(x), n)
    report: dict[str, Any] = dict.fromkeys(
        ("elbo", "elbo_error", "reconstruction", "kl", "log_evidence", "log_evidence_error")
    )
    if model.config.variational:
        reconstruction, half, kl = torch.cat(terms, 1).double()
        report |= {
            "elbo": (reconstruction - kl).mean().item(),
            "elbo_error": (half.square().sum().sqrt() / n).item(),
            "reconstruction": reconstruction.mean().item(),
            "kl": kl.mean().item(),
        }
    if model.config.variational and evidence_images:
        x = data.images[: min(evidence_images, n)]
        log(f"Estimating log p(x) of {len(x)} images with {evidence_samples} samples each.")
        estimates = []
        for image in x:
            estimates.append(estimate_evidence(model, image, decodes=evidence_samples))
            progress(len(estimates), len(x))
        report["log_evidence"] = sum(f.value for f in estimates) / len(estimates)
        # Random errors average out, but the bias of lower bounds does not.
        even = math.hypot(*(f.error for f in estimates if not f.is_lower_bound))
        below = sum(f.error for f in estimates if f.is_lower_bound)
        report["log_evidence_error"] = (even + below) / len(estimates)
    report["active_units"] = int((means.var(0, ddof=1) > ACTIVE).sum()) if n > 1 else None
    report["psnr"] = torch.cat(decibels).mean().item()
    report["attribute_survival"] = attribute_survival(classifier, y, data) if classifier else None
    report["classifier_accuracy"] = accuracy(classifier, data) if classifier else None
    sources: dict[str, Any] = {"gaussian": FittedGaussian.fit(means, variances)}
    if n >= FEWEST:
        sources["mixture"] = fit_mixture(means, variances, seed=seed, log=log)
        sources["learned"] = load_code_distribution(folder)
    log("Classifying samples.")
    report |= _sample_quality(model, classifier, data, y, sources, seed)
    if realism:
        places = _places(folder, means)
        seconds = estimate_seconds(model, means, sources.get("learned"))
        log(f"Training three discriminators: about {time_words(seconds)}.")
        report |= measure_realism(
            model,
            means,
            **sources,
            classifier=classifier,
            tsne=places,
            progress=lambda share: progress(round(100 * share), 100),
        )
    report |= {"dataset": name, "n": n}
    if save:
        save_card(folder, card | {"metrics": report})
    return report


def _places(folder: str | Path, means: np.ndarray) -> np.ndarray | None:
    """The positions of codes on the t-SNE map of their checkpoint, if it has one of them."""
    with contextlib.suppress(CheckpointError):
        codes = load_codes(folder)
        if "tsne" in codes and len(codes["mean"]) >= len(means):
            kept = codes["mean"][: len(means)]
            if np.allclose(kept, means, atol=1e-2 * means.std()):
                return codes["tsne"][: len(means)]
    return None


def _sample_quality(
    model: VAE,
    classifier: Classifier | None,
    data: Dataset,
    reconstructions: Tensor,
    drawn: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    if classifier is None or len(data.images) < 2 * _SAMPLES:
        half = len(data.images) // 2
    else:
        half = _SAMPLES
    if classifier is None or half < 100:
        return dict.fromkeys(("sample_precision", "sample_recall", "precision", "recall"))

    real = classifier.features(model.observe(data.images[:half]))
    sources = {
        "held_out": model.observe(data.images[half : 2 * half]),
        "reconstructions": reconstructions[half : 2 * half],
    }
    for source, distribution in drawn.items():
        if distribution is not None:
            key = "fitted_gaussian" if source == "gaussian" else source
            sources[key] = decode(model, distribution.sample(_SAMPLES, seed))
    if model.config.variational:
        rng = np.random.default_rng(seed)
        sources["prior"] = decode(model, rng.standard_normal((_SAMPLES, model.latent_dim)))
    measured = {
        k: precision_recall(real, classifier.features(v)) for k, v in sources.items() if len(v)
    }
    prior = measured.get("prior", (None, None))
    return {
        "sample_precision": prior[0],
        "sample_recall": prior[1],
        "precision": {k: v[0] for k, v in measured.items()},
        "recall": {k: v[1] for k, v in measured.items()},
    }

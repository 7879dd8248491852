"""Evaluation of a checkpoint on held-out images: the report of `python -m vae evaluate`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .bounds import average, estimate_evidence
from .checkpoint import CheckpointError, load_card, load_checkpoint, load_codes, save_card
from .classifier import Classifier, accuracy, load_classifier
from .code_distribution import load_code_distribution
from .codes import FittedGaussian, change_since, decode, encode
from .concepts.attributes import attribute_table
from .datasets import Dataset, load_dataset
from .disentanglement import as_report, factors_of, measure
from .durations import time_words
from .map_quality import measure_maps, neighbour_agreement
from .mixture import fit_mixture
from .model import VAE
from .objective import elbo
from .projection import fit_pca
from .realism import FEWEST, estimate_seconds, measure_realism
from .sample_quality import measure_samples
from .training.heldout import ACTIVE

__all__ = [
    "attribute_survival",
    "evaluate",
    "psnr",
]

EVIDENCE = (
    *("log_evidence", "log_evidence_error", "log_evidence_interval", "log_evidence_ess"),
    *("log_evidence_is_bound", "evidence_images", "evidence_elbo", "evidence_elbo_error"),
)
"""Fields of a report on log p(x): of the first images, with the ELBO of the same images."""

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


@torch.no_grad()
def evaluate(
    checkpoint: str | Path | VAE,
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
    """Evaluates a checkpoint, or a model in memory, on held-out images.

    Args:
        checkpoint: folder or name of a checkpoint; or a model, such as one of `wrap_model`, for
            which `dataset` has to be named.
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
        `elbo`, `reconstruction`, `kl` (nats per image), the standard error `elbo_error`; of the
        first `evidence_images` images `log_evidence` with its standard error, 95 % interval,
        smallest effective sample size and whether it can only be said to be a lower bound, and
        the ELBO of the same images, under the names in `EVIDENCE`; `active_units`, `psnr`
        (decibels), `attribute_survival` and `classifier_accuracy` on real images (by name, 0…1),
        the measures of `measure_samples`, `n`; where factors of the images are known, under
        `disentanglement` the scores of `disentanglement.measure`; `maps` and `neighbours`, see
        `measure_maps` and `neighbour_agreement`; with `realism`, `realism`,
        `realism_interval` and `shared_kept`. None for metrics that do not apply.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
        DatasetError: if the dataset cannot be loaded.
        ValueError: if neither the card nor an argument names a dataset, or a model in memory is
            to be saved.
    """
    folder = None if isinstance(checkpoint, VAE) else checkpoint
    model = checkpoint if isinstance(checkpoint, VAE) else load_checkpoint(checkpoint)
    card = {} if folder is None else load_card(folder)
    name = dataset or card.get("dataset")
    if not name:
        raise ValueError(f"{folder or 'This model'}: no card names a dataset; pass --dataset.")
    if folder is None and save:
        raise ValueError("A model in memory has no card for its metrics; expected a checkpoint.")
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
        ("elbo", "elbo_error", "reconstruction", "kl", *EVIDENCE)
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
        found = average(estimates)
        report |= {
            "log_evidence": found.value,
            "log_evidence_error": found.error,
            "log_evidence_interval": found.interval,
            "log_evidence_ess": min(e.effective_sample_size for e in estimates),
            "log_evidence_is_bound": found.is_lower_bound,
            "evidence_images": len(x),
            "evidence_elbo": (reconstruction - kl)[: len(x)].mean().item(),
            "evidence_elbo_error": (half[: len(x)].square().sum().sqrt() / len(x)).item(),
        }
    report["active_units"] = int((means.var(0, ddof=1) > ACTIVE).sum()) if n > 1 else None
    report["psnr"] = torch.cat(decibels).mean().item()
    report["attribute_survival"] = attribute_survival(classifier, y, data) if classifier else None
    report["classifier_accuracy"] = accuracy(classifier, data) if classifier else None
    sources: dict[str, Any] = {"gaussian": FittedGaussian.fit(means, variances)}
    if n >= FEWEST:
        sources["mixture"] = fit_mixture(means, variances, seed=seed, log=log)
        sources["learned"] = load_code_distribution(folder) if folder else None
    log("Classifying samples.")
    names = {"gaussian": "fitted_gaussian"}
    drawn = {names.get(name, name): of for name, of in sources.items()}
    report |= measure_samples(model, classifier, data, y, drawn, seed, progress)
    if realism:
        places = _places(folder, means) if folder else None
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
    if factors := factors_of(data, encoded["index"]):
        log(f"Scoring disentanglement by {len(factors)} known factors.")
        report |= as_report(measure(means, factors, seed, progress))
    log("Comparing neighbours.")
    rows = encoded["index"]
    report["maps"] = measure_maps(means, _maps(folder, means), seed)
    report["neighbours"] = neighbour_agreement(means, _labels(data, rows), seed)
    report |= {"dataset": name, "n": n}
    if save and folder:
        save_card(folder, card | {"metrics": report})
    return report


def _maps(folder: str | Path | None, means: np.ndarray) -> dict[str, np.ndarray]:
    """The places `(N, 2)` of codes on each map that is no plane of their own axes."""
    if means.shape[1] <= 2 or len(means) < 3:
        return {}
    maps = {"pca": fit_pca(means).transform(means)[:, :2]}
    places = _places(folder, means) if folder else None
    return maps if places is None else maps | {"tsne": places}


def _labels(data: Dataset, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Classes, yes/no and categories of images as numbers `(N,)`, negative where unknown."""
    found = {}
    if data.labels is not None and data.classes:
        found["class"] = data.labels.numpy()[rows]
    for name, column in data.attributes.items():
        if name not in data.numbers:
            values = column.numpy()[rows].astype(float)
            found[name] = np.where(np.isnan(values), -1, values).astype(int)
    return found


def _places(folder: str | Path, means: np.ndarray) -> np.ndarray | None:
    """The positions of codes on the t-SNE map of their checkpoint, if it has one of them."""
    with contextlib.suppress(CheckpointError):
        codes = load_codes(folder)
        if "tsne" in codes and len(codes["mean"]) >= len(means):
            kept = codes["mean"][: len(means)]
            if np.allclose(kept, means, atol=1e-2 * means.std()):
                return codes["tsne"][: len(means)]
    return None

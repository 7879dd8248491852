"""Codes: encoding and decoding images, the distribution of codes, and their files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .bounds import Estimate, estimate_elbo, estimate_evidence
from .checkpoint import load_card, load_codes, save_card, save_codes
from .datasets import SPLITS, Dataset, DatasetError
from .datasets.encoded import find_encoded
from .latent import evenly
from .model import VAE
from .objective import elbo, kl_to_prior
from .projection import ProjectionError, fit_tsne, place_among
from .theory.decoding import at_once
from .theory.exact import decode_grid, true_posterior
from .training.data import in_order
from .training.distributed import Group

__all__ = [
    "BOUNDS",
    "UNKNOWN",
    "UNUSUAL",
    "FittedGaussian",
    "add_bounds",
    "change_since",
    "decode",
    "encode",
    "find_reference",
    "write_reference",
]

UNUSUAL = 0.99
"""Share of the codes of real images above which a code counts as outside the data."""

BOUNDS = ("elbo_error", "log_evidence", "log_evidence_error")
"""Names of the arrays that `add_bounds` adds to codes."""
UNKNOWN = -1.0
"""Value of an error that marks a missing estimate."""

_QUADRATURE_ERROR = 0.003  # nats, measured against a lattice of half the step
_BATCH = 250
_KL_DRAWS = 64  # for each image, where the KL is estimated
_LIMIT = 30_000  # held-out images whose codes a checkpoint stores
_BEFORE = 5_000  # of those that an early version encoded
_FITTED = 5_000  # codes that t-SNE is fitted to; the others are placed among them
_CHANGED = "The pictures in {} have changed since this model was trained."


@torch.no_grad()
def encode(
    model: VAE,
    images: Any,
    *,
    limit: int | None = None,
    bound: bool = True,
    batch: int = _BATCH,
    group: Group | None = None,
    workers: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Encodes images; the noise of the ELBO does not depend on the number of processes.

    Args:
        model: any VAE, on any device.
        images: images of a dataset, `(N, C, H, W)`.
        limit: largest number of images, of which the first are used.
        bound: whether to compute `kl` and `elbo`, which needs a pass through the decoder.
        batch: images in a batch.
        group: processes that share the work, each of which returns all codes.
        workers: processes that read images from disk.
        progress: called with the number of images that this process has encoded.

    Returns:
        `mean`, `variance` `(M, D)`, `index` `(M,)`; with `bound` and a variational model also
        `kl`, `elbo` `(M,)` in nats.
    """
    bound = bound and model.config.variational
    group = group or Group()
    count = len(images) if limit is None else min(limit, len(images))
    starts = range(0, count, batch)
    share = starts[len(starts) * group.rank // group.size :][
        : len(starts) * (group.rank + 1) // group.size - len(starts) * group.rank // group.size
    ]
    device = model.device
    wide, single = (count, model.latent_dim), (count,)
    shapes: dict[str, tuple[int, ...]] = {"mean": wide, "variance": wide}
    if bound:
        shapes |= {"kl": single, "elbo": single}
    codes = {name: torch.zeros(shape, device=device) for name, shape in shapes.items()}
    first = share[0] if len(share) else 0
    last = min(share[-1] + batch, count) if len(share) else 0
    read = in_order(images, range(first, last), batch, workers)
    for start, batch_images in zip(share, read, strict=True):
        x = batch_images.to(device)
        posterior = model.encoder(x)
        outputs = {"mean": posterior.mean, "variance": posterior.variance}
        if bound:
            source = torch.Generator(device).manual_seed(start)
            terms = elbo(model, x, generator=source)
            kl = terms.kl
            if not model.config.has_prior:  # estimated: a few more draws cost little
                shape = (_KL_DRAWS, *posterior.mean.shape)
                noise = torch.randn(shape, generator=source, device=device)
                z = posterior.mean + posterior.base_dist.scale * noise
                kl = kl_to_prior(model, posterior, z)
            outputs |= {"kl": kl, "elbo": terms.reconstruction - kl}
        for name, values in outputs.items():
            codes[name][start : start + len(x)] = values
        if progress:
            progress(start + len(x) - first)
    # Each row is nonzero in one process only.
    arrays = {name: group.sum(values).cpu().numpy() for name, values in codes.items()}
    return arrays | {"index": np.arange(count, dtype=np.int64)}


@torch.no_grad()
def decode(model: VAE, z: np.ndarray | Tensor) -> Tensor:
    """Decodes codes `(N, D)` in batches to the means of p(x|z), `(N, C, H, W)`."""
    z = torch.as_tensor(z, dtype=torch.float32)
    return torch.cat([model.decoder(part).mean for part in z.split(at_once(model))])


@dataclass(frozen=True, eq=False)
class FittedGaussian:
    """A normal distribution fitted to the aggregate posterior of a model.

    Args:
        mean: mean `(D,)`.
        covariance: covariance matrix `(D, D)`.
        distances: Mahalanobis distances of the fitted codes `(N,)`, increasing.
    """

    mean: np.ndarray
    covariance: np.ndarray
    distances: np.ndarray = field(repr=False)

    @classmethod
    def fit(cls, means: np.ndarray, variances: np.ndarray) -> FittedGaussian:
        """Fits mean and covariance to those of the mixture of all posteriors.

        Args:
            means: posterior means `(N, D)`.
            variances: posterior variances `(N, D)`, whose average is added to the covariance;
                zeros for a standard autoencoder.
        """
        means = np.asarray(means, dtype=np.float64)
        alone = len(means) < 2  # the covariance is then that of the posterior
        covariance = np.atleast_2d(np.cov(means, rowvar=False, ddof=int(not alone)))
        covariance = covariance + np.diag(np.asarray(variances, dtype=np.float64).mean(0))
        unranked = cls(means.mean(0), covariance, np.empty(0))
        return cls(unranked.mean, covariance, np.sort(unranked.distance(means)))

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Draws codes `(count, D)`, float32."""
        rng = np.random.default_rng(seed)
        drawn = rng.multivariate_normal(self.mean, self.covariance, count, method="eigh")
        return drawn.astype(np.float32)

    def distance(self, z: np.ndarray) -> np.ndarray:
        """Mahalanobis distances `(N,)` of codes `(N, D)`, about √D for samples."""
        centred = np.atleast_2d(z).astype(np.float64) - self.mean
        solved = np.linalg.solve(self.covariance + 1e-9 * np.eye(len(self.mean)), centred.T)
        return np.sqrt(np.maximum((centred.T * solved).sum(0), 0))

    def unusualness(self, z: np.ndarray) -> np.ndarray:
        """Share of the fitted codes at a smaller distance than each code `(N, D)`, 0…1 `(N,)`."""
        return np.searchsorted(self.distances, self.distance(z)) / len(self.distances)


def write_reference(
    model: VAE,
    folder: str | Path,
    dataset: Dataset,
    tsne: bool = True,
    *,
    limit: int = _LIMIT,
    codes: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Encodes the reference images of a checkpoint, fits the t-SNE map and saves both.

    Args:
        model: model of the checkpoint.
        folder: folder of the checkpoint.
        dataset: reference images, usually the held-out split.
        tsne: whether to fit t-SNE, which takes a minute for thousands of codes. It is fitted to
            5,000 of them, and the others are placed among their nearest.
        limit: largest number of images, of which the first are used.
        codes: output of `encode`, if it is already known.

    Returns:
        The arrays that `load_codes` reads: `mean`, `variance` `(N, D)`, `index` and `checksum` of
        the images `(N,)`, `kl`, `elbo` `(N,)` if variational, and `tsne` `(N, 2)` unless there
        are too few distinct codes, which the card then notes.

    Raises:
        ProjectionError: if the codes are not finite.
    """
    if codes is None:
        codes = encode(model, dataset.images, limit=limit)
    codes = codes | {"checksum": dataset.images.checksums(codes["index"])}
    save_codes(folder, codes)
    if tsne:
        _add_tsne(folder, codes)
    return codes


def add_bounds(
    model: VAE,
    folder: str | Path,
    dataset: Dataset,
    *,
    limit: int | None = None,
    quadrature: bool = False,
    evidence: bool = True,
    decodes: int = 2_000,
    tell: Callable[[int, int], None] = lambda done, count: None,
) -> None:
    """Estimates ELBO and log p(x) of a checkpoint's reference images, and stores them.

    Continues where an earlier call ended, and saves the estimates every minute.

    Args:
        model: model of the checkpoint.
        folder: folder of the checkpoint, with codes.
        dataset: images to which the row numbers in `index` refer.
        limit: largest number of images, of which the first are used.
        quadrature: whether to compute log p(x) by quadrature over the plane of a model with two
            latent dimensions, instead of sampling.
        evidence: whether to estimate log p(x); the ELBO alone takes at most a tenth of the time.
        decodes: largest number of codes that each estimate decodes.
        tell: called with the number of images done and the total.

    Raises:
        CheckpointError: if there are no codes.
        ValueError: if the model is a standard autoencoder, or `quadrature` is used with other
            than two latent dimensions.
    """
    codes = load_codes(folder)
    count = len(codes["index"])
    codes |= {name: codes.get(name, np.full(count, UNKNOWN)) for name in BOUNDS}
    lattice = decode_grid(model) if quadrature else None
    saved = time.monotonic()
    needed = "log_evidence_error" if evidence else "elbo_error"
    last = count if limit is None else min(limit, count)
    try:
        for row in range(last):
            if codes[needed][row] >= 0:
                continue
            x = dataset.images[int(codes["index"][row])]
            if codes["elbo_error"][row] < 0:
                bounds = estimate_elbo(model, x, decodes=decodes)
                codes["elbo"][row] = bounds.elbo.value
                codes["elbo_error"][row] = bounds.elbo.error
                if not model.config.has_prior:
                    codes["kl"][row] = bounds.kl
            if evidence:
                if lattice is None:
                    estimate = estimate_evidence(model, x, decodes=decodes)
                else:
                    estimate = Estimate(true_posterior(lattice, x).log_evidence, _QUADRATURE_ERROR)
                codes["log_evidence"][row] = estimate.value
                codes["log_evidence_error"][row] = estimate.error
            if time.monotonic() > saved + 60:
                save_codes(folder, codes)
                saved = time.monotonic()
            tell(row + 1, last)
    finally:  # an interruption loses the current image only
        save_codes(folder, codes)


def change_since(card: dict[str, Any], name: str, fingerprint: str) -> str:
    """A message if a checkpoint's dataset has changed since training, else "".

    Args:
        card: card of the checkpoint.
        name: name of the dataset.
        fingerprint: current fingerprint of the dataset.
    """
    before = card.get("fingerprint", fingerprint)
    if before == fingerprint:
        return ""
    if isinstance(before, str) and fingerprint.startswith(before):  # what `source_change` says
        return fingerprint.removeprefix(before)
    return _CHANGED.format(name)


def find_reference(
    card: dict[str, Any], codes: dict[str, np.ndarray], load: Callable[[str], Dataset]
) -> tuple[Dataset, np.ndarray, tuple[str, ...]]:
    """Finds the images from which a checkpoint's codes were computed.

    Args:
        card: card of the checkpoint.
        codes: codes of the checkpoint, with `index` and, unless an early version wrote them,
            `checksum`.
        load: function that loads a split of the dataset.

    Returns:
        The images, under the numbers in `index`; a mask `(N,)` of the codes whose images still
        exist; and notices for visitors, if the dataset has changed.

    Raises:
        DatasetError: if none of the images exists any more, or the codes do not identify them.
    """
    data = load(str(card.get("split", "test")))
    index = codes["index"]
    if "checksum" not in codes:
        notice = _other_numbers(card, len(index), data, load)
        return data, np.ones(len(index), dtype=bool), (notice,) if notice else ()
    if codes["checksum"].shape != index.shape or index.min(initial=0) < 0:
        raise DatasetError(
            f"Its codes number images {index.shape} from {index.min(initial=0)} on, and keep "
            f"checksums {codes['checksum'].shape}; expected a checksum for each number from 0 on."
        )
    data, matched = find_encoded(data, index, codes["checksum"], lambda: _others(data, load))
    start = change_since(card, data.name, data.fingerprint)
    if matched.all() and not start:
        return data, matched, ()
    start = start or _CHANGED.format(data.name)
    if not matched.any():
        raise DatasetError(
            f"{start} None of the {len(index):,} that it encoded is there any more. Put them "
            "back, or train again."
        )
    if matched.all():
        return data, matched, (f"{start} Each point still shows the picture that was encoded.",)
    gone = len(matched) - int(matched.sum())
    left_out = f"{gone:,} of the {len(index):,} that it encoded are gone, and left out here."
    return data, matched, (f"{start} {left_out}",)


def _others(data: Dataset, load: Callable[[str], Dataset]) -> Iterator[Dataset]:
    for split in SPLITS:
        if split != data.split:
            with contextlib.suppress(DatasetError):  # the split does not exist
                yield load(split)


def _other_numbers(
    card: dict[str, Any], encoded: int, data: Dataset, load: Callable[[str], Dataset]
) -> str:
    """Notices for codes without checksums, if the number of images has changed.

    An early version stored the number of training images on the card, and encoded held-out images
    up to a limit.
    """
    trained = card.get("images")
    if not data.fingerprint or not isinstance(trained, int):
        return ""
    try:
        now = len(load("train"))
    except DatasetError:
        now = 0
    if now == trained and (encoded == len(data) or encoded >= _BEFORE):
        return ""
    return (
        f"{data.name} has {now:,} pictures to train on and {len(data):,} held out; this model was "
        f"trained on {trained:,}, and {encoded:,} were encoded. An earlier version did not note "
        "which: points may show pictures other than those encoded. Train again to be sure."
    )


def _add_tsne(folder: str | Path, codes: dict[str, np.ndarray]) -> None:
    """Adds `tsne` to codes; if it cannot be fitted, stores the reason as `no_tsne` in the card."""
    card = load_card(folder)
    reason = card.pop("no_tsne", None)
    try:
        known = evenly(codes["mean"], _FITTED)
        codes["tsne"] = place_among(codes["mean"], known, fit_tsne(known).embedding)
    except ProjectionError as error:
        why = f"There is no t-SNE map; PCA takes its place. {error}"
        save_card(folder, card | {"no_tsne": why})
        return
    save_codes(folder, codes)
    if reason:
        save_card(folder, card)

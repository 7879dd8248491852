"""A checkpoint as the pages use it: the model, its reference images and their codes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from vae import VAE
from vae.bounds import Bounds, Estimate
from vae.classifier import Classifier, load_classifier
from vae.code_distribution import CodeDistribution
from vae.codes import BOUNDS, FittedGaussian, decode
from vae.datasets import Dataset
from vae.latent import NeighbourDistances, evenly, neighbours
from vae.objective import kl_per_dimension
from vae.projection import PCA, is_deep

__all__ = ["Column", "LatentSpace"]


@dataclass(frozen=True, eq=False)
class Column:
    """What is known of each image under one name.

    Args:
        kind: "yes or no", "number" or "category".
        values: `(N,)` bool; float32, NaN where nothing is known; or numbers of categories, -1
            where nothing is known.
        categories: names of the categories.
    """

    kind: str
    values: np.ndarray = field(repr=False)
    categories: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: np.ndarray, categories: Sequence[str] = (), number: bool = True) -> Column:
        """Makes a column of an attribute as a dataset keeps it.

        Args:
            values: `(N,)`; yes and no with missing values are 1, 0 and NaN.
            categories: names of the categories, if it has some.
            number: whether it is a number otherwise.
        """
        if values.dtype.kind == "b":
            return cls("yes or no", values)
        if categories:
            return cls("category", values, tuple(categories))
        if number:
            return cls("number", values)
        return cls("category", np.nan_to_num(values, nan=-1).astype(np.int64), ("no", "yes"))

    def taken(self, rows: np.ndarray) -> np.ndarray | list[str]:
        """Values of some images as a table has them; what is missing is empty, or NaN."""
        if self.kind == "category":
            return [self.categories[k] if k >= 0 else "" for k in self.values[rows]]
        if self.kind == "yes or no":
            return self.values[rows].astype(int)
        return self.values[rows]


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """A model, the real images it is shown with, and where they lie in its latent space.

    Args:
        name: the checkpoint's.
        stamp: changes whenever its files or its images do.
        model: model in eval mode.
        card: contents of `card.json`.
        dataset: split to which the row numbers in `index` refer, or what is left of it.
        index: `(N,)` which images of the dataset these are.
        mean: codes `(N, D)`: posterior means.
        variance: `(N, D)` posterior variances; zeros for a standard autoencoder.
        pca: all principal directions of the codes.
        embeddings: 2-D positions `(N, 2)` by name: "pca", and "tsne" where it was computed.
        kl: `(N,)` in nats, None for a standard autoencoder.
        elbo: `(N,)` in nats, likewise; of one draw where nothing more is known.
        notices: messages for visitors, for example that its pictures have changed.
        distribution: the learned distribution of its codes, where one was fitted.
        estimates: "elbo_error", "log_evidence" and "log_evidence_error" `(N,)` as `add_bounds`
            keeps them, errors negative where nothing was estimated; empty without them.
        trained: how many of the images, the last ones, are train images.
    """

    name: str
    stamp: str
    model: VAE
    card: dict[str, Any]
    dataset: Dataset
    index: np.ndarray
    mean: np.ndarray = field(repr=False)
    variance: np.ndarray = field(repr=False)
    pca: PCA = field(repr=False)
    embeddings: dict[str, np.ndarray] = field(repr=False)
    kl: np.ndarray | None = field(repr=False)
    elbo: np.ndarray | None = field(repr=False)
    notices: tuple[str, ...] = ()
    distribution: CodeDistribution | None = field(default=None, repr=False)
    estimates: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    trained: int = 0

    def __len__(self) -> int:
        return len(self.index)

    @property
    def variational(self) -> bool:
        """Whether it has KL and ELBO: not a standard autoencoder, nor some imported models."""
        return self.model.config.variational

    @property
    def has_prior(self) -> bool:
        """Whether N(0, I) is a distribution of codes of this model."""
        return self.model.config.has_prior

    @property
    def has_nats_by_dimension(self) -> bool:
        """Whether the KL is a sum over dimensions: to N(0, I), not to a learned mixture."""
        return self.variational and self.has_prior

    @property
    def prior(self) -> str:
        """The prior, for a person; "" for a standard autoencoder."""
        if components := self.model.config.prior_components:
            return f"a mixture of {components} Gaussians"
        return "N(0, I)" if self.has_prior else ""

    @property
    def differentiable(self) -> bool:
        """Whether lessons can follow gradients through its networks: not of imported ones."""
        return self.model.config.differentiable

    @property
    def decodes(self) -> bool:
        """Whether the model has a decoder; else the nearest image is shown."""
        return self.model.config.decodes

    @property
    def encodes(self) -> bool:
        """Whether the model has an encoder, as all but some imported ones have."""
        return self.model.config.encodes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.model.config.image_shape

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty where the images have none."""
        return tuple(self.dataset.classes or ())

    @functools.cached_property
    def class_of(self) -> np.ndarray:
        """`(N,)` class of each image, -1 where there are no classes."""
        if self.dataset.labels is None or not self.classes:
            return np.full(len(self), -1)
        return self.dataset.labels.numpy()[self.index]

    @functools.cached_property
    def columns(self) -> dict[str, Column]:
        """What is known of each image, by name."""
        data = self.dataset
        return {
            name: Column.of(
                values.numpy()[self.index], data.categories.get(name, ()), name in data.numbers
            )
            for name, values in data.attributes.items()
        }

    @functools.cached_property
    def order(self) -> np.ndarray:
        """Dimensions `(D,)`, most informative first: by mean KL, else by the codes' variance."""
        return np.argsort(-self.information, kind="stable")

    @functools.cached_property
    def information(self) -> np.ndarray:
        """`(D,)` mean KL of each dimension in nats; variance where there is none."""
        if not self.has_nats_by_dimension:
            return self.mean.var(0)
        deviation = torch.from_numpy(self.variance).sqrt()
        posterior = Independent(Normal(torch.from_numpy(self.mean), deviation), 1)
        return kl_per_dimension(posterior).mean(0).numpy()

    @functools.cached_property
    def deviation(self) -> np.ndarray:
        """`(D,)` standard deviation of the codes: the natural unit of a slider."""
        return self.mean.std(0)

    @property
    def high_dimensional(self) -> bool:
        """Whether no plane shows half of the codes' variance: pages start from a real image."""
        return is_deep(self.pca)

    @functools.cached_property
    def typical(self) -> int:
        """Row of a usual image that is reconstructed well: what a page opens on.

        Of the 40 codes whose distance from the mean, in standard deviations of each dimension, is
        nearest to the median distance, the one at the lower quartile of the squared error: the
        least error is that of the plainest image.
        """
        scaled = (self.mean - self.mean.mean(0)) / np.maximum(self.deviation, 1e-12)
        distance = np.linalg.norm(scaled, axis=1)
        usual = np.argsort(np.abs(distance - np.median(distance)), kind="stable")[:40]
        real = self.dataset.images[torch.from_numpy(self.index[usual])]
        error = (decode(self.model, self.mean[usual]) - real).square().flatten(1).mean(1)
        return int(usual[error.argsort(stable=True)[len(usual) // 4]])

    @functools.cached_property
    def neighbour_distances(self) -> NeighbourDistances:
        """How far codes lie from their nearest neighbours, and so what counts as far."""
        return NeighbourDistances.of(self.mean)

    @functools.cached_property
    def aggregate_posterior(self) -> FittedGaussian:
        """Where the codes lie: draws others, and says how unusual one is."""
        return FittedGaussian.fit(self.mean, self.variance)

    @functools.cached_property
    def classifier(self) -> Classifier | None:
        """The independent classifier of the dataset; None where there is none for such images."""
        classifier = load_classifier(self.dataset.name)
        fits = classifier is not None and classifier.image_shape == self.shape
        return classifier if fits else None

    def bounds(self, row: int) -> Bounds | None:
        """ELBO of a reference image, and perhaps log p(x), if estimated with the codes."""
        if not self.estimates:
            return None
        error, evidence, its_error = (float(self.estimates[name][row]) for name in BOUNDS)
        if error < 0:
            return None
        elbo = Estimate(float(self.elbo[row]), error)
        known = Estimate(evidence, its_error) if its_error >= 0 else None
        return Bounds(float(self.kl[row]), elbo, known)

    @property
    def judges_likelihood(self) -> bool:
        """Whether the distribution of the codes was learned, so that it can judge a code."""
        learned = self.distribution
        return learned is not None and learned.learned and learned.held_out is not None

    def likelihood_percentiles(self, z: np.ndarray) -> np.ndarray | None:
        """The share of held-out codes that are less likely than each code `(N, D)`: `(N,)`, 0…1.

        None where the distribution of the codes was not learned.
        """
        return self.distribution.percentile(z) if self.judges_likelihood else None

    def image(self, row: int) -> Tensor:
        """One reference image `(C, H, W)` in [0, 1]."""
        return self.dataset.images[int(self.index[row])]

    @property
    def first_train(self) -> int | None:
        """Id of the first train image, from which on ids are theirs; None where there is none."""
        return int(self.index[len(self) - self.trained]) if self.trained else None

    @functools.cached_property
    def file_names(self) -> list[str] | None:
        """Names of the files of the images, where these came from files."""
        names = self.dataset.names
        return None if names is None else [names[k] for k in self.index]

    def number(self, row: int) -> str:
        """The number of an image in its split, "train" before that of a train image."""
        first, number = self.first_train, int(self.index[row])
        return (
            f"train #{number - first}" if first is not None and number >= first else f"#{number}"
        )

    def title(self, row: int) -> str:
        """What to call an image: its number and, where it has them, its class and its file."""
        label = self.classes[self.class_of[row]] if self.class_of[row] >= 0 else ""
        file = self.file_names[row] if self.file_names is not None else ""
        return " · ".join(filter(None, [self.number(row), label, file]))

    @functools.cached_property
    def _thumbnails(self) -> np.ndarray:
        small = [
            _small(self.dataset.images[torch.from_numpy(self.index[start : start + 500])])
            for start in range(0, len(self), 500)
        ]
        return np.concatenate(small)

    @functools.cached_property
    def _image_spacing(self) -> float:
        _, distances = neighbours(self._thumbnails, evenly(self._thumbnails, 300), 2)
        return float(np.quantile(distances[:, -1], 0.99))

    def is_foreign(self, x: Tensor) -> bool:
        """Whether an image `(C, H, W)` is unlike all that the model is shown with.

        The encoder puts any picture somewhere among the codes, so pictures are compared: foreign
        is what is farther from its nearest reference image than 99 % of those are from theirs.
        Where codes cannot be judged, pictures cannot either.
        """
        if not self.neighbour_distances.judged:
            return False
        _, distance = neighbours(self._thumbnails, _small(x[None])[0], 1)
        return float(distance[0]) > self._image_spacing


def _small(x: Tensor) -> np.ndarray:
    """Images `(B, C, H, W)` as rows of about 16 × 16 pixels."""
    return torch.nn.functional.adaptive_avg_pool2d(x, 16).flatten(1).numpy()

"""A model with all its images: the train images are encoded as well, behind the held-out ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pages.ui.shared import cache, jobs
from pages.ui.shared.jobs import Job
from pages.ui.shared.latent_space import LatentSpace
from vae import CheckpointError, DatasetError
from vae.codes import BOUNDS, UNKNOWN, encode
from vae.datasets import Dataset
from vae.projection import place_among

__all__ = ["ALL", "begin", "cost", "job_of", "ready"]

ALL = "-all"  # ends the stamp of a model with all its images
_TIMED = 64  # images that are encoded to say how long all of them will take


class _Joined:
    """Images of one split followed by those of another, indexed as `Images` are."""

    uint8 = None

    def __init__(self, first: Any, second: Any) -> None:
        self._parts, self._length = (first, second), len(first)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        first, second = self._parts
        return (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice | list[int] | Tensor) -> Tensor:
        index = torch.arange(len(self))[key]
        rows = index.reshape(-1)
        out = torch.empty((len(rows), *self.shape[1:]))
        late = rows >= self._length
        for part, chosen, start in zip(self._parts, (~late, late), (0, self._length), strict=True):
            if chosen.any():
                out[chosen] = part[rows[chosen] - start]
        return out.reshape(*index.shape, *self.shape[1:])

    def read(self, index: int) -> Tensor:
        late = index >= self._length
        return self._parts[late].read(index - self._length * late)


def cost(space: LatentSpace) -> tuple[int, float, int]:
    """How many train images there are, the seconds it takes to encode them, and bytes they need.

    Raises:
        DatasetError: the train images cannot be had.
    """
    data = _train(space)
    few = data.images[: min(_TIMED, len(data))]
    taken = []
    for _ in range(4):  # the first takes longer than the others
        start = time.monotonic()
        encode(space.model, few)
        taken.append(time.monotonic() - start)
    seconds = min(taken) * len(data) / max(len(few), 1)
    return len(data), seconds, len(data) * (8 * space.mean.shape[1] + 40)


def begin(space: LatentSpace) -> Job:
    """Encodes the train images in a job; `ready` gives the model when it has ended."""
    return jobs.start(
        _key(space),
        "Encoding the train images",
        lambda job: bool(_whole(space, job.tell)),
        (CheckpointError, DatasetError),
    )


def job_of(space: LatentSpace) -> Job | None:
    """The job that encodes the train images of a model, if it was begun."""
    return jobs.find(_key(space))


def ready(space: LatentSpace) -> LatentSpace | None:
    """The model with all its images, once they are encoded."""
    job = job_of(space)
    return _whole(space, None) if job is not None and job.state == "done" else None


def _key(space: LatentSpace) -> str:
    return f"all-{space.name}-{space.stamp}"


def _train(space: LatentSpace) -> Dataset:
    return cache.dataset(space.dataset.name, "train", space.shape)


@cache.shared(3)
def _whole(space: LatentSpace, _tell: Callable[[float, str], None] | None) -> LatentSpace:
    tell = _tell or (lambda fraction, words: None)
    tell(0.0, "reading the images")
    train = _train(space)
    count = len(train)
    codes = encode(
        space.model,
        train.images,
        progress=lambda done: tell(0.95 * done / count, f"{done:,} of {count:,} images"),
    )
    tell(0.96, "placing them on the maps")
    embeddings = {
        "pca": np.concatenate([space.embeddings["pca"], _on_pca(space, codes["mean"])]),
    }
    if "tsne" in space.embeddings:
        placed = place_among(codes["mean"], space.mean, space.embeddings["tsne"])
        embeddings["tsne"] = np.concatenate([space.embeddings["tsne"], placed])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(space, name), codes[name]])

    unknown = np.full(count, UNKNOWN)
    return replace(
        space,
        stamp=space.stamp + ALL,
        dataset=_joined(space.dataset, train),
        index=np.concatenate([space.index, len(space.dataset) + codes["index"]]),
        mean=joined("mean"),
        variance=joined("variance"),
        embeddings=embeddings,
        kl=None if space.kl is None else joined("kl"),
        elbo=None if space.elbo is None else joined("elbo"),
        estimates={
            k: np.concatenate([v, unknown]) for k, v in space.estimates.items() if k in BOUNDS
        },
        trained=count,
    )


def _on_pca(space: LatentSpace, codes: np.ndarray) -> np.ndarray:
    places = space.pca.transform(codes)[:, :2]
    return np.pad(places, ((0, 0), (0, 2 - places.shape[1])))


def _joined(held_out: Dataset, train: Dataset) -> Dataset:
    """Both splits as one: what is known of the images of both, by the same names."""
    both = (held_out, train)
    same = held_out.classes == train.classes and all(d.labels is not None for d in both)
    attributes = {
        name: torch.cat([values, train.attributes[name]])
        for name, values in held_out.attributes.items()
        if name in train.attributes and train.attributes[name].dtype == values.dtype
    }
    named = all(d.names is not None for d in both)
    return replace(
        held_out,
        images=_Joined(held_out.images, train.images),
        labels=torch.cat([d.labels for d in both]) if same else None,
        classes=held_out.classes if same else None,
        attributes=attributes,
        names=sum((d.names for d in both), ()) if named else None,
    )

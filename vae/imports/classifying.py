"""The classifier of an import: trained on its real pictures, and refused if it would be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..classifier import (
    Classifier,
    accuracy,
    classifier_file,
    save_classifier,
    train_classifier,
)
from ..concepts.attributes import attribute_table
from ..datasets import Dataset, DatasetError, load_dataset
from .store import find_dataset

__all__ = ["ImportClassifier", "classify_import"]

FEWEST = 8  # held-out pictures on either side, with which an accuracy means something
TRUSTED = 0.8  # accuracy on held-out pictures, the mean over those with and without a label
_STEPS = 700


@dataclass(frozen=True)
class ImportClassifier:
    """A classifier that was trained and kept.

    Args:
        dataset: `NAME@VERSION` of the import.
        names: labels that it predicts.
        accuracy: accuracy on held-out pictures, by label or under the key `class`.
        refused: labels that it does not predict, each with the reason.
    """

    dataset: str
    names: tuple[str, ...]
    accuracy: dict[str, float]
    refused: dict[str, str]


def classify_import(
    name: str,
    *,
    epochs: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> ImportClassifier:
    """Trains the classifier of an import on its training pictures, and keeps it with the import.

    Labels that cannot be told well on held-out pictures are left out. `load_classifier` loads the
    result, and `evaluate` uses it.

    Args:
        name: `NAME` or `NAME@VERSION`.
        epochs: passes over the pictures, by default so many that there are about 700 steps.
        seed: seed of weights, order and augmentation.
        progress: called with the number of passes done and their total.

    Raises:
        DatasetError: if there are no labels, or none can be trusted; the message says why.
    """
    found = find_dataset(name)
    train, test = (load_dataset(found.reference, split) for split in ("train", "test"))
    if train.labels is None and not attribute_table(train, slice(0, 1)):
        raise DatasetError(
            f"{found.name} has no classes and no yes/no or category columns, so there is nothing "
            "to classify. Import it with a table of labels, or in class folders."
        )
    refused = _too_few(train, test)
    names = _names(train)
    if len(refused) == len(names):
        raise DatasetError(_refusal(found.name, refused))
    epochs = epochs or int(np.clip(_STEPS * 128 // max(len(train), 1), 4, 100))
    model = train_classifier(train, epochs=epochs, seed=seed, progress=progress)
    refused |= _wrong(model, test, refused)
    if model.exclusive and refused:  # its probabilities add up over all classes
        raise DatasetError(_refusal(found.name, refused))
    kept = [i for i, label in enumerate(model.names) if label not in refused]
    if not kept:
        raise DatasetError(_refusal(found.name, refused))
    model = _only(model, kept)
    measured = {k: v for k, v in accuracy(model, test).items() if k not in refused}
    about = {"dataset": found.reference, "accuracy": measured, "refused": refused}
    file = classifier_file(found.reference)
    save_classifier(model, file, overwrite=True, about=about | {"epochs": epochs, "seed": seed})
    return ImportClassifier(found.reference, model.names, measured, refused)


def _names(data: Dataset) -> tuple[str, ...]:
    table = attribute_table(data, slice(0, 1))
    return tuple(table)


def _too_few(train: Dataset, test: Dataset) -> dict[str, str]:
    """Labels of which too few pictures are known."""
    reasons = {}
    for (name, trained), held in zip(
        attribute_table(train).items(), attribute_table(test).values(), strict=True
    ):
        for values, where in ((trained, "to train on"), (held, "held out")):
            known = np.asarray(values, np.float32)
            least = int(min((known > 0.5).sum(), (known <= 0.5).sum()))
            if least < FEWEST:
                reasons[name] = (
                    f"{least} of the pictures {where} are on one of its sides; {FEWEST} are needed"
                )
    return reasons


def _wrong(model: Classifier, test: Dataset, known: dict[str, str]) -> dict[str, str]:
    """Labels that are told too badly on held-out pictures."""
    rows = torch.arange(len(test)).split(250)
    predicted = torch.cat([model.predictions(test.images[r]) for r in rows]).numpy()
    table = attribute_table(test)
    reasons = {}
    for k, name in enumerate(model.names):
        if name in known:
            continue
        values = np.asarray(table[name], np.float32)
        sides = predicted[values > 0.5, k].mean(), 1 - predicted[values <= 0.5, k].mean()
        share = float(np.mean(sides))
        if share < TRUSTED:
            reasons[name] = (
                f"it is right on {share:.0%} of held-out pictures, where chance is 50%; "
                f"{TRUSTED:.0%} are needed"
            )
    return reasons


def _only(model: Classifier, kept: list[int]) -> Classifier:
    """The classifier with some of its labels."""
    if len(kept) == len(model.names):
        return model
    names = tuple(model.names[i] for i in kept)
    channels, height, width = model.image_shape
    smaller = Classifier((channels, height, width), names, model.exclusive)
    state = model.state_dict()
    for name in ("head.weight", "head.bias"):
        state[name] = state[name][kept]
    smaller.load_state_dict(state)
    return smaller.eval().requires_grad_(False)


def _refusal(name: str, refused: dict[str, str]) -> str:
    listed = "; ".join(f"{label}: {why}" for label, why in list(refused.items())[:5])
    return (
        f"A classifier of {name} could not be trusted, so none is kept. {listed}. More labelled "
        "pictures would help."
    )

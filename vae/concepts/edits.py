"""Evaluation of edits by concept vectors: by a classifier, and against the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..classifier import Classifier
from ..codes import FittedGaussian, decode, encode
from ..datasets import Dataset
from ..latent import neighbours
from ..model import VAE
from .attributes import attribute_table, excluded_by

if TYPE_CHECKING:
    from ..datasets.faces import Person

__all__ = [
    "EditReport",
    "Effect",
    "attribute_table",
    "codes_of_twins",
    "draw_people",
    "edit_report",
    "effect_on_many",
    "excluded_by",
    "rmse",
    "true_pictures",
]

_BATCH = 250


def rmse(x: Tensor, y: Tensor) -> np.ndarray:
    """Root mean squared error of each picture, `(N,)`, for pixels in [0, 1]."""
    return (x - y).square().flatten(1).mean(1).sqrt().numpy()


def draw_people(people: Sequence[Person]) -> Tensor:
    """Draws people as images `(N, 3, 64, 64)` in [0, 1]."""
    from ..datasets.faces import SIZE, draw

    drawn = np.stack([draw(p) for p in people]) if people else np.empty((0, SIZE, SIZE, 3))
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float().div(255)


def true_pictures(data: Dataset, rows: np.ndarray, targets: Mapping[str, bool]) -> Tensor | None:
    """Draws the same people with some attributes set: the ground truth of an edit.

    Args:
        data: dataset; the ground truth is known for the drawn faces only.
        rows: rows of the people, `(N,)`.
        targets: values of the attributes to be set, by name.

    Returns:
        Images `(N, C, H, W)` in [0, 1], or None if the ground truth is unknown.

    Raises:
        ValueError: if the attributes exclude each other.
    """
    if data.name != "faces":
        return None
    from ..datasets.faces import counterfactual, person

    return draw_people([counterfactual(person(data.split, int(r)), **targets) for r in rows])


def codes_of_twins(
    model: VAE, data: Dataset, rows: np.ndarray, targets: Mapping[str, bool]
) -> np.ndarray | None:
    """Codes `(N, D)` of the same people, drawn with some attributes set.

    Args:
        model: model that encodes them.
        data: dataset; only the drawn faces can be drawn again.
        rows: rows of the people, `(N,)`.
        targets: values of the attributes to be set, by name.

    Returns:
        The codes, or None if the images cannot be drawn again.
    """
    drawn = true_pictures(data, rows, targets)
    return None if drawn is None else encode(model, drawn, bound=False)["mean"]


# One edit, and the same edit on many ---------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EditReport:
    """The effect of an edit on one code.

    Args:
        before: classifier's probabilities for the unedited picture, by name; empty without a
            classifier.
        after: classifier's probabilities for the edited picture, likewise.
        moved: Euclidean distance between the codes.
        unusual_before: `FittedGaussian.unusualness` of the unedited code, 0…1.
        unusual: `FittedGaussian.unusualness` of the edited code, 0…1.
        nearest: row of the nearest real code.
        nearest_distance: Euclidean distance to the nearest real code.
        exclusive: whether the classifier predicts classes, of which a picture has exactly one.
    """

    before: dict[str, float]
    after: dict[str, float]
    moved: float
    unusual_before: float
    unusual: float
    nearest: int
    nearest_distance: float
    exclusive: bool = False

    def predicts(self, name: str) -> tuple[bool, bool]:
        """Whether the classifier predicts an attribute before and after the edit."""
        return self._predicts(self.before, name), self._predicts(self.after, name)

    def flipped(self, allowed: Collection[str] = ()) -> list[str]:
        """Names whose prediction has changed, without the `allowed` ones."""
        pairs = [(name, *self.predicts(name)) for name in self.before if name not in allowed]
        return [name for name, before, after in pairs if before != after]

    def _predicts(self, probabilities: dict[str, float], name: str) -> bool:
        if self.exclusive:
            return probabilities[name] == max(probabilities.values())
        return probabilities[name] > 0.5


def edit_report(
    classifier: Classifier | None,
    pictures: Tensor,
    z: np.ndarray,
    codes: np.ndarray,
    fitted: FittedGaussian,
    leave: int = -1,
) -> EditReport:
    """Evaluates one edit.

    Args:
        classifier: independent classifier, if there is one.
        pictures: decoded pictures before and after the edit, `(2, C, H, W)`.
        z: codes before and after the edit, `(2, D)`.
        codes: codes of real images, `(N, D)`.
        fitted: Gaussian that is fitted to the codes of real images.
        leave: row of the edited code, if it is a real one, which is not its own neighbour.
    """
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    if classifier is not None:
        probabilities = classifier.probabilities(pictures).tolist()
        before, after = (dict(zip(classifier.names, row, strict=True)) for row in probabilities)
    unusual = fitted.unusualness(z).tolist()
    rows, distances = neighbours(codes, z[1], 2)
    near = int(rows[0] == leave and len(rows) > 1)  # a single code is its own neighbour
    return EditReport(
        before,
        after,
        moved=float(np.linalg.norm(z[1] - z[0])),
        unusual_before=unusual[0],
        unusual=unusual[1],
        nearest=int(rows[near]),
        nearest_distance=float(distances[near]),
        exclusive=classifier is not None and classifier.exclusive,
    )


@dataclass(frozen=True, eq=False)
class Effect:
    """The effect of an edit on N codes, by a classifier's predictions: success, leakage, flips.

    Args:
        names: names of the K attributes or classes that the classifier predicts.
        before: predictions for the unedited pictures, bool `(N, K)`.
        after: predictions for the edited pictures, bool `(N, K)`.
        change: mean absolute change of each pixel, `(H, W)`, or None.
    """

    names: Sequence[str]
    before: np.ndarray
    after: np.ndarray
    change: Tensor | None = None

    @property
    def n(self) -> int:
        """The number of edited codes."""
        return len(self.after)

    @property
    def predicted(self) -> dict[str, float]:
        """Share of the edited pictures for which each name is predicted, 0…1."""
        return dict(zip(self.names, self.after.mean(0).tolist(), strict=True))

    @property
    def flips(self) -> dict[str, float]:
        """Share of the pictures for which the prediction of each name has changed, 0…1."""
        changed = (self.after != self.before).mean(0).tolist()
        return dict(zip(self.names, changed, strict=True))

    def success(self, targets: Mapping[str, bool]) -> float:
        """Share of the edited pictures for which all targets are predicted, 0…1.

        Args:
            targets: intended predictions by name.
        """
        columns = [self.names.index(name) for name in targets]
        return float((self.after[:, columns] == list(targets.values())).all(1).mean())

    def leakage(
        self, allowed: Collection[str], among: Collection[str] | None = None
    ) -> tuple[str, float] | None:
        """Finds the other prediction that has changed most often.

        Args:
            allowed: names that may change: the targets, and those that exclude them.
            among: names that count, all by default.

        Returns:
            The name and the share of pictures, 0…1, or None if no name is left.
        """
        flips = self.flips
        others = [n for n in self.names if n not in allowed and (among is None or n in among)]
        return max(((n, flips[n]) for n in others), key=lambda item: item[1], default=None)


def effect_on_many(
    model: VAE,
    classifier: Classifier,
    codes: np.ndarray,
    step: np.ndarray,
    before: np.ndarray | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> Effect:
    """Adds a step to codes and compares the classifier's predictions.

    Args:
        model: model that decodes the codes.
        classifier: classifier of the decoded pictures.
        codes: codes `(N, D)`.
        step: vector that is added to each code, `(D,)`, or one for each, `(N, D)`.
        before: known predictions for the unedited codes, bool `(N, K)`, which halve the work; the
            change of pixels is then not measured.
        progress: called with the fraction done, 0…1.
    """
    unedited, edited, change = [], [], torch.zeros(())
    for start in range(0, len(codes), _BATCH):
        part = codes[start : start + _BATCH]
        after = decode(model, part + (step[start : start + _BATCH] if step.ndim == 2 else step))
        edited.append(classifier.predictions(after).numpy())
        if before is None:
            pictures = decode(model, part)
            unedited.append(classifier.predictions(pictures).numpy())
            change = change + (after - pictures).abs().mean(1).sum(0)
        progress(min(1.0, (start + _BATCH) / len(codes)))
    if before is not None:
        return Effect(classifier.names, before, np.concatenate(edited))
    parts = np.concatenate(unedited), np.concatenate(edited)
    return Effect(classifier.names, *parts, change / len(codes))

"""What an edit by a concept vector did: judged by a classifier, and held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..classifier import Classifier
from ..codes import FittedGaussian, decode
from ..datasets import Dataset
from ..latent import neighbours
from ..model import VAE

if TYPE_CHECKING:
    from ..datasets.faces import Person

__all__ = [
    "EditReport",
    "Effect",
    "attribute_table",
    "draw_people",
    "edit_report",
    "effect_on_many",
    "excluded_by",
    "rmse",
    "true_pictures",
]

_BATCH = 250


def rmse(x: Tensor, y: Tensor) -> np.ndarray:
    """Root mean squared difference of each picture, `(N,)`, for pixels in [0, 1]."""
    return (x - y).square().flatten(1).mean(1).sqrt().numpy()


def attribute_table(data: Dataset, rows: np.ndarray | slice = slice(None)) -> dict[str, Any]:
    """Who shows what, bool `(N,)` by name: a dataset's attributes, or its classes as attributes.

    Returns:
        Empty where the data have neither.
    """
    if data.attributes:
        return {name: values.numpy()[rows] for name, values in data.attributes.items()}
    if data.labels is None:
        return {}
    labels = data.labels.numpy()[rows]
    names = data.classes or tuple(map(str, range(int(data.labels.max()) + 1)))
    return {name: labels == k for k, name in enumerate(names)}


def excluded_by(data: Dataset, name: str) -> tuple[str, ...]:
    """Attributes that nobody has together with this one."""
    if data.attributes:
        if data.name != "faces":
            return ()
        from ..datasets.faces import EXCLUSIVE

        return tuple(n for pair in EXCLUSIVE if name in pair for n in pair if n != name)
    return tuple(n for n in attribute_table(data, slice(0, 1)) if n != name)


def draw_people(people: Sequence[Person]) -> Tensor:
    """Draws people as images `(N, 3, 64, 64)` in [0, 1]."""
    from ..datasets.faces import SIZE, draw

    drawn = np.stack([draw(p) for p in people]) if people else np.empty((0, SIZE, SIZE, 3))
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float().div(255)


def true_pictures(data: Dataset, rows: np.ndarray, targets: Mapping[str, bool]) -> Tensor | None:
    """Draws the same people with some attributes set: what an edit should give.

    Args:
        data: where these are no drawn faces, nothing is known.
        rows: `(N,)` which people.
        targets: by attribute, whether they should have it.

    Returns:
        `(N, C, H, W)` in [0, 1], or None.

    Raises:
        ValueError: if nobody can have these attributes at once.
    """
    if data.name != "faces":
        return None
    from ..datasets.faces import counterfactual, person

    return draw_people([counterfactual(person(data.split, int(r)), **targets) for r in rows])


# One edit, and the same edit on many ---------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EditReport:
    """What an edit did to one code.

    Args:
        before: what the classifier gives the unedited picture, probabilities by name; empty
            without a classifier.
        after: the same of the edited picture.
        moved: Euclidean distance between the codes.
        unusual_before: how unusual the unedited code is, 0…1, as `FittedGaussian.unusualness`
            says.
        unusual: the same of the edited code.
        nearest: row of the nearest real code.
        nearest_distance: to it.
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
        """Whether the classifier predicts an attribute before and after."""
        return self._predicts(self.before, name), self._predicts(self.after, name)

    def flipped(self, allowed: Collection[str] = ()) -> list[str]:
        """Names whose prediction has changed, those that may change left out."""
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
    """Measures one edit.

    Args:
        classifier: looks at the pictures, if there is one.
        pictures: decoded before and after, `(2, C, H, W)`.
        z: the codes before and after, `(2, D)`.
        codes: of real images, `(N, D)`.
        fitted: the Gaussian fitted to them.
        leave: row of the code that was edited, if it is a real one: not its own neighbour.
    """
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    if classifier is not None:
        probabilities = classifier.probabilities(pictures).tolist()
        before, after = (dict(zip(classifier.names, row, strict=True)) for row in probabilities)
    unusual = fitted.unusualness(z).tolist()
    rows, distances = neighbours(codes, z[1], 2)
    near = int(rows[0] == leave and len(rows) > 1)  # a single code has only itself
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
    """What an edit did to N codes, by a classifier's predictions: success, leakage and flips.

    Args:
        names: of the K attributes or classes that the classifier predicts.
        before: whether each is predicted for the unedited pictures, bool `(N, K)`.
        after: the same for the edited pictures.
        change: mean absolute change of each pixel, `(H, W)`, where it was measured.
    """

    names: Sequence[str]
    before: np.ndarray
    after: np.ndarray
    change: Tensor | None = None

    @property
    def n(self) -> int:
        """How many codes were edited."""
        return len(self.after)

    @property
    def predicted(self) -> dict[str, float]:
        """The share of edited pictures for which each name is predicted, 0…1."""
        return dict(zip(self.names, self.after.mean(0).tolist(), strict=True))

    @property
    def flips(self) -> dict[str, float]:
        """The share for which the prediction of each name has changed, 0…1."""
        changed = (self.after != self.before).mean(0).tolist()
        return dict(zip(self.names, changed, strict=True))

    def success(self, targets: Mapping[str, bool]) -> float:
        """The share of edited pictures for which all is predicted as wanted, 0…1.

        Args:
            targets: by name, whether it should be predicted.
        """
        columns = [self.names.index(name) for name in targets]
        return float((self.after[:, columns] == list(targets.values())).all(1).mean())

    def leakage(
        self, allowed: Collection[str], among: Collection[str] | None = None
    ) -> tuple[str, float] | None:
        """Finds which other prediction has changed for the largest share, and that share, 0…1.

        Args:
            allowed: names that may change: the targets, and what excludes them.
            among: the names that count, all by default.

        Returns:
            None where no name is left.
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
        model: decodes.
        classifier: predicts from the decoded pictures.
        codes: `(N, D)`.
        step: `(D,)`.
        before: predictions for the unedited codes, bool `(N, K)`, if they are known: half the
            work, but the change of pixels is not measured.
        progress: told how much is done, 0…1.
    """
    unedited, edited, change = [], [], torch.zeros(())
    for start in range(0, len(codes), _BATCH):
        part = codes[start : start + _BATCH]
        after = decode(model, part + step)
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

"""What an edit by a concept vector did: judged by a classifier, and held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import load_card, load_checkpoint
from ..classifier import Classifier, accuracy, load_classifier
from ..codes import FittedGaussian, decode, encode
from ..datasets import Dataset, load_dataset
from ..evaluation import attribute_survival
from ..latent import neighbours
from ..model import VAE
from .vectors import adjusted_vectors, sides

__all__ = [
    "STRENGTHS",
    "EditReport",
    "Effect",
    "answers",
    "attribute_table",
    "edit_report",
    "effect_on_many",
    "evaluate_concepts",
    "excluded_by",
    "rmse",
    "true_pictures",
]

STRENGTHS = np.arange(0.5, 1.5001, 0.125)
"""Strengths among which an attribute's best one is chosen."""

_TRAIN = 5_000  # training images that vectors are estimated from
_BATCH = 250
_ACCURATE, _SURVIVES = 0.99, 0.95  # what makes an attribute judged

Log = Callable[[str], None]


@torch.no_grad()
def answers(judge: Classifier, x: Tensor) -> np.ndarray:
    """What a judge sees in images `(N, C, H, W)`: bool `(N, K)`."""
    return torch.cat([judge.answers(part) for part in x.split(_BATCH)]).numpy()


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


def true_pictures(data: Dataset, rows: np.ndarray, name: str, value: bool = True) -> Tensor | None:
    """The same people drawn with one attribute set: what an edit should give.

    Args:
        data: where these are no drawn faces, nothing is known.
        rows: `(N,)` which.
        name: of the attribute.
        value: with it or without.

    Returns:
        `(N, C, H, W)` in [0, 1], or None.
    """
    if data.name != "faces":
        return None
    from ..datasets.faces import counterfactual, draw, person

    drawn = [draw(counterfactual(person(data.split, int(r)), **{name: value})) for r in rows]
    if not drawn:
        return torch.empty(0, *data.images.shape[1:])
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float().div(255)


# One edit, and the same edit on many ---------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EditReport:
    """What an edit did to one code.

    Args:
        before: what the judge thinks of the unedited decode, 0…1 by name; empty without a judge.
        after: the same of the edited decode.
        moved: Euclidean distance in the code.
        unusual_before: the share of real codes nearer to the middle of the Gaussian fitted to
            them (by Mahalanobis distance) than the unedited code, 0…1.
        unusual: the same of the edited code.
        nearest: row of the nearest real code.
        nearest_distance: to it.
        exclusive: whether the judge tells classes apart, of which it sees exactly one.
    """

    before: dict[str, float]
    after: dict[str, float]
    moved: float
    unusual_before: float
    unusual: float
    nearest: int
    nearest_distance: float
    exclusive: bool = False

    def sees(self, name: str) -> tuple[bool, bool]:
        """Whether the judge sees an attribute before and after."""
        return self._answer(self.before, name), self._answer(self.after, name)

    def flipped(self, aside: Collection[str] = ()) -> list[str]:
        """Names about which the judge has changed its mind, those aside left out."""
        pairs = [(name, *self.sees(name)) for name in self.before if name not in aside]
        return [name for name, before, after in pairs if before != after]

    def _answer(self, seen: dict[str, float], name: str) -> bool:
        if self.exclusive:
            return seen[name] == max(seen.values())
        return seen[name] > 0.5


@torch.no_grad()
def edit_report(
    model: VAE,
    judge: Classifier | None,
    z: np.ndarray,
    edited: np.ndarray,
    codes: np.ndarray,
    fitted: FittedGaussian,
    leave: int = -1,
) -> EditReport:
    """Judges one edit.

    Args:
        model: decodes.
        judge: looks at the decoded pictures, if there is one.
        z: code `(D,)` before.
        edited: code `(D,)` after.
        codes: of real images, `(N, D)`.
        fitted: the Gaussian fitted to them.
        leave: row of the code that was edited, if it is a real one: not its own neighbour.
    """
    both = np.stack([z, edited]).astype(np.float32)
    before, after = {}, {}
    if judge is not None:
        seen = judge.probabilities(decode(model, both)).tolist()
        before, after = (dict(zip(judge.names, row, strict=True)) for row in seen)
    shares = fitted.unusualness(both)
    rows, distances = neighbours(codes, both[1], 2)
    near = int(rows[0] == leave)
    return EditReport(
        before,
        after,
        moved=float(np.linalg.norm(both[1] - both[0])),
        unusual_before=float(shares[0]),
        unusual=float(shares[1]),
        nearest=int(rows[near]),
        nearest_distance=float(distances[near]),
        exclusive=judge is not None and judge.exclusive,
    )


@dataclass(frozen=True)
class Effect:
    """What an edit did to many codes.

    Args:
        n: how many.
        shown: the share of whom the judge sees each name after the edit, 0…1.
        flips: the share of whom its answer changed, 0…1.
    """

    n: int
    shown: dict[str, float]
    flips: dict[str, float]


def effect_on_many(
    model: VAE,
    judge: Classifier,
    codes: np.ndarray,
    step: np.ndarray,
    progress: Callable[[float], object] = lambda share: None,
) -> Effect:
    """Adds a step to codes and has the judge compare.

    Args:
        model: decodes.
        judge: looks at the decoded pictures.
        codes: `(N, D)`.
        step: `(D,)`.
        progress: told how much is done, 0…1.
    """
    seen = []
    for start in range(0, len(codes), _BATCH):
        part = codes[start : start + _BATCH]
        both = np.concatenate([part, part + step]).astype(np.float32)
        seen.append(answers(judge, decode(model, both)).reshape(2, len(part), -1))
        progress(min(1.0, (start + _BATCH) / len(codes)))
    before, after = np.concatenate(seen, axis=1)
    shown, flips = after.mean(0).tolist(), (after != before).mean(0).tolist()
    return Effect(
        len(codes),
        dict(zip(judge.names, shown, strict=True)),
        dict(zip(judge.names, flips, strict=True)),
    )


# The measurement -----------------------------------------------------------------------------


def evaluate_concepts(
    folder: str | Path,
    *,
    images: int | None = None,
    seed: int = 0,
    log: Log = lambda sentence: None,
) -> dict[str, Any]:
    """Adds every attribute to held-out images that lack it and has a classifier look.

    Vectors come from the codes of the first 5,000 training images, by one least-squares fit on
    all attributes (`concepts.adjusted_vectors`). They are added to the codes of all test images
    that show neither the attribute nor one that excludes it: the others cannot simply be given
    it. One half of these chooses the best strength, all figures come from the other half.

    An attribute is judged if the classifier is at least 99 % right on real test images and at
    least 95 % of those who show it still do in their reconstruction. Errors are root mean squared
    differences of pixels in 0…1 from the picture of the same person drawn with the attribute.

    Args:
        folder: a checkpoint's.
        images: how many test images, all by default.
        seed: of the halves and of the random directions.
        log: told what is being done.

    Returns:
        `attributes`: by judged attribute `n` (people edited), `success` (the share on whom it is
        then seen) at strength 1, `best_strength`, `success_at_best`, `leakage` at best (largest
        share for whom another judged attribute's answer changes, those aside that exclude it, and
        which one, `leaks_into`), `counterfactual_error` at best, `do_nothing_error` (of the
        unedited reconstruction), `model_of_truth_error` (of the drawn truth, encoded and
        decoded). `random_direction`: the same for directions of the same length, another one for
        every person, at the same strengths. `not_judged`: reasons by attribute.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
        DatasetError: if its data cannot be had.
    """
    model, name = load_checkpoint(folder), load_card(folder).get("dataset")
    if not name:
        raise ValueError(f"{folder}: the card names no dataset; expected one to measure on.")
    judge, data = load_classifier(name), load_dataset(name, "test")
    report: dict[str, Any] = {"dataset": name, "attributes": {}, "random_direction": {}}
    report["not_judged"] = {}
    if judge is None or not data.attributes:
        why = "has no classifier" if data.attributes else "has no attributes"
        return report | {"n": 0, "reason": f"{name} {why}, so that no edit can be judged."}
    train = load_dataset(name, "train")
    log(f"Estimating vectors from {min(_TRAIN, len(train)):,} training images.")
    codes = encode(model, train.images, limit=_TRAIN, bound=False)
    table = attribute_table(train, codes["index"])
    vectors = adjusted_vectors(codes["mean"], table)
    n = min(images or len(data), len(data))
    log(f"Encoding {n:,} test images.")
    heldout = encode(model, data.images, limit=n, bound=False)["mean"]
    bench = _Bench(model, judge, data, heldout)
    judged, report["not_judged"] = _judged(judge, data, bench.unedited)
    rng = np.random.default_rng(seed)
    for attribute in judged:
        log(f"Adding {attribute}.")
        found = bench.measure(attribute, vectors[attribute], judged, rng)
        report["attributes"][attribute], report["random_direction"][attribute] = found
    return report | {"n": n, "estimator": "adjusted", "vectors_from": len(codes["mean"])}


def _judged(
    judge: Classifier, data: Dataset, unedited: Tensor
) -> tuple[list[str], dict[str, str]]:
    right = accuracy(judge, data)
    survival = attribute_survival(judge, unedited, data)
    judged, reasons = [], {}
    for name in judge.names:
        if right[name] < _ACCURATE:
            reasons[name] = f"the classifier is right on {right[name]:.1%} of real images"
        elif survival.get(name, 0) < _SURVIVES:
            reasons[name] = f"{survival.get(name, 0):.1%} survive reconstruction"
        else:
            judged.append(name)
    return judged, reasons


class _Bench:
    """Held-out images, encoded, decoded and judged once, on which edits are measured."""

    def __init__(self, model: VAE, judge: Classifier, data: Dataset, codes: np.ndarray) -> None:
        self.model, self.judge, self.data, self.codes = model, judge, data, codes
        self.unedited = decode(model, codes)
        self.before = answers(judge, self.unedited)
        self.table = attribute_table(data, slice(0, len(codes)))

    def measure(
        self, name: str, vector: np.ndarray, judged: list[str], rng: np.random.Generator
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        excluded = excluded_by(self.data, name)
        outside = [other for other in judged if other != name and other not in excluded]
        eligible = np.flatnonzero(sides(self.table, name, excluded)[1])
        order = rng.permutation(eligible)
        choose, rows = np.sort(order[::2]), np.sort(order[1::2])

        def effect(who: np.ndarray, step: np.ndarray) -> tuple[float, dict[str, float], Tensor]:
            y = decode(self.model, (self.codes[who] + step).astype(np.float32))
            after = answers(self.judge, y)
            column = self.judge.names.index
            flips = {
                o: float((after[:, column(o)] != self.before[who, column(o)]).mean())
                for o in outside
            }
            return float(after[:, column(name)].mean()), flips, y

        def worst(flips: Mapping[str, float]) -> float:
            return max(flips.values(), default=0.0)

        tried = [effect(choose, s * vector)[:2] for s in STRENGTHS]
        gains = [success - worst(flips) for success, flips in tried]
        best = float(STRENGTHS[int(np.argmax(gains))])
        truth = true_pictures(self.data, rows, name)
        directions = rng.standard_normal((len(rows), len(vector)))
        directions *= np.linalg.norm(vector) / np.linalg.norm(directions, axis=1, keepdims=True)

        def figures(step: np.ndarray) -> dict[str, Any]:
            at_best, flips, y = effect(rows, best * step)
            success = at_best if best == 1 else effect(rows, step)[0]
            found: dict[str, Any] = {"n": len(rows), "success": success, "best_strength": best}
            found |= {"success_at_best": at_best, "leakage": worst(flips)}
            found |= {"leaks_into": max(flips, key=flips.get, default=None)}
            found |= self._errors(rows, y, truth)
            return found

        return figures(vector), figures(directions)

    def _errors(self, rows: np.ndarray, y: Tensor, truth: Tensor | None) -> dict[str, Any]:
        names = ("counterfactual_error", "do_nothing_error", "model_of_truth_error")
        if truth is None or not len(rows):
            return dict.fromkeys(names)
        codes = encode(self.model, truth, bound=False)["mean"]
        pictures = (y, self.unedited[rows], decode(self.model, codes))
        return {k: float(rmse(p, truth).mean()) for k, p in zip(names, pictures, strict=True)}

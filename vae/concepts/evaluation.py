"""Evaluation of edits on held-out images: the report of `python -m vae evaluate --concepts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..checkpoint import load_card, load_checkpoint
from ..classifier import Classifier, accuracy_by_name, load_classifier, load_judge
from ..codes import decode, encode
from ..datasets import Dataset, load_dataset
from ..model import VAE
from .attributes import attribute_table, excluded_by, number_table
from .edits import Effect, codes_of_twins, rmse, true_pictures
from .paired import fit_paired_step
from .vectors import adjusted_vectors, split_by_attribute

__all__ = ["STRENGTHS", "EditBench", "evaluate_concepts"]

STRENGTHS = np.arange(0.5, 1.5001, 0.125)
"""Strengths among which the best one of an attribute is chosen."""

_PAIRS = 1_500  # of people with and without an attribute, at most
_FROM_PAIRS = ("constant_step", "dependent_step")
_TRAIN = 5_000  # training images from which vectors are estimated
_ACCURATE, _SURVIVES = 0.99, 0.95  # thresholds above which an attribute is evaluated

Log = Callable[[str], None]
Progress = Callable[[int, int], None]
Step = Callable[[np.ndarray], np.ndarray]  # rows to what is added, `(D,)` or `(N, D)`


def evaluate_concepts(
    folder: str | Path,
    *,
    images: int | None = None,
    seed: int = 0,
    log: Log = lambda message: None,
    progress: Progress = lambda done, count: None,
) -> dict[str, Any]:
    """Adds every attribute to held-out images that lack it and evaluates the edits.

    Vectors are estimated from the codes of the first 5,000 training images by one least-squares
    fit on all attributes (`concepts.adjusted_vectors`). They are added to the codes of all test
    images that show neither the attribute nor one that excludes it. One half of these images is
    used to choose the best strength, and the other half for all reported metrics.

    An attribute is evaluated if the classifier's accuracy on real test images is at least 99 %,
    and if at least 95 % of the images with the attribute still show it after reconstruction.
    Errors are root mean squared errors of pixels in 0…1 against the same person drawn with the
    attribute.

    Args:
        folder: folder or name of a checkpoint.
        images: number of test images, all by default.
        seed: seed of the halves and of the random directions.
        log: called with a message at each step.
        progress: called with the number of images done and the total of the step.

    Returns:
        `attributes`: for each evaluated attribute `n` (number of edited people), `success` (share
        of edits after which it is predicted) at strength 1, `best_strength`, `success_at_best`,
        `leakage` at the best strength (largest share of edits that change the prediction of
        another evaluated attribute that does not exclude it, named in `leaks_into`),
        `counterfactual_error` at the best strength, `do_nothing_error` (of the unedited
        reconstruction), `model_of_truth_error` (of the reconstructed ground truth). `judge`:
        success and leakage by a second classifier, of another architecture, where there is one:
        the first has chosen the strength.
        `random_direction`: the same for random directions of the same length, one for each
        person, at the same strengths. Of images that can be drawn again, `constant_step`: the
        same for the constant step of the smallest squared error on pairs of training people with
        and without the attribute, and `dependent_step`: for the step that is affine in the code,
        from the same pairs. `not_judged`: reasons by attribute.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
        DatasetError: if the dataset cannot be loaded.
        ValueError: if the card names no dataset.
    """
    model, name = load_checkpoint(folder), load_card(folder).get("dataset")
    if not name:
        raise ValueError(f"{folder}: the card names no dataset; expected one for the evaluation.")
    classifier, data = load_classifier(name), load_dataset(name, "test")
    report: dict[str, Any] = {"dataset": name, "attributes": {}, "random_direction": {}}
    report |= {"constant_step": {}, "dependent_step": {}}
    report["not_judged"] = {}
    if classifier is None or not attribute_table(data, slice(0, 1)):
        why = "has no attributes" if classifier else "has no classifier"
        return report | {"n": 0, "reason": f"{name} {why}, so that no edit can be judged."}
    train = load_dataset(name, "train")
    log(f"Estimating vectors from {min(_TRAIN, len(train)):,} training images.")
    first = min(_TRAIN, len(train))
    codes = encode(
        model, train.images, limit=first, bound=False, progress=lambda done: progress(done, first)
    )
    table = attribute_table(train, codes["index"])
    vectors = adjusted_vectors(codes["mean"], table | number_table(train, codes["index"]))
    n = min(images or len(data), len(data))
    log(f"Encoding {n:,} test images.")
    heldout = encode(
        model, data.images, limit=n, bound=False, progress=lambda done: progress(done, n)
    )["mean"]
    bench = EditBench(model, classifier, data, heldout, load_judge(name))
    judged, report["not_judged"] = _judged(classifier, data, bench)
    rng = np.random.default_rng(seed)
    for attribute in judged:
        log(f"Adding {attribute}.")
        pairs = _pairs(model, train, table, attribute, codes["mean"])
        kinds = ("attributes", "random_direction", *(_FROM_PAIRS if pairs else ()))
        steps = bench.measure(attribute, vectors[attribute], judged, rng, pairs)
        for kind, measured in zip(kinds, steps, strict=True):
            report[kind][attribute] = measured
    return report | {"n": n, "estimator": "adjusted", "vectors_from": len(codes["mean"])}


def _pairs(
    model: VAE, train: Dataset, table: Mapping[str, np.ndarray], name: str, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Codes of training people without an attribute, and drawn again with it."""
    lacking = split_by_attribute(table, name, excluded_by(train, name))[1]
    rows = np.flatnonzero(lacking)[:_PAIRS]
    twins = codes_of_twins(model, train, rows, {name: True})
    return None if twins is None else (codes[rows], twins)


def _judged(
    classifier: Classifier, data: Dataset, bench: EditBench
) -> tuple[list[str], dict[str, str]]:
    right = accuracy_by_name(classifier, data)
    judged, reasons = [], {}
    for column, name in enumerate(classifier.names):
        has = np.asarray(bench.table[name], np.float32) > 0.5  # not NaN
        survival = float(bench.before[has, column].mean()) if has.any() else 0.0
        if right.get(name, 0) < _ACCURATE:
            reasons[name] = f"the classifier is right on {right.get(name, 0):.1%} of real images"
        elif survival < _SURVIVES:
            reasons[name] = f"{survival:.1%} survive reconstruction"
        else:
            judged.append(name)
    return judged, reasons


class EditBench:
    """Held-out images on which edits are evaluated, encoded, decoded and classified once."""

    def __init__(
        self,
        model: VAE,
        classifier: Classifier,
        data: Dataset,
        codes: np.ndarray,
        judge: Classifier | None = None,
    ) -> None:
        self.model, self.classifier, self.data, self.codes = model, classifier, data, codes
        self.judge = judge
        self.unedited = decode(model, codes)
        self.before = classifier.predictions(self.unedited).numpy()
        self.table = attribute_table(data, slice(0, len(codes)))

    def edit(self, rows: np.ndarray, step: np.ndarray) -> tuple[Effect, Tensor]:
        """Adds a step `(D,)`, or one for each row, and returns the effect and the pictures."""
        y = decode(self.model, self.codes[rows] + step)
        after = self.classifier.predictions(y).numpy()
        return Effect(self.classifier.names, self.before[rows], after), y

    def measure(
        self,
        name: str,
        vector: np.ndarray,
        judged: list[str],
        rng: np.random.Generator,
        pairs: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> list[dict[str, Any]]:
        """Figures of a vector, of random directions, and of two steps from pairs if there are."""
        excluded = excluded_by(self.data, name)
        targets, allowed = {name: True}, {name, *excluded}
        eligible = np.flatnonzero(split_by_attribute(self.table, name, excluded)[1])
        order = rng.permutation(eligible)
        choose, rows = np.sort(order[::2]), np.sort(order[1::2])
        truth = true_pictures(self.data, rows, targets)

        def leakage(effect: Effect) -> tuple[str | None, float]:
            return effect.leakage(allowed, judged) or (None, 0.0)

        def strongest(step: Step) -> float:
            tried = [self.edit(choose, s * step(choose))[0] for s in STRENGTHS]
            gains = [effect.success(targets) - leakage(effect)[1] for effect in tried]
            return float(STRENGTHS[int(np.argmax(gains))])

        def figures(step: np.ndarray, best: float) -> dict[str, Any]:
            at_best, y = self.edit(rows, best * step)
            at_one, x = (at_best, y) if best == 1 else self.edit(rows, step)
            measured = {"n": len(rows), "best_strength": best} | rates(at_one, at_best)
            if self.judge is not None:
                measured["judge"] = rates(*(self._by_judge(rows, pictures) for pictures in (x, y)))
            return measured | self._errors(rows, y, truth)

        def rates(at_one: Effect, at_best: Effect) -> dict[str, Any]:
            leaks_into, leak = leakage(at_best)
            success = {
                name: at.success(targets)
                for name, at in (("success", at_one), ("success_at_best", at_best))
            }
            return success | {"leakage": leak, "leaks_into": leaks_into}

        best = strongest(lambda _: vector)
        directions = rng.standard_normal((len(rows), len(vector)))
        directions *= np.linalg.norm(vector) / np.linalg.norm(directions, axis=1, keepdims=True)
        measured = [figures(vector, best), figures(directions, best)]
        if pairs is not None:
            constant, dependent = (pairs[1] - pairs[0]).mean(0), fit_paired_step(*pairs)
            measured.append(figures(constant, strongest(lambda _: constant)))
            best = strongest(lambda of: dependent.at(self.codes[of]))
            measured.append(figures(dependent.at(self.codes[rows]), best))
        return measured

    def _by_judge(self, rows: np.ndarray, pictures: Tensor) -> Effect:
        """What the classifier of another architecture sees of edited pictures."""
        assert self.judge is not None
        before, after = (
            self.judge.predictions(x).numpy() for x in (self.unedited[rows], pictures)
        )
        return Effect(self.judge.names, before, after)

    def _errors(self, rows: np.ndarray, y: Tensor, truth: Tensor | None) -> dict[str, Any]:
        names = ("counterfactual_error", "do_nothing_error", "model_of_truth_error")
        if truth is None or not len(rows):
            return dict.fromkeys(names)
        codes = encode(self.model, truth, bound=False)["mean"]
        pictures = (y, self.unedited[rows], decode(self.model, codes))
        return {k: float(rmse(p, truth).mean()) for k, p in zip(names, pictures, strict=True)}

"""An edit and its results, computed once for all views: pictures, ground truth, report, effect."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pages.ui.shared import cache, labels, visitor
from pages.ui.shared.classifier import predictions
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.inside import INSIDE, Judgement, judge, judge_edited
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from pages.ui.shared.progress import with_progress
from vae.codes import decode
from vae.concepts.edits import EditReport, Effect, edit_report, effect_on_many, true_pictures
from vae.latent import evenly
from vae.likely_codes import bring_back

__all__ = ["BroughtBack", "Edit", "EditResult"]

_MANY = 200  # held-out images on which an edit is evaluated before the visitor asks for all
_FEWEST = 20  # smallest number of images of which shares are shown
_AFTER_REGION = 40  # images whose mean change gives a region where no classifier looks


@dataclass(frozen=True, eq=False)
class Edit:
    """A starting point, the concepts that are added to it, and their strengths.

    Args:
        space: the model.
        pin: pin of the starting point.
        active: K active concepts.
        strengths: strengths of the concepts, `(K,)`.
    """

    space: LatentSpace
    pin: Pin
    active: Sequence[NamedConcept]
    strengths: np.ndarray

    def step_at(self, z: np.ndarray) -> np.ndarray:
        """What the edit adds to codes `(D,)` or `(N, D)`: `(D,)`, or one for each."""
        pairs = zip(self.active, self.strengths, strict=True)
        return sum(s * concept.at(z) for concept, s in pairs).astype(np.float32)

    @property
    def edited(self) -> np.ndarray:
        """The code after the edit, `(D,)`."""
        return self.pin.z + self.step_at(self.pin.z)

    @property
    def key(self) -> tuple:
        """What tells this edit from others, whatever picture it starts from."""
        names = tuple(concept.name for concept in self.active)
        return self.space.name, names, self.strengths.tobytes()

    @property
    def targets(self) -> dict[str, bool]:
        """The intended predictions by attribute."""
        pairs = zip(self.active, self.strengths, strict=True)
        return {c.target: bool(s > 0) for c, s in pairs if c.target and abs(s) >= 0.25}

    @property
    def judged(self) -> dict[str, bool]:
        """Those of the targets that the classifier of these images predicts at all."""
        names = self.space.classifier.names if self.space.classifier else ()
        return {name: value for name, value in self.targets.items() if name in names}

    @property
    def allowed_changes(self) -> set[str]:
        """Names that may change: the targets, and those that exclude them."""
        excluded = (labels.excluded(self.space, name) for name in self.targets)
        return set(self.targets).union(*excluded)

    def others(self) -> np.ndarray:
        """Rows of held-out images that lack the added and show the removed attributes."""
        rows = np.flatnonzero(~labels.fit_rows(self.space))
        for name, value in self.targets.items():
            with_it, without = labels.held_out(self.space, name)
            rows = np.intersect1d(rows, without if value else with_it)
        examples = frozenset({self.pin.row}).union(*(c.rows for c in self.active))
        return np.setdiff1d(rows, list(examples))


@dataclass(frozen=True, eq=False)
class BroughtBack:
    """An edited code that had left the data, brought back to them.

    Args:
        z: code after the correction, `(D,)`.
        picture: decoded picture, `(C, H, W)`.
        report: report of the edit against the starting point.
        place: position relative to the data.
        level: level of noise to which the code was taken back.
    """

    z: np.ndarray
    picture: Tensor = field(repr=False)
    report: EditReport
    place: Judgement
    level: float


@dataclass(frozen=True, eq=False)
class EditResult:
    """The results of an edit: each code is decoded once, the ground truth drawn and encoded once.

    Args:
        edit: edit that was applied.
        before: decoded picture of the starting point, `(C, H, W)`.
        after: decoded picture after the edit, `(C, H, W)`.
        truth: ground truth, the same person drawn with the targets, `(C, H, W)`; None for other
            images than drawn faces, or if the targets exclude each other.
        reconstruction: reconstruction of the ground truth, or None.
        report: report of the effect on the codes and pictures.
        others: rows `(N,)` of the held-out images on which the edit can be evaluated.
    """

    edit: Edit
    before: Tensor = field(repr=False)
    after: Tensor = field(repr=False)
    truth: Tensor | None = field(repr=False)
    reconstruction: Tensor | None = field(repr=False)
    report: EditReport
    others: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, edit: Edit) -> EditResult:
        """Applies an edit; its effect on other images is computed when a view needs it."""
        space, truth = edit.space, _truth(edit)
        z = np.stack([edit.pin.z, edit.edited])
        codes = z
        if truth is not None:
            codes = np.concatenate([z, space.model.encoder(truth[None]).mean.numpy()])
        pictures = decode(space.model, codes)
        report = _compare(edit, pictures[:2], z)
        reconstruction = None if truth is None else pictures[2]
        return cls(edit, *pictures[:2], truth, reconstruction, report, edit.others())

    @functools.cached_property
    def effect(self) -> Effect | None:
        """The effect on other images; None without a classifier or with too few images."""
        space, rows = self.edit.space, self.others
        if space.classifier is None or len(rows) < _FEWEST:
            return None
        everybody = visitor.current().concepts.tried_on_all == self.edit.key
        rows = rows if everybody else evenly(rows, _MANY)
        step = self.edit.step_at(space.mean[rows])
        return _effect(space, step, rows, self.truth is not None, everybody)

    def try_on_all(self) -> None:
        """Makes `effect` use all other images from the next run on."""
        visitor.current().concepts.tried_on_all = self.edit.key

    @functools.cached_property
    def place(self) -> Judgement:
        """Whether the edited code lies inside the data."""
        return judge_edited(self.edit.space, self.edit.edited)

    @functools.cached_property
    def brought_back(self) -> BroughtBack | None:
        """The edit brought back to the data; None if it is inside, or this cannot be judged."""
        edit, space = self.edit, self.edit.space
        if self.place.share is None or self.place.zone == "inside":
            return None
        z, level = _bring_back(space, edit.pin.z, edit.edited)
        picture = decode(space.model, z[None])[0]
        report = _compare(edit, torch.stack([self.before, picture]), np.stack([edit.pin.z, z]))
        return BroughtBack(z, picture, report, judge(space, z), level)

    @functools.cached_property
    def region(self) -> Tensor:
        """Mask `(H, W)` bool of pixels that change in the ground truth or in other images."""
        if self.truth is not None:
            change = (self.truth - self.edit.space.image(self.edit.pin.row)).abs().amax(0)
            level = 0.02
        else:
            change = self.effect.change if self.effect else self._change_of_some()
            level = 0.3 * change.max().item()
        wide = torch.nn.functional.max_pool2d(change[None, None], 5, 1, 2)[0, 0]
        region = wide > level
        return region if region.any() and not region.all() else wide >= wide.median()

    def _change_of_some(self) -> Tensor:
        """Mean absolute change of each pixel, `(H, W)`, without a classifier."""
        space, rows = self.edit.space, evenly(self.others, _AFTER_REGION)
        if not len(rows):
            return (self.after - self.before).abs().mean(0)
        codes = space.mean[rows]
        pictures = decode(space.model, np.concatenate([codes, codes + self.edit.step_at(codes)]))
        return (pictures[len(rows) :] - pictures[: len(rows)]).abs().mean((0, 1))


def _compare(edit: Edit, pictures: Tensor, z: np.ndarray) -> EditReport:
    space = edit.space
    fitted, row = space.aggregate_posterior, edit.pin.row
    return edit_report(space.classifier, pictures, z, space.mean, fitted, row)


@cache.shared(256)
def _bring_back(
    space: LatentSpace, start: np.ndarray, edited: np.ndarray
) -> tuple[np.ndarray, float]:
    return bring_back(space.distribution, start, edited, INSIDE)


@cache.shared(64)
def _effect(
    space: LatentSpace, step: np.ndarray, rows: np.ndarray, reconstructed: bool, _tell: bool
) -> Effect:
    """The effect of a step on reference images, against their reconstructions or originals."""
    before = predictions(space, rows) if reconstructed else None
    arguments = space.model, space.classifier, space.mean[rows], step, before
    if not _tell:
        return effect_on_many(*arguments)
    text = f"Evaluating the edit on {len(rows):,} images…"
    return with_progress(text, lambda tell: effect_on_many(*arguments, tell))


def _truth(edit: Edit) -> Tensor | None:
    space, pin = edit.space, edit.pin
    if pin.row < 0 or not edit.targets or not space.encodes:
        return None
    try:
        drawn = true_pictures(space.dataset, space.index[[pin.row]], edit.targets)
    except ValueError:  # the targets exclude each other
        return None
    return None if drawn is None else drawn[0]

"""The verdict on an edit: of this picture, which the browser gives as well, and of many others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pages.ui.components.messages.paths import EditJudge
from pages.ui.shared import formatting, labels
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.inside import Judgement
from pages.ui.shared.latent_space import LatentSpace
from vae.concepts.edits import EditReport, Effect

if TYPE_CHECKING:
    from pages.ui.concepts.edit import Edit

__all__ = ["of_others", "of_picture", "rules"]

LEAST = 0.25
"""Strength from which a concept is meant to be seen."""
_LEAK = 0.05


def _word(name: str) -> str:
    return f"“{formatting.mention(name)}”"


def of_picture(edit: Edit, report: EditReport) -> tuple[str, str]:
    """Says what the classifier makes of the edited picture; `sliders/verdict.js` says the same.

    Returns:
        "good", "fair", "bad" or "open", and a summary.
    """
    if not np.abs(edit.strengths).max() >= LEAST:
        return "open", "No edit yet: move a slider away from zero."
    targets = edit.judged
    if not report.after or not targets:
        why = "this concept, which is not a known attribute"
        if not report.after:
            why = "these images"
        elif edit.targets:
            why = f"{' and '.join(map(_word, edit.targets))}, which it cannot tell"
        return "open", f"No classifier covers {why}."
    missed = [n for n, value in targets.items() if report.predicts(n)[1] != value]
    intended = " and ".join(
        _word(n) if value else f"no {_word(n)}" for n, value in targets.items()
    )
    there = [n for n, value in targets.items() if report.predicts(n) == (value, value)]
    flipped = report.flipped(edit.allowed_changes)
    if missed:
        still = "still predicts" if not targets[missed[0]] else "does not predict"
        words = [f"Failure: after the edit an independent classifier {still} {_word(missed[0])}."]
    elif len(there) == len(targets):
        words = [
            f"No change: an independent classifier predicts {intended} before the edit as well."
        ]
    else:
        words = [f"Success: after the edit an independent classifier predicts {intended}."]
    if flipped:
        words.append(f"The prediction also changes for {', '.join(map(_word, flipped))}.")
    return "bad" if missed else "fair" if flipped else "good", " ".join(words)


def of_others(edit: Edit, effect: Effect | None, where: Judgement) -> tuple[str, str]:
    """Says how the edit works on other images, and where the edited code lies.

    Args:
        edit: edit that was applied.
        effect: effect on other images, if it is known already.
        where: position of the edited code relative to the data.

    Returns:
        "good", "fair", "bad" or "open", and a summary.
    """
    out = where.zone == "outside"
    place = f"The edited code is {where.words}.{' Look closely.' * out}"
    if where.zone == "unknown":
        place = f"Whether the edited code stays inside the data: {where.words}."
    if effect is None or not edit.judged:
        return "fair" if out else "open", place
    success, leak = effect.success(edit.judged), effect.leakage(edit.allowed_changes)
    leaks = leak is not None and leak[1] > _LEAK
    words = [f"On {effect.n} held-out images the edit succeeds for {success:.0%}."]
    if leaks:
        words.append(
            f"For {leak[1]:.0%} of them the prediction of {_word(leak[0])} changes as well."
        )
    elif leak is not None:
        words.append("No other attribute changes noticeably.")
    words.append(place)
    if success < 0.5:
        return "bad", " ".join(words)
    return "fair" if leaks or out or success < 0.9 else "good", " ".join(words)


def rules(space: LatentSpace, active: Sequence[NamedConcept]) -> EditJudge:
    """What the browser needs to give the verdict on this picture by itself.

    Args:
        space: the model.
        active: the concepts that are added, in the order of their sliders.
    """
    classifier = space.classifier
    names = () if classifier is None else classifier.names
    number = {name: k for k, name in enumerate(names)}
    targets = []
    for concept in active:
        target = concept.target or ""
        others = labels.excluded(space, target) if target else ()
        targets.append({
            "key": target,
            "word": _plain(target),
            "name": number.get(target, -1),
            "excluded": [number[name] for name in others if name in number],
        })  # fmt: skip
    return {
        "targets": targets,
        "words": [_plain(name) for name in names],
        "exclusive": classifier is not None and classifier.exclusive,
        "covered": classifier is not None,
    }


def _plain(name: str) -> str:
    return plain(formatting.concept(formatting.words(name)).lower(), "text")

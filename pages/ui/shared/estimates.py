"""What takes long to find out about a pin, once for all visitors: judgement, bounds in nats."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pages.ui.shared import cache, permissions
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import bounds_in_words, time_words
from pages.ui.shared.inside import Judgement, judge
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.waiting_line import ESTIMATES
from vae.bounds import Bounds, estimate_elbo, estimate_evidence
from vae.latent import neighbours

__all__ = [
    "IN_NATS",
    "LATER",
    "TERMS",
    "about_image",
    "about_place",
    "elbo_of",
    "estimate",
    "estimated",
    "judgement",
    "too_long",
    "want",
]

TERMS = {  # the glossary's term, and what there is to add; in nats for one image
    "KL": ("KL", ""),
    "Reconstruction": (
        "reconstruction",
        "Not comparable between models with different likelihoods.",
    ),
    "ELBO": ("ELBO", ""),
    "Log evidence": (
        "evidence",
        "Estimated by importance sampling around the most probable code, or by quadrature over "
        "the plane. ≥ marks a lower bound, where the samples prove no more.",
    ),
}
IN_NATS = "In nats, for this image."
LATER = "Many are waiting for such an estimate. It comes when some of them have gone on."
_NEAR = 6  # images
_DECODES = 1_000  # largest number of codes that each estimate decodes
_LONGEST = 60.0  # seconds that the estimates of an image may take
_TIMED = 8  # decodes from which it is foreseen
_WITH_GRADIENTS = 6  # of digits, fashion and faces 1.2 to 6, of 256 × 256 pixels 7
_FOR_EACH_DIMENSION = 30  # decodes at least, of cubature and of the search for the mode
_SOON, _LATE = 0.5, 10.0  # seconds until a browser asks again: in its turn, or where many wait


def judgement(space: LatentSpace, row: int, z: np.ndarray) -> Judgement | None:
    """Whether a code lies inside the data; None where nobody asks, or it is not yet known.

    Args:
        space: the model.
        row: the image's row; -1 for a place that is none.
        z: code `(D,)`.
    """
    if row < 0:
        return judge(space, z)
    if not space.judges_likelihood:
        return None
    known = _judged(space, row)
    if not known and permissions.for_one_person():
        known.append(judge(space, z))
    return known[0] if known else None


@cache.shared(4_096)
def _judged(space: LatentSpace, row: int) -> list[Judgement]:
    """A cache entry for the judgement of an image, which takes as long as all else of a pin."""
    return []


@cache.shared(4_096)
def estimated(space: LatentSpace, image: int | Tensor) -> list[Bounds]:
    """A cache entry for the estimates of an image, filled when they are there.

    Args:
        space: the model.
        image: a row, or a picture `(C, H, W)` in [0, 1].
    """
    return []


def too_long(space: LatentSpace) -> str:
    """Says how long the estimates of an image take, where that is too long; else ""."""
    if (seconds := _seconds(space)) <= _LONGEST:
        return ""
    return (
        f"Estimating this takes about {time_words(seconds)} with this decoder: "
        f"python -m vae bounds {plain(space.name)} does it in advance."
    )


@cache.shared(64)
@torch.no_grad()
def _seconds(space: LatentSpace) -> float:
    """About how long the estimates of an image take."""
    few = torch.from_numpy(space.mean[:_TIMED])
    space.model.decoder(few[:1])  # its process starts
    each = min(_timed(space, few) for _ in range(3)) / len(few)
    if space.differentiable:  # the search for modes follows gradients
        return each * _WITH_GRADIENTS * _DECODES
    return each * (2 * _DECODES + _FOR_EACH_DIMENSION * space.mean.shape[1])


def _timed(space: LatentSpace, z: Tensor) -> float:
    start = time.monotonic()
    space.model.decoder(z)
    return time.monotonic() - start


def elbo_of(space: LatentSpace, x: Tensor, row: int | None) -> Bounds:
    """KL and ELBO of an image, the same on every page: stored with the codes, else estimated.

    Args:
        space: a variational model.
        x: picture `(C, H, W)` in [0, 1].
        row: the image's row; None for a picture that is none of the reference images.
    """
    known = None if row is None else space.bounds(row)
    return known or estimate_elbo(space.model, x, decodes=_DECODES)


def estimate(
    space: LatentSpace, x: Tensor, tell: Callable[[dict[str, str]], None], known: Bounds | None
) -> Bounds:
    """Estimates unknown bounds in parts, so that the next click need not wait for the last one.

    Args:
        space: the model.
        x: picture `(C, H, W)` in [0, 1].
        tell: called now and then with what is known by then, in words.
        known: KL and ELBO, where they are known.
    """
    shown: dict[str, str] = {}
    options = {"decodes": _DECODES, "tell": lambda: tell(shown)}
    known = known or estimate_elbo(space.model, x, **options)
    shown = bounds_in_words(known)
    return replace(known, evidence=estimate_evidence(space.model, x, **options))


def want(space: LatentSpace, row: int, x: Tensor, z: np.ndarray, who: Hashable) -> bool:
    """Says that somebody wants the estimates of an image; they come in turn, if they may wait.

    Args:
        space: the model.
        row: the image's row; -1 for a picture that is none of the reference images.
        x: the picture `(C, H, W)` in [0, 1].
        z: its code `(D,)`.
        who: the visitor, who wants nothing else any more.

    Returns:
        Whether they come; False where too many wait.
    """
    kept = estimated(space, x if row < 0 else row)
    known = space.bounds(row) if row >= 0 else None

    def work(go_on: Callable[[], None]) -> None:
        if row >= 0 and space.judges_likelihood and not (judged := _judged(space, row)):
            judged.append(judge(space, z))
        if not kept:
            kept.append(estimate(space, x, lambda _: go_on(), known))

    return ESTIMATES.want(who, (space.name, space.stamp, row, z.tobytes()), work)


def about_image(space: LatentSpace, row: int, who: Hashable) -> dict[str, Any]:
    """What the browser is told of a reference image beside what it knows.

    Args:
        space: the model.
        row: the image's row.
        who: tells the visitor from others.

    Returns:
        `judged`, words that follow "is", or None; `nats`, by name as `bounds_in_words` writes
        them; `note`, what is to be said of those; `again`, seconds until it is worth asking once
        more, None where nothing more will come.
    """
    known = space.bounds(row) if space.variational else None
    kept = estimated(space, row)
    whole = known if known is not None and known.evidence is not None else None
    bounds, note, again = whole or (kept[0] if kept else known), IN_NATS, None
    if space.variational and not whole and not kept:
        if long := too_long(space):
            note = long
        elif want(space, row, space.image(row), space.mean[row], who):
            again = _SOON if permissions.for_one_person() else 4 * _SOON
        else:
            note, again = LATER, _LATE
    judged = judgement(space, row, space.mean[row])
    return {
        "judged": None if judged is None else judged.words,
        "nats": bounds_in_words(bounds) if bounds else {},
        "note": note,
        "again": again,
    }


def about_place(space: LatentSpace, z: np.ndarray) -> dict[str, Any]:
    """As `about_image`, of a place `(D,)` that is no image, and `near`, the images nearest to it.

    Each of these is `row`, `title` and `distance`, in the latent space.
    """
    near = [
        {"row": int(row), "title": plain(space.title(int(row)), "text"), "distance": float(far)}
        for row, far in zip(*neighbours(space.mean, z, _NEAR), strict=True)
    ]
    said = {"judged": judge(space, z).words, "nats": {}, "note": "", "again": None}
    return said | {"near": near}

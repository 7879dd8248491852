"""What the Learn pages share, and the lesson on autoencoders; computed once for all visitors."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.components.latent_planes import Field
from pages.ui.components.pickers import draw_samples
from pages.ui.learn import layout
from pages.ui.shared import cache, images
from pages.ui.shared.classifier import confidence, threshold
from pages.ui.shared.foreign_text import message
from pages.ui.shared.latent_space import LatentSpace
from vae import CheckpointError, DatasetError
from vae.codes import decode
from vae.latent import neighbours

__all__ = [
    "FIELDS",
    "bounds_of",
    "field",
    "open_model",
    "samples",
    "show_samples",
    "show_walk",
    "walk",
]

FIELDS = {
    "none": "Nothing",
    "distance": "Distance to the nearest code",
    "confidence": "How sure the classifier is",
}


def open_model(name: str) -> LatentSpace:
    """Opens a model that a page needs; where it cannot be had, says so and stops the page.

    Args:
        name: of a checkpoint, or `lab/…` for one of the small models of these pages.
    """
    try:
        return cache.latent_space(name)
    except (CheckpointError, DatasetError) as problem:
        st.error(f"This page needs the model {name}, which cannot be shown. {message(problem)}")
        st.stop()


def bounds_of(space: LatentSpace, margin: float = 0.06) -> tuple[float, float, float, float]:
    """The smallest square that holds all codes of a 2-D model, and a margin around it."""
    low, high = space.mean.min(0), space.mean.max(0)
    half = (high - low).max() * (0.5 + margin)
    (x, y) = (low + high) / 2
    return float(x - half), float(x + half), float(y - half), float(y + half)


def field(space: LatentSpace, kind: str, colour: str, steps: int = 45) -> Field | None:
    """What is shown behind the codes of a 2-D model.

    Args:
        space: the model.
        kind: a key of `FIELDS`.
        colour: of the tint, #rrggbb.
        steps: places along each axis.
    """
    if kind not in (("distance", "confidence") if space.classifier else ("distance",)):
        return None
    x0, x1, y0, y1 = bounds_of(space)
    places = np.stack(np.meshgrid(np.linspace(x0, x1, steps), np.linspace(y0, y1, steps)), -1)
    codes = places.reshape(-1, 2).astype(np.float32)
    if kind == "distance":

        def compute() -> np.ndarray:
            found = neighbours(space.mean, codes, 1)[1]
            return (found / space.deviation.mean()).reshape(steps, steps)

        values = cache.remember(space, ("field", kind, steps), compute)
        name = "distance to the nearest code, in deviations of all codes"
        return Field(values, name, colour, 0.05, 0.7)
    values = cache.remember(
        space,
        ("field", kind, steps),
        lambda: confidence(space, decode(space.model, codes)).reshape(steps, steps),
    )
    return Field(values, "the classifier's surest class", colour, 0.4, 1.0)


def samples(
    space: LatentSpace, distribution: str, seed: int, count: int = 1_000
) -> dict[str, object]:
    """Decodes draws of a model, and asks the classifier.

    Args:
        space: the model.
        distribution: "prior" or "fitted".
        seed: of the draws.
        count: how many.

    Returns:
        {"shown": the first 40 `(40, C, H, W)`, "clear": how many the classifier is as sure of as
        of 95 % of the real images, "kinds": over how many classes those spread, as if evenly (the
        exponential of their entropy)}; None for both where there is no classifier.
    """

    @torch.no_grad()
    def compute() -> dict[str, object]:
        decoded = decode(space.model, draw_samples(space, distribution, count, seed))
        clear = kinds = None
        if space.classifier is not None:
            sure, which = space.classifier.probabilities(decoded).max(1)
            found = which[sure >= threshold(space)]
            share = torch.bincount(found, minlength=len(space.classes)) / max(len(found), 1)
            clear, kinds = len(found), float(torch.special.entr(share).sum().exp())
        return {"shown": decoded[:40].clone(), "clear": clear, "kinds": kinds}

    return cache.remember(space, ("samples", distribution, seed, count), compute)


def walk(space: LatentSpace, a: int, b: int, steps: int = 11) -> tuple[Tensor, np.ndarray | None]:
    """Decodes the straight line between two images' codes; how sure the classifier is of each."""
    t = np.linspace(0, 1, steps)[:, None]
    decoded = decode(space.model, (1 - t) * space.mean[a] + t * space.mean[b])
    return decoded, None if space.classifier is None else confidence(space, decoded)


def show_samples(twins: dict[str, LatentSpace], seed: int) -> None:
    """Shows draws of each model, and how many of 1,000 the classifier takes for digits."""
    st.subheader("Random codes, decoded", anchor=False)
    ways = (("prior", "from $N(0, I)$"), ("fitted", "from a Gaussian fitted to its own codes"))
    for column, (name, space) in zip(st.columns(2, gap="medium"), twins.items(), strict=True):
        column.markdown(f"**{name}**")
        for part, (how, words) in zip(column.columns(2), ways, strict=True):
            with part, st.spinner("Drawing 1,000 codes…"):
                drawn = samples(space, how, seed)
            part.image(
                images.data_url(images.sheet(drawn["shown"], 8), 280),
                caption=words,
                alt=f"Samples of the {name.lower()} {words}",
            )
            if drawn["clear"] is not None:
                part.metric(
                    "kinds of digit among them",
                    f"{drawn['kinds']:.1f} of {len(space.classes)}",
                    help="As if they were spread evenly over so many kinds.",
                )
                part.metric("look like a digit, of 1,000", f"{drawn['clear']:,}")


def show_walk(twins: dict[str, LatentSpace]) -> None:
    """Shows the straight line between two images' codes, for each model."""
    st.subheader("From one image to another", anchor=False)
    first = next(iter(twins.values()))
    with st.container(horizontal=True):
        a = layout.choose_image(first, key="from", default=3, width=64)
        b = layout.choose_image(first, key="to", default=10, width=64)
    for name, space in twins.items():
        decoded, sure = walk(space, a, b)
        least = "" if sure is None else f"; the classifier's least sure step: {sure.min():.0%}"
        st.image(
            images.data_url(images.sheet(decoded, len(decoded)), 84),
            caption=f"{name}, on the straight line between the two codes{least}",
            alt=f"{name}: a walk between two images",
        )

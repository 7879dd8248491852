"""What the Learn pages share, and the lesson on autoencoders; computed once for all visitors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.components.gallery import draw_samples
from pages.ui.components.latent_planes import Field
from pages.ui.learn import layout
from pages.ui.shared import images, session
from pages.ui.shared.latent_space import Reference
from vae import CheckpointError, DatasetError
from vae.classifier import Classifier, load_classifier
from vae.latent import neighbours

__all__ = [
    "FIELDS",
    "bounds_of",
    "confidence",
    "field",
    "judge",
    "open_model",
    "samples",
    "show_samples",
    "show_walk",
    "threshold",
    "walk",
    "with_progress",
]

FIELDS = {
    "none": "Nothing",
    "distance": "Distance to the nearest code",
    "confidence": "How sure the classifier is",
}


def open_model(name: str) -> Reference:
    """Opens a model that a page needs; where it cannot be had, says so and stops the page.

    Args:
        name: of a checkpoint, or `lab/…` for one of the small models of these pages.
    """
    try:
        return session.reference(name)
    except (CheckpointError, DatasetError) as problem:
        st.error(f"This page needs the model {name}, which cannot be shown. {problem}")
        st.stop()


def bounds_of(ref: Reference, margin: float = 0.06) -> tuple[float, float, float, float]:
    """The smallest square that holds all codes of a 2-D model, and a margin around it."""
    low, high = ref.mean.min(0), ref.mean.max(0)
    half = (high - low).max() * (0.5 + margin)
    (x, y) = (low + high) / 2
    return float(x - half), float(x + half), float(y - half), float(y + half)


def judge(ref: Reference) -> Classifier | None:
    """The independent classifier of a model's dataset; None where none is shipped."""
    return session.remember(ref, ("judge",), lambda: load_classifier(ref.dataset.name))


@torch.no_grad()
def confidence(ref: Reference, x: Tensor) -> np.ndarray:
    """The probability of the likeliest class for images `(B, C, H, W)`: `(B,)` in 0…1."""
    parts = [judge(ref).probabilities(part).amax(1) for part in x.split(250)]
    return torch.cat(parts).numpy()


def threshold(ref: Reference) -> float:
    """How sure the classifier is of 95 % of the real images, at least."""

    def compute() -> float:
        real = ref.dataset.images[torch.from_numpy(ref.index[:1_000])]
        return float(np.quantile(confidence(ref, real), 0.05))

    return session.remember(ref, ("threshold",), compute)


@torch.no_grad()
def _decode(ref: Reference, codes: np.ndarray) -> Tensor:
    z = torch.from_numpy(np.asarray(codes, dtype=np.float32))
    return torch.cat([ref.model.decoder(part).mean for part in z.split(250)])


def field(ref: Reference, kind: str, colour: str, steps: int = 45) -> Field | None:
    """What is shown behind the codes of a 2-D model.

    Args:
        ref: the model.
        kind: a key of `FIELDS`.
        colour: of the tint, #rrggbb.
        steps: places along each axis.
    """
    if kind not in ("distance", "confidence") or (kind == "confidence" and judge(ref) is None):
        return None
    x0, x1, y0, y1 = bounds_of(ref)
    places = np.stack(np.meshgrid(np.linspace(x0, x1, steps), np.linspace(y0, y1, steps)), -1)
    codes = places.reshape(-1, 2).astype(np.float32)
    if kind == "distance":

        def compute() -> np.ndarray:
            found = neighbours(ref.mean, codes, 1)[1]
            return (found / ref.deviation.mean()).reshape(steps, steps)

        values = session.remember(ref, ("field", kind, steps), compute)
        name = "distance to the nearest code, in deviations of all codes"
        return Field(values, name, colour, 0.05, 0.7)
    values = session.remember(
        ref,
        ("field", kind, steps),
        lambda: confidence(ref, _decode(ref, codes)).reshape(steps, steps),
    )
    return Field(values, "the classifier's surest class", colour, 0.4, 1.0)


def samples(ref: Reference, distribution: str, seed: int, count: int = 1_000) -> dict[str, object]:
    """Decodes draws of a model, and asks the classifier.

    Args:
        ref: the model.
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
        decoded = _decode(ref, draw_samples(ref, distribution, count, seed))
        clear = kinds = None
        if judge(ref) is not None:
            sure, which = torch.cat([judge(ref).probabilities(p) for p in decoded.split(250)]).max(
                1
            )
            found = which[sure >= threshold(ref)]
            share = torch.bincount(found, minlength=len(ref.classes)) / max(len(found), 1)
            clear, kinds = len(found), float(torch.special.entr(share).sum().exp())
        return {"shown": decoded[:40].clone(), "clear": clear, "kinds": kinds}

    return session.remember(ref, ("samples", distribution, seed, count), compute)


def walk(ref: Reference, a: int, b: int, steps: int = 11) -> tuple[Tensor, np.ndarray | None]:
    """Decodes the straight line between two images' codes; how sure the classifier is of each."""
    t = np.linspace(0, 1, steps)[:, None]
    decoded = _decode(ref, (1 - t) * ref.mean[a] + t * ref.mean[b])
    return decoded, None if judge(ref) is None else confidence(ref, decoded)


def show_samples(twins: dict[str, Reference], seed: int) -> None:
    """Shows draws of each model, and how many of 1,000 the classifier takes for digits."""
    st.subheader("Random codes, decoded", anchor=False)
    ways = (("prior", "from $N(0, I)$"), ("fitted", "from a Gaussian fitted to its own codes"))
    for column, (name, ref) in zip(st.columns(2, gap="medium"), twins.items(), strict=True):
        column.markdown(f"**{name}**")
        for part, (how, words) in zip(column.columns(2), ways, strict=True):
            with part, st.spinner("Drawing 1,000 codes…"):
                drawn = samples(ref, how, seed)
            part.image(
                images.data_url(images.sheet(drawn["shown"], 8), 280),
                caption=words,
                alt=f"Samples of the {name.lower()} {words}",
            )
            if drawn["clear"] is not None:
                part.metric(
                    "kinds of digit among them",
                    f"{drawn['kinds']:.1f} of {len(ref.classes)}",
                    help="As if they were spread evenly over so many kinds.",
                )
                part.metric("look like a digit, of 1,000", f"{drawn['clear']:,}")


def show_walk(twins: dict[str, Reference]) -> None:
    """Shows the straight line between two images' codes, for each model."""
    st.subheader("From one image to another", anchor=False)
    first = next(iter(twins.values()))
    with st.container(horizontal=True):
        a = layout.choose_image(first, key="from", default=3, width=64)
        b = layout.choose_image(first, key="to", default=10, width=64)
    for name, ref in twins.items():
        decoded, sure = walk(ref, a, b)
        least = "" if sure is None else f"; the classifier's least sure step: {sure.min():.0%}"
        st.image(
            images.data_url(images.sheet(decoded, len(decoded)), 84),
            caption=f"{name}, on the straight line between the two codes{least}",
            alt=f"{name}: a walk between two images",
        )


def with_progress(text: str, compute: Callable[[Callable[[float], None]], Any]) -> Any:
    """Runs something long that tells how far it is, and shows that meanwhile."""
    bar = st.progress(0.0, text)
    try:
        return compute(lambda part: bar.progress(min(part, 1.0), text))
    finally:
        bar.empty()

"""What the Learn pages share, and the lesson on autoencoders; computed once for all visitors."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.components.latent_planes import Field, Gap, Panel, live_planes
from pages.ui.learn import layout
from pages.ui.learn.texts import lesson
from pages.ui.shared import cache, images, links, plot_style, problems
from pages.ui.shared.classifier import confidence, threshold
from pages.ui.shared.foreign_text import message
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.samples import draw_samples
from vae import CheckpointError, DatasetError
from vae.codes import decode
from vae.latent import neighbours

__all__ = [
    "FIELDS",
    "bounds_of",
    "clearer",
    "field",
    "halfway",
    "open_model",
    "open_twins",
    "samples",
    "show_fitted",
    "show_planes",
    "show_samples",
    "show_walk",
    "walk",
]

FIELDS = ("none", "distance", "confidence")
_SAMPLES = 1_000  # samples, or pairs of codes, that are decoded
_GAP = 0.3  # standard deviations of all codes to the nearest one: nobody lives there
_STEPS = 45  # positions of a field along each axis


def open_model(name: str) -> LatentSpace:
    """Opens a model that a page needs; where it cannot be had, says so and stops the page.

    Args:
        name: name of a checkpoint, or `lab/…` for one of the small models of these pages.
    """
    try:
        return cache.latent_space(name)
    except (CheckpointError, DatasetError) as problem:
        st.error(f"{lesson('autoencoder')('missing', name=name)} {message(problem)}")
        problems.end_page()


def open_twins(autoencoder: str, variational: str) -> dict[str, LatentSpace]:
    """Opens two models that differ in noise and KL alone: "autoencoder" and "variational"."""
    return {"autoencoder": open_model(autoencoder), "variational": open_model(variational)}


def bounds_of(space: LatentSpace) -> tuple[float, float, float, float]:
    """The smallest square that holds all codes of a 2-D model, and a margin around it."""
    low, high = space.mean.min(0), space.mean.max(0)
    half = (high - low).max() * 0.56
    (x, y) = (low + high) / 2
    return float(x - half), float(x + half), float(y - half), float(y + half)


def field(space: LatentSpace, kind: str, colour: str) -> Field | None:
    """What is shown behind the codes of a 2-D model.

    Args:
        space: the model.
        kind: one of `FIELDS`.
        colour: colour of the tint, #rrggbb.
    """
    if kind not in (("distance", "confidence") if space.classifier else ("distance",)):
        return None
    values = _field_values(space, kind)
    name = lesson("autoencoder")(f"planes.{kind}")
    low, high = (0.05, 0.7) if kind == "distance" else (0.4, 1.0)
    return Field(values, name, colour, low, high)


@cache.shared(32)
def _field_values(space: LatentSpace, kind: str) -> np.ndarray:
    x0, x1, y0, y1 = bounds_of(space)
    places = np.stack(np.meshgrid(np.linspace(x0, x1, _STEPS), np.linspace(y0, y1, _STEPS)), -1)
    codes = places.reshape(-1, 2).astype(np.float32)
    if kind == "distance":
        values = neighbours(space.mean, codes, 1)[1] / space.deviation.mean()
    else:
        values = confidence(space, decode(space.model, codes))
    return values.reshape(_STEPS, _STEPS)


@cache.shared(64)
@torch.no_grad()
def samples(space: LatentSpace, distribution: str, seed: int) -> dict[str, object]:
    """Decodes draws of a model, and asks the classifier.

    Args:
        space: the model.
        distribution: "prior" or "fitted".
        seed: seed of the draws.

    Returns:
        {"shown": the first 40 `(40, C, H, W)`, "clear": how many the classifier is as sure of as
        of 95 % of the real images, "kinds": over how many classes those spread, as if evenly (the
        exponential of their entropy)}; None for both where there is no classifier.
    """
    decoded = decode(space.model, draw_samples(space, distribution, _SAMPLES, seed))
    clear = kinds = None
    if space.classifier is not None:
        predicted = _clear(space, decoded)
        share = torch.bincount(predicted, minlength=len(space.classes)) / max(len(predicted), 1)
        clear, kinds = len(predicted), float(torch.special.entr(share).sum().exp())
    return {"shown": decoded[:40].clone(), "clear": clear, "kinds": kinds}


def _clear(space: LatentSpace, x: Tensor) -> Tensor:
    """Classes of those images `(B, C, H, W)` that the classifier is as sure of as of real ones."""
    sure, which = space.classifier.probabilities(x).max(1)
    return which[sure >= threshold(space)]


@cache.shared(64)
@torch.no_grad()
def halfway(space: LatentSpace, seed: int) -> int | None:
    """Counts how many decoded midpoints of two codes of different classes look like a digit.

    Args:
        space: the model.
        seed: seed of the pairs.

    Returns:
        None where there is no classifier.
    """
    if space.classifier is None:
        return None
    rng = np.random.default_rng(seed)
    a = rng.integers(len(space), size=_SAMPLES)
    others = [np.flatnonzero(space.class_of != k) for k in range(len(space.classes))]
    b = np.array([rng.choice(others[space.class_of[row]]) for row in a])
    return len(_clear(space, decode(space.model, (space.mean[a] + space.mean[b]) / 2)))


def walk(space: LatentSpace, a: int, b: int) -> tuple[Tensor, np.ndarray | None]:
    """Decodes the straight line between two images' codes; how sure the classifier is of each."""
    t = np.linspace(0, 1, 11)[:, None]
    decoded = decode(space.model, (1 - t) * space.mean[a] + t * space.mean[b])
    return decoded, None if space.classifier is None else confidence(space, decoded)


def show_samples(twins: dict[str, LatentSpace], distribution: str, seed: int) -> None:
    """Shows draws of each model, and how many of 1,000 the classifier takes for digits.

    Args:
        twins: models, as `open_twins` names them.
        distribution: "prior" or "fitted".
        seed: seed of the draws.
    """
    text = lesson("autoencoder")
    for column, (name, space) in zip(st.columns(2, gap="medium"), twins.items(), strict=True):
        with column, st.spinner(text("samples.drawing")):
            drawn = samples(space, distribution, seed)
        with column:
            model = text(f"model.{name}")
            st.markdown(text(f"samples.{distribution}", model=model))
            st.image(
                images.data_url(images.sheet(drawn["shown"], 10), 224),
                width="stretch",
                alt=text("samples.alt", model=model),
            )
            if drawn["clear"] is not None:
                with st.container(horizontal=True):
                    st.metric(text("samples.clear"), f"{drawn['clear']:,}")
                    number, of = f"{drawn['kinds']:.1f}", len(space.classes)
                    st.metric(
                        text("samples.classes"),
                        text("samples.classes_value", number=number, all=of),
                        help=text("samples.classes_help"),
                    )


def clearer(twins: dict[str, LatentSpace], seed: int) -> tuple[int, dict[str, str]]:
    """Whose draws from N(0, I) more often look like digits: 0, 1 or 2 for about as often.

    Args:
        twins: models, as `open_twins` names them.
        seed: seed of the draws.

    Returns:
        The answer, and both counts as text.
    """
    counts = {n: int(samples(s, "prior", seed)["clear"] or 0) for n, s in twins.items()}
    first, second = counts.values()
    error = 2 * np.sqrt(sum(c * (1 - c / _SAMPLES) for c in counts.values()))  # of the difference
    answer = 2 if abs(first - second) <= error else int(second > first)
    return answer, {name: f"{count:,}" for name, count in counts.items()}


def show_fitted(twins: dict[str, LatentSpace], seed: int) -> None:
    """Compares the models where their own codes lie, and shows draws on demand."""
    text = lesson("autoencoder")
    counts = {name: samples(space, "fitted", seed)["clear"] for name, space in twins.items()}
    if None not in counts.values():
        st.markdown(text("fitted.text", counts=_in_words(counts)))
    with layout.details(text("fitted.title")):
        show_samples(twins, "fitted", seed)


def _in_words(counts: dict[str, int]) -> str:
    numbers = {name: f"{count:,}" for name, count in counts.items()}
    return lesson("autoencoder")("samples.counts", **numbers)


def show_walk(twins: dict[str, LatentSpace], seed: int) -> None:
    """Shows the straight line between two images' codes for each model, and counts midpoints.

    Args:
        twins: models, as `open_twins` names them.
        seed: seed of the pairs whose midpoints are counted.
    """
    text = lesson("autoencoder")
    first = next(iter(twins.values()))
    with st.container(horizontal=True):
        a = layout.choose_image(first, key="from", default=text.number("from"), width=64)
        b = layout.choose_image(first, key="to", default=text.number("to"), width=64)
    for name, space in twins.items():
        decoded, sure = walk(space, a, b)
        model = text(f"model.{name}")
        caption = text("walk.caption", model=model)
        if sure is not None:
            caption = text("walk.caption_judged", model=model, confidence=f"{sure.min():.0%}")
        st.image(
            images.data_url(images.sheet(decoded, len(decoded)), 84),
            caption=caption,
            alt=text("walk.alt", model=model),
        )
    counts = {name: halfway(space, seed) for name, space in twins.items()}
    if None not in counts.values():
        st.markdown(text("walk.text", counts=_in_words(counts)))


def show_planes(twins: dict[str, LatentSpace]) -> None:
    """Shows the planes of two 2-D models under one pointer, and a quantity behind the codes.

    Args:
        twins: models, as `open_twins` names them.
    """
    text = lesson("autoencoder")
    names = {kind: text(f"behind.{kind}") for kind in FIELDS}
    behind = st.segmented_control(
        text("planes.behind"),
        list(FIELDS),
        format_func=names.get,
        required=True,
        **links.choice("behind", FIELDS, "distance", labels=names.get),
    )
    if behind == "confidence" and any(space.classifier is None for space in twins.values()):
        st.info(text("planes.no_classifier"))
    colour = plot_style.TERMS["gap" if behind == "distance" else "elbo"]
    start = tuple(text.number("start"))
    first = next(iter(twins.values()))
    at = live_planes(
        [
            Panel(
                text(f"model.{name}"),
                bounds_of(space),
                space.name,
                space.mean,
                space.class_of,
                field(space, behind, colour),
                rings=space.variational,
            )
            for name, space in twins.items()
        ],
        key="twins",
        words=layout.plane_words(),
        start=links.read_start("at", 2, 0, 1) or start,
        legend=first.classes,
        gap=Gap(text.name, float(_GAP * first.deviation.mean())),
    )
    links.put("at", None if at == start else links.numbers_text(at))

"""The last step: one sentence and one number for each lesson, and what follows from the KL."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from pages.ui.learn import autoencoder
from pages.ui.learn.contents import STEPS
from pages.ui.learn.texts import lesson
from pages.ui.shared import cache, formatting
from pages.ui.shared.latent_space import LatentSpace
from vae.training.heldout import ACTIVE

__all__ = ["show_lessons", "show_results_of_the_kl", "show_ways_on", "show_what_is_no_result"]

_KINDS = ("prior", "fitted")
_WAYS = {
    "train": ("train.py", "model_training"),
    "library": ("library.py", "photo_library"),
    "concepts": ("concepts.py", "add_circle"),
    "glossary": ("glossary.py", "menu_book"),
}


def show_lessons(space: LatentSpace, deep: LatentSpace, twins: dict[str, LatentSpace]) -> None:
    """Shows a sentence with a number for each lesson, and a link to it.

    Args:
        space: a variational model with two latent dimensions.
        deep: one with many.
        twins: models, as `autoencoder.open_twins` names them.
    """
    values = _numbers(space) | _lengths(deep) | {
        name: _count(autoencoder.samples(twin, "prior", 0)["clear"])
        for name, twin in twins.items()
    }  # fmt: skip
    text = lesson("conclusion")
    for number, step in enumerate(STEPS, 1):
        if step.name == text.name:
            continue
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(text(f"lessons.{step.name}", **values))
        label = f"{number} · {step.title}"
        right.page_link(step.file, label=label, icon=f":material/{step.icon}:")


def _count(number: int | None) -> str:
    """A number as text; a dash where no classifier could count."""
    return "–" if number is None else f"{number:,}"


@cache.shared(4)
def _numbers(space: LatentSpace) -> dict[str, str]:
    """What is known of a model's reference images, and of its two networks, as text."""
    known = [b for b in map(space.bounds, range(len(space))) if b is not None and b.evidence]
    evidence, elbo, kl = (  # rounded, so that what is shown adds up
        round(float(np.mean(values)), 1)
        for values in zip(*((b.evidence.value, b.elbo.value, b.kl) for b in known), strict=True)
    )
    sigma = np.sqrt(space.variance).mean()
    weights = sum(p.numel() for p in space.model.encoder.parameters())
    return {
        "count": f"{len(known):,}",
        "evidence": formatting.nats(evidence, unit=0.1),
        "elbo": formatting.nats(elbo, unit=0.1),
        "gap": formatting.nats(evidence - elbo, unit=0.1),
        "reconstruction": formatting.nats(elbo + kl, unit=0.1),
        "kl": formatting.nats(kl, unit=0.1),
        "factor": formatting.power_of_ten(round((elbo + kl) / math.log(10))),
        "sigma": formatting.figure_of(float(sigma)),
        "weights": f"{weights:,}",
    }


@cache.shared(4)
def _lengths(space: LatentSpace) -> dict[str, str]:
    """How long codes are, and how long their mean is, as text."""
    dimensions = space.mean.shape[1]
    noise = np.random.default_rng(0).standard_normal(space.mean.shape)
    drawn = space.mean + np.sqrt(space.variance) * noise
    return {
        "dimensions": str(dimensions),
        "root": f"{math.sqrt(dimensions):.1f}",
        "length": f"{np.linalg.norm(drawn, axis=1).mean():.1f}",
        "mean_length": f"{np.linalg.norm(space.mean.mean(0)):.1f}",
    }


def active_variables(space: LatentSpace) -> tuple[int, int]:
    """How many latent variables carry information, and how many there are."""
    return int((space.mean.var(0, ddof=1) > ACTIVE).sum()), space.mean.shape[1]


def show_results_of_the_kl(space: LatentSpace) -> None:
    """Lists what follows from the KL, with what was measured on a model."""
    text = lesson("conclusion")
    active, dimensions = active_variables(space)
    whole = space.mean.var(0) + space.variance.mean(0)
    st.markdown(
        text(
            "structure.results",
            active=active,
            dimensions=dimensions,
            low=f"{np.sqrt(whole.min()):.2f}",
            high=f"{np.sqrt(whole.max()):.2f}",
        )
    )


def show_what_is_no_result(space: LatentSpace, twins: dict[str, LatentSpace]) -> None:
    """Lists what does not follow from the KL, with what was measured."""
    text = lesson("conclusion")
    halves = {name: _count(autoencoder.halfway(twin, 0)) for name, twin in twins.items()}
    drawn = {kind: _count(autoencoder.samples(space, kind, 0)["clear"]) for kind in _KINDS}
    st.markdown(
        text(
            "structure.no_results",
            autoencoder=halves["autoencoder"],
            variational=halves["variational"],
            prior=drawn["prior"],
            fitted=drawn["fitted"],
        )
    )


def show_ways_on() -> None:
    """Links to what a visitor might do next."""
    text = lesson("conclusion")
    for column, (name, (file, icon)) in zip(st.columns(len(_WAYS)), _WAYS.items(), strict=True):
        with column, st.container(border=True):
            about = text(f"next.{name}_about")
            st.page_link(file, label=text(f"next.{name}"), icon=f":material/{icon}:", help=about)
            st.caption(about)

"""The lesson in which a VAE of points of a plane is trained."""

from __future__ import annotations

import streamlit as st

from pages.ui.components.plane_vae import SHAPES, plane_vae
from pages.ui.learn.texts import lesson
from pages.ui.shared import links

__all__ = ["choose_shape", "train", "what_became"]

_CHANGED = 0.2  # of what it was, from which on a change counts


def choose_shape() -> str:
    """Lets the visitor choose a distribution of points."""
    text = lesson("plane")
    shape = st.segmented_control(
        text("shape"),
        SHAPES,
        required=True,
        format_func=lambda name: text(f"shapes.{name}"),
        **links.choice("points", SHAPES, SHAPES[0]),
    )
    return shape or SHAPES[0]


def train(shape: str, seed: int, *, held: bool) -> dict[str, list[float]] | None:
    """Trains the VAE in the visitor's browser, before their eyes.

    Args:
        shape: one of `SHAPES`.
        seed: seed of the points, the weights and the noise.
        held: whether β cannot be moved yet.

    Returns:
        What the posteriors were before β was raised, and after; None until that has been seen.
    """
    text = lesson("plane")
    words = {
        **{name: text(f"tools.{name}") for name in (
            "train", "pause", "step", "anew", "clear", "empty", "beta", "rate", "steps",
        )},
        **{name: text(f"panels.{name}") for name in (
            "data", "data_alt", "codes", "codes_alt", "curves", "curves_alt",
        )},
        **{name: text(f"numbers.{name}") for name in (
            "evidence", "elbo", "gap", "reconstruction", "kl", "deviation",
        )},
    }  # fmt: skip
    return plane_vae(
        shape,
        seed,
        beta=text.number("beta"),
        rate=text.number("rate"),
        held=held,
        words=words,
        key="plane-vae",
    )


def what_became(change: dict[str, list[float]]) -> tuple[int, dict[str, str]]:
    """What raising β did to the posteriors, as the browser has seen it.

    Args:
        change: what `train` gives.

    Returns:
        The number of the answer, and the mean standard deviations before and after.
    """
    before, after = change["sigma"]
    first, last = change["apart"]
    if after > (1 + _CHANGED) * before:
        answer = 1
    elif after < (1 - _CHANGED) * before:
        answer = 0
    else:
        answer = 2 if last > first else 1
    return answer, {"before": f"{before:.2f}", "after": f"{after:.2f}"}

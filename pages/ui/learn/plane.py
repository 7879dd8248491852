"""The lesson in which a VAE of points of a plane is trained."""

from __future__ import annotations

import streamlit as st

from pages.ui.components.plane_vae import SHAPES, plane_vae
from pages.ui.learn.texts import lesson
from pages.ui.shared import links

__all__ = ["choose_shape", "train"]


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


def train(shape: str, seed: int) -> None:
    """Trains the VAE in the visitor's browser, before their eyes.

    Args:
        shape: one of `SHAPES`.
        seed: seed of the points, the weights and the noise.
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
    plane_vae(
        shape,
        seed,
        beta=text.number("beta"),
        rate=text.number("rate"),
        words=words,
        key="plane-vae",
    )

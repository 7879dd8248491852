"""A VAE of points of a plane, which the browser trains while one watches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import lessons as messages
from pages.ui.shared.plot_style import TERMS

__all__ = ["SHAPES", "plane_vae"]

SHAPES = ("rings", "moons", "clusters", "spiral")
"""The distributions of points that one can choose."""

_PLANE = Component(
    "plane_vae",
    Path(__file__).with_name("plane_vae.js"),
    messages.PlaneVaeData,
    {"change": messages.PlaneVaeChange},
    live=True,
)
_COLOURS = ("evidence", "elbo", "reconstruction", "kl", "posterior", "deviation")


def plane_vae(
    shape: str,
    seed: int,
    *,
    beta: float,
    rate: float,
    held: bool,
    words: Mapping[str, str],
    key: str,
) -> dict[str, list[float]] | None:
    """Shows the points, their posteriors and the terms of the objective; trains until told not to.

    Args:
        shape: one of `SHAPES`.
        seed: seed of the points, the weights and the noise.
        beta: weight of the KL at first.
        rate: learning rate at first.
        held: whether β cannot be moved yet.
        words: texts of the component, as `messages.PlaneVaeWords`.
        key: key of the component.

    Returns:
        What the posteriors were before β was raised and after, as `messages.PlaneVaeChange`; None
        until that has been seen.
    """
    data = {
        "words": dict(words),
        "shape": shape,
        "seed": seed,
        "beta": beta,
        "rate": rate,
        "held": held,
        "colours": {name: TERMS[name] for name in _COLOURS},
    }
    _PLANE.show(data, key=key)
    return _PLANE.heard(key, "change").value

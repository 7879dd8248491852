"""The noise pad: drag ε, see z = μ + σ·ε move among the codes, and its picture with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st

from pages.ui.components.base import component
from pages.ui.shared import url_state
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import TERMS

__all__ = ["REACH", "noise_pad", "released"]

REACH = 3.5
"""How far from 0 a component of ε can be dragged."""

_MOST = 1_000  # codes drawn behind q
_PAD = component("noise_pad", Path(__file__).with_name("noise.js"))


def noise_pad(
    space: LatentSpace,
    mean: np.ndarray,
    sigma: np.ndarray,
    axes: tuple[int, int],
    noise: tuple[float, float],
    *,
    key: str,
    draws: np.ndarray,
    slope: np.ndarray | None = None,
    on_release: Callable[[], None],
) -> None:
    """Draws ε and z side by side; both can be dragged, and the browser decodes z.

    Args:
        space: the model.
        mean: μ `(D,)`.
        sigma: σ `(D,)`.
        axes: the two dimensions that are shown; in all others ε is 0.
        noise: ε in these two, where it stands now.
        key: of the component.
        draws: `(S, 2)` draws of ε in these two dimensions, shown as dots.
        slope: ∂L/∂z `(D,)` at this z, drawn as an arrow of one length.
        on_release: called when the visitor lets go; `released` then says where.
    """
    codes = space.mean[:: -(-len(space) // _MOST)][:, list(axes)].astype(np.float64)
    middle = codes.mean(0)
    arrow = None if slope is None else slope[list(axes)]
    _PAD(
        key=key,
        data={
            "base": url_state.base_path(),
            "model": space.name,
            "shape": list(space.shape),
            "mean": np.asarray(mean, dtype=np.float64).tolist(),
            "sigma": np.asarray(sigma, dtype=np.float64).tolist(),
            "axes": list(axes),
            "noise": list(noise),
            "draws": np.round(draws, 3).tolist(),
            "codes": np.round(codes, 3).tolist(),
            "middle": middle.tolist(),
            "half": float(np.quantile(np.abs(codes - middle), 0.995)) or 1.0,
            "slope": None if arrow is None or not arrow.any() else _unit(arrow),
            "reach": REACH,
            "colours": {k: TERMS[k] for k in ("noise", "mean", "deviation", "posterior")},
        },
        on_noise_change=on_release,
    )


def _unit(arrow: np.ndarray) -> list[float]:
    return (arrow / np.linalg.norm(arrow)).tolist()


def released(key: str) -> tuple[float, float] | None:
    """Where the visitor let go of ε, if the browser's word for it makes sense."""
    found = st.session_state.get(key, {}).get("noise")
    if not isinstance(found, list) or len(found) != 2:
        return None
    if not all(isinstance(v, int | float) and abs(v) <= REACH for v in found):
        return None
    return round(float(found[0]), 2), round(float(found[1]), 2)

"""The noise pad: drag ε, see z = μ + σ·ε move among the codes, and its picture with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pages.ui.components.base import Component
from pages.ui.components.messages import lessons as messages
from pages.ui.shared import links
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import TERMS

__all__ = ["REACH", "noise_pad"]

REACH = messages.NOISE_REACH
"""How far from 0 a component of ε can be dragged."""

_MOST = 1_000  # codes drawn behind q
_PAD = Component(
    "noise_pad",
    Path(__file__).with_name("noise.js"),
    messages.NoisePadData,
    {"noise": messages.Noise},
    live=True,
)


def noise_pad(
    space: LatentSpace,
    mean: np.ndarray,
    sigma: np.ndarray,
    axes: tuple[int, int],
    noise: tuple[float, float],
    *,
    key: str,
    draws: np.ndarray,
    words: dict[str, str],
    gradient: np.ndarray | None = None,
    on_release: Callable[[list[float]], None],
) -> None:
    """Draws ε and z side by side; both can be dragged, and the browser decodes z.

    Args:
        space: the model.
        mean: μ `(D,)`.
        sigma: σ `(D,)`.
        axes: the two dimensions that are shown; in all others ε is 0.
        noise: current ε in these two dimensions.
        key: key of the component.
        draws: `(S, 2)` draws of ε in these two dimensions, shown as dots.
        words: texts of the component, as `messages.NoisePadWords`.
        gradient: ∂L/∂z `(D,)` at this z, drawn as an arrow of one length.
        on_release: called with the noise when the visitor releases the pointer.
    """
    codes = space.mean[:: -(-len(space) // _MOST)][:, list(axes)].astype(np.float64)
    middle = codes.mean(0)
    arrow = None if gradient is None else gradient[list(axes)]
    _PAD.show(
        {
            "base": links.base_path(),
            "words": words,
            "model": space.name,
            "shape": list(space.shape),
            "mean": np.asarray(mean, dtype=np.float64).tolist(),
            "sigma": np.asarray(sigma, dtype=np.float64).tolist(),
            "axes": list(axes),
            "noise": _PAD.heard(key, "noise").answer(noise),
            "draws": np.round(draws, 3).tolist(),
            "codes": np.round(codes, 3).tolist(),
            "middle": middle.tolist(),
            "half": float(np.quantile(np.abs(codes - middle), 0.995)) or 1.0,
            "gradient": None if arrow is None else _unit(arrow),
            "reach": REACH,
            "colours": {k: TERMS[k] for k in ("noise", "mean", "deviation", "posterior")},
        },
        key=key,
        noise=on_release,
    )


def _unit(arrow: np.ndarray) -> list[float] | None:
    """Its direction; None where it has none."""
    length = np.linalg.norm(arrow)
    return (arrow / length).tolist() if 0 < length < np.inf else None

"""Where a resized image takes its rows and columns from, as ONNX defines it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["table"]

_LARGEST = 65_536


def table(size: int, wanted: int, scale: float, attributes: dict[str, Any]) -> np.ndarray:
    """First and second index and the second's share `(3, wanted)` along one axis.

    Args:
        size: rows or columns of the image.
        wanted: those of the resized image.
        scale: factor between them, as given.
        attributes: those of ONNX's `Resize`.

    Raises:
        ValueError: if the size is absurd, the mode is not `nearest` or `linear`, or the
            coordinates are unknown.
    """
    if not 0 < wanted <= _LARGEST:
        raise ValueError(f"{wanted} rows or columns; expected 1 to {_LARGEST:,}")

    def text(name: str, default: str) -> str:
        value = attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    mode = text("mode", "nearest")
    places = text("coordinate_transformation_mode", "half_pixel")
    i = np.arange(wanted, dtype=np.float64)
    if places == "half_pixel":
        x = (i + 0.5) / scale - 0.5
    elif places == "pytorch_half_pixel":
        x = (i + 0.5) / scale - 0.5 if wanted > 1 else np.zeros(1)
    elif places == "asymmetric":
        x = i / scale
    elif places == "align_corners":
        x = i * (size - 1) / (wanted - 1) if wanted > 1 else np.zeros(1)
    else:
        raise ValueError(f"coordinates by {places}")
    if attributes.get("antialias") and scale < 1:
        raise ValueError("smaller images with antialias")
    if mode == "nearest":
        roundings: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "round_prefer_floor": lambda v: np.ceil(v - 0.5),
            "round_prefer_ceil": lambda v: np.floor(v + 0.5),
            "floor": np.floor,
            "ceil": np.ceil,
        }
        first = roundings[text("nearest_mode", "round_prefer_floor")](np.round(x, 6)).clip(
            0, size - 1
        )
        return np.stack([first, first, np.zeros(wanted)])
    if mode not in ("linear", "bilinear"):
        raise ValueError(f"mode {mode}")
    x = x.clip(0, size - 1)
    first = np.minimum(np.floor(x), size - 1)
    return np.stack([first, np.minimum(first + 1, size - 1), x - first])

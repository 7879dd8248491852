"""Arrays as text, for messages to the browser and for links."""

from __future__ import annotations

import base64

import numpy as np

__all__ = ["packed"]


def packed(values: np.ndarray) -> str:
    """The entries of an array in C order as little-endian float32, in base64."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()

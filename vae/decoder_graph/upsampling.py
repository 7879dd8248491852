"""Nearest-neighbour upsampling and a convolution as one transposed convolution."""

from __future__ import annotations

import numpy as np

__all__ = ["UPSAMPLED", "transposed_kernel"]

# Along one axis, a kernel (a, b, c) meets each pixel of the small image twice: the transposed
# convolution with kernel (c, b + c, a + b, a), a stride of 2 and a padding of 1 does the same.
UPSAMPLED = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))


def transposed_kernel(weight: np.ndarray) -> np.ndarray:
    """The kernel `(inputs, outputs, 4, 4)` that follows from one of `(outputs, inputs, 3, 3)`."""
    sums = np.array(UPSAMPLED, np.float64)
    return np.einsum("ak,bl,oikl->ioab", sums, sums, weight.astype(np.float64))

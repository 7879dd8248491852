"""Random distortions of training images, which a model that has few of them fits less closely."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["DISTORTIONS", "augment"]

DISTORTIONS = 6  # rotation, two scales, shear, and two shifts

# The largest distortions, at amount 1.
_ROTATION = 0.2  # radians, 11.5 degrees
_SCALE = 0.12  # of the logarithm of each side
_SHEAR = 0.2
_SHIFT = 0.035  # of a side: a pixel of 28


def augment(x: Tensor, amount: float, random: Tensor) -> Tensor:
    """Rotates, scales, shears and shifts each image by amounts of its own.

    What comes in from beyond the border has the colour of the border; pixels are interpolated.

    Args:
        x: images `(B, C, H, W)` in [0, 1].
        amount: largest distortion, 0 (none) to 1 (11.5 degrees, 12 % of the size, a shear of 0.2
            and 3.5 % of a side).
        random: `(B, DISTORTIONS)` in [0, 1), which decides on each distortion.

    Returns:
        Images `(B, C, H, W)` in [0, 1].

    References:
        Best practices for convolutional neural networks applied to visual document analysis.
        Simard, Steinkraus and Platt, 2003.
    """
    rotation, width, height, shear, right, down = (amount * (2 * random - 1)).unbind(1)
    cosine, sine = (_ROTATION * rotation).cos(), (_ROTATION * rotation).sin()
    width, height = (_SCALE * width).exp(), (_SCALE * height).exp()
    aspect = x.shape[2] / x.shape[3]  # coordinates run from −1 to 1 along either side
    across = aspect * (_SHEAR * shear - sine * height)
    rows = (
        torch.stack((cosine * width, across, 2 * _SHIFT * right), 1),
        torch.stack((sine * width / aspect, cosine * height, 2 * _SHIFT * down), 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    distorted = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return distorted.clamp(0, 1).contiguous(memory_format=torch.channels_last)

"""Drawing by hand: a canvas, and its strokes made into an image as a model knows them."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pages.ui.shared.latent_space import LatentSpace

__all__ = ["as_digit", "can_draw", "draw_digit"]

_SIDE = 252  # of the canvas, in CSS pixels
_STROKE = 20
_INK = 0.1  # what is lighter counts as drawn


def can_draw(space: LatentSpace) -> bool:
    """Whether a model knows white strokes on black, and so a drawing makes sense."""
    return space.dataset.name == "digits"


def draw_digit(shape: tuple[int, int, int], *, key: str) -> Tensor | None:
    """Lets the visitor draw a digit, or anything else of white strokes on black.

    Args:
        shape: (1, H, W) of the image.
        key: key of the canvas.

    Returns:
        `(1, H, W)` in [0, 1], scaled and centred; None while nothing is drawn.
    """
    from streamlit_drawable_canvas import st_canvas  # can only be imported by a running app

    drawn = st_canvas(
        stroke_width=_STROKE,
        stroke_color="#ffffff",
        background_color="#000000",
        height=_SIDE,
        width=_SIDE,
        return_image_data=True,
        key=key,
    )
    try:
        content = drawn.image_bytes
        if content is None:
            return None
        picture = Image.open(io.BytesIO(content), formats=["PNG"])
        if max(picture.size) > 4 * _SIDE:  # a screen may have several pixels for one
            return None
        grey = np.asarray(picture.convert("L"), dtype=np.float32) / 255
    except (ValueError, OSError, SyntaxError):  # no picture at all: not sent by the canvas
        return None
    return as_digit(grey, shape)


def as_digit(grey: np.ndarray, shape: tuple[int, int, int]) -> Tensor | None:
    """Places strokes as MNIST's digits are: the longest side 20 of 28 pixels, the mass centred.

    Args:
        grey: `(H, W)` in [0, 1], light strokes on a dark ground.
        shape: (1, H, W) of the model's images.

    Returns:
        An image of that shape in [0, 1]; None without any stroke.

    References:
        Gradient-based learning applied to document recognition (LeCun et al., 1998).
    """
    rows, columns = np.nonzero(grey > _INK)
    if not len(rows):
        return None
    _, height, width = shape
    ink = grey[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = 20 / 28 * min(height, width) / max(ink.shape)
    size = [max(1, round(side * scale)) for side in ink.shape]
    small = Image.fromarray(np.round(255 * ink).astype(np.uint8))
    small = np.asarray(small.resize((size[1], size[0]), Image.Resampling.BOX), dtype=np.float32)
    small = small / max(small.max(), 1)
    out = np.zeros((height, width), dtype=np.float32)
    corner = []
    for axis, (side, whole) in enumerate(zip(size, (height, width), strict=True)):
        middle = (small.sum(1 - axis) * (np.arange(side) + 0.5)).sum() / small.sum()
        corner.append(int(np.clip(round(whole / 2 - middle), 0, whole - side)))
    out[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = small
    return torch.from_numpy(out)[None]

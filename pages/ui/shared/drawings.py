"""Drawings of the room as images, and as pins on a map."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pages.ui.shared import permissions, room, visitor
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import upload_pin

__all__ = ["DRAWN", "fits", "pin_new", "pixels"]

DRAWN = (1, 28, 28)
"""Shape of a drawing."""


def fits(space: LatentSpace) -> bool:
    """Whether a model can encode drawings."""
    return space.shape == DRAWN and space.model.config.encodes


def pixels(drawings: list[bytes]) -> Tensor:
    """Drawings `(n, 1, 28, 28)` in [0, 1]."""
    read = [np.asarray(Image.open(io.BytesIO(d), formats=["PNG"])) for d in drawings]
    return torch.from_numpy(np.stack(read)).float()[:, None] / 255


@permissions.presenter_only
def pin_new(space: LatentSpace) -> int:
    """Pins what has come since the presenter last looked; the oldest pins go first.

    Args:
        space: model on whose map they are shown.

    Returns:
        The number of drawings that were pinned.
    """
    state = visitor.current()
    came, latest = room.ROOM.gathered_since(state.drawings_seen or 0)
    latest = latest[-visitor.MOST_PINS :]
    if latest:
        for number, x in enumerate(pixels(latest), came - len(latest) + 1):
            visitor.add_pin(upload_pin(space, x, f"drawing {number} of the room"))
    state.drawings_seen = came
    return len(latest)

"""A pin: one place of a latent space that a visitor keeps, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from pages.ui.shared.latent_space import LatentSpace

__all__ = ["KIND_BADGES", "Pin", "original", "real_pin", "refound", "upload_pin"]


@dataclass(frozen=True, eq=False)
class Pin:
    """A place that a visitor keeps.

    Args:
        model: the checkpoint's name.
        kind: "real" (an image of the dataset), "upload", "sample" or "generated".
        z: code `(D,)`; the posterior mean of real and uploaded images.
        title: what to call it, such as "Real #17 · seven".
        row: its row among the reference images; -1 for everything but "real".
        variance: posterior variances `(D,)` of a real or uploaded image, else None.
        image: `(C, H, W)` in [0, 1], of an upload, else None.
        approximate: decoded as a mean of nearby codes, as between the points of a t-SNE map.
        automatic: pinned by a page; it gives way to the first pin that the visitor makes.
        number: tells a visitor's pins apart.
    """

    model: str
    kind: str
    z: np.ndarray
    title: str
    row: int = -1
    variance: np.ndarray | None = None
    image: Tensor | None = None
    approximate: bool = False
    automatic: bool = False
    number: int = 0


KIND_BADGES = {  # what it is, colour, icon
    "real": ("Real image", "green", ":material/photo_camera:"),
    "upload": ("Your picture", "orange", ":material/upload:"),
    "sample": ("Generated", "blue", ":material/casino:"),
    "generated": ("Generated", "blue", ":material/auto_awesome:"),
}


def refound(space: LatentSpace, pin: Pin) -> Pin | None:
    """A pin as its model is now: a real image may lie in another row, or be gone (None)."""
    if pin.row < 0 or (pin.row < len(space) and np.array_equal(space.mean[pin.row], pin.z)):
        return pin
    same_size = pin.z.shape == space.mean.shape[1:]
    rows = np.flatnonzero((space.mean == pin.z).all(1)) if same_size else ()
    return replace(pin, row=int(rows[0])) if len(rows) else None


def original(space: LatentSpace, pin: Pin) -> Tensor | None:
    """The image `(C, H, W)` behind a pin, None for one that was generated."""
    return space.image(pin.row) if pin.row >= 0 else pin.image


def real_pin(space: LatentSpace, row: int) -> Pin:
    """A reference image as a pin."""
    variance = space.variance[row] if space.variational else None
    return Pin(space.name, "real", space.mean[row], space.title(row), row=row, variance=variance)


def upload_pin(space: LatentSpace, x: Tensor, title: str) -> Pin:
    """A picture `(C, H, W)` that is none of the reference images as a pin, encoded."""
    posterior = space.model.encoder(x[None])
    variance = posterior.variance[0].numpy() if space.variational else None
    z = posterior.mean[0].numpy()
    return Pin(space.name, "upload", z, title, variance=variance, image=x)

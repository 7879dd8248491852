"""An edit: a start, the concepts that act on it, and the same person drawn as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pages.ui.shared.concepts import Made
from pages.ui.shared.labels import excluded
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from vae.codes import decode

__all__ = ["Edit", "truth"]


@dataclass(frozen=True, eq=False)
class Edit:
    """A start, the concepts that act on it, and their strengths.

    Args:
        space: the model.
        pin: the start.
        active: K concepts.
        strengths: `(K,)`.
    """

    space: LatentSpace
    pin: Pin
    active: Sequence[Made]
    strengths: np.ndarray

    @property
    def step(self) -> np.ndarray:
        """What is added to the code, `(D,)`."""
        vectors = np.stack([m.concept.vector for m in self.active])
        return (self.strengths @ vectors).astype(np.float32)

    @property
    def edited(self) -> np.ndarray:
        """The code after it, `(D,)`."""
        return self.pin.z + self.step

    @property
    def wishes(self) -> dict[str, bool]:
        """What the edit should bring about: attributes that should be seen, or be gone."""
        pairs = zip(self.active, self.strengths, strict=True)
        return {m.target: bool(s > 0) for m, s in pairs if m.target and abs(s) >= 0.25}

    @property
    def aside(self) -> set[str]:
        """Names that may change: those wished for, and those that exclude them."""
        return set(self.wishes).union(*(excluded(self.space, name) for name in self.wishes))


@torch.no_grad()
def truth(edit: Edit) -> tuple[Tensor, Tensor] | None:
    """The same person drawn with the wishes fulfilled, and what the model makes of that picture.

    Returns:
        Both `(C, H, W)`; None for anybody but the drawn faces, or where no such person exists.
    """
    space, pin = edit.space, edit.pin
    if space.dataset.name != "faces" or pin.row < 0 or not edit.wishes:
        return None
    from vae.datasets.faces import counterfactual, draw, person

    try:
        twin = counterfactual(
            person(space.dataset.split, int(space.index[pin.row])), **edit.wishes
        )
    except ValueError:
        return None
    drawn = torch.from_numpy(draw(twin).copy()).permute(2, 0, 1).float().div(255)
    return drawn, decode(space.model, space.model.encoder(drawn[None]).mean)[0]

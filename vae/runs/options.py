"""Options of the process of a run that do not affect the trained weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .control import Control

__all__ = ["RunOptions"]


@dataclass(frozen=True)
class RunOptions:
    """Options that may differ between processes that train the same run to the same weights.

    Args:
        save_every: seconds between checkpoints.
        heldout: largest number of held-out images that are evaluated after each epoch.
        tsne: whether to fit a t-SNE map at the end.
        follow_links: whether to follow links in a folder of pictures, because the owner of the
            folder named it on the command line.
        control: function that returns the control at a step; by default it reads `control.json`.
    """

    save_every: float = 5.0
    heldout: int = 2_000
    tsne: bool = True
    follow_links: bool = False
    control: Callable[[int], Control] | None = None

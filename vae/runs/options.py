"""How a run's process goes about its work; what it computes is in the run's `RunConfig`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .folder import Control

__all__ = ["RunOptions"]


@dataclass(frozen=True)
class RunOptions:
    """What may differ between two processes that train the same run to the same weights.

    Args:
        save_every: seconds between checkpoints.
        heldout: held-out images measured after each epoch, at most.
        tsne: whether a t-SNE map is fitted at the end.
        control: what is wanted of the run at each step; by default what `control.json` says.
    """

    save_every: float = 5.0
    heldout: int = 2_000
    tsne: bool = True
    control: Callable[[int], Control] | None = None

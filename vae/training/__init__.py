"""Training: configuration, batches, processes and the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config import TrainingConfig

if TYPE_CHECKING:
    from .loop import train

__all__ = ["TrainingConfig", "train"]


def __getattr__(name: str) -> Any:
    """Imports the loop, and torch with it, on first use."""
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .loop import train

    return train

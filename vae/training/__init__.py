"""Training: configuration, batches, processes and the loop."""

from .loop import TrainingConfig, train

__all__ = ["TrainingConfig", "train"]

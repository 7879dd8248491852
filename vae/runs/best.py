"""The best epoch of a run by its held-out objective, and when training stops because of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from ..model import VAE
from ..tensors import CheckpointError, read_tensors, write_tensors
from ..training.config import TrainingConfig
from ..training.loop import Progress

__all__ = ["BEST", "BestEpoch", "objective_of"]

BEST = "best.safetensors"


def objective_of(row: dict[str, Any]) -> float | None:
    """The held-out objective of a row of metrics: reconstruction − beta · KL, in nats per image.

    Of an autoencoder, which has no KL, the negative squared error.

    Args:
        row: row of `metrics.jsonl`.

    Returns:
        The objective; None in a row without held-out metrics.
    """
    if row.get("heldout_reconstruction") is not None:
        return row["heldout_reconstruction"] - row.get("beta", 1.0) * row["heldout_kl"]
    error = row.get("heldout_squared_error")
    return None if error is None else -error


class BestEpoch:
    """Keeps the weights of the best epoch in the folder of a run.

    Epochs in which beta still rises do not count: their objective is another one.

    Args:
        folder: folder of the run.
        training: configuration with the patience.
        epoch: number of epochs completed, more than 0 where the run is resumed.
    """

    def __init__(self, folder: Path, training: TrainingConfig, epoch: int) -> None:
        self._file, self._training, self._now = folder / BEST, training, epoch
        self.epoch, self.value, self.metrics = 0, -math.inf, {}
        if not epoch:
            self._file.unlink(missing_ok=True)
            return
        try:
            kept = read_tensors(self._file)[1]
        except CheckpointError:  # none yet
            return
        if kept["epoch"] <= epoch:
            self.epoch, self.value = kept["epoch"], kept["value"]
            self.metrics = kept["metrics"]

    def consider(self, model: VAE, progress: Progress, metrics: dict[str, Any]) -> None:
        """Keeps the weights at the end of an epoch if it is the best so far.

        Args:
            model: model at the end of the epoch.
            progress: report on it.
            metrics: row of metrics with its held-out ones.
        """
        self._now = round(progress.epoch)
        value = objective_of(metrics)
        if value is None or self._now < self._training.beta_warmup or value <= self.value:
            return
        self.epoch, self.value = self._now, value
        self.metrics = {k: v for k, v in metrics.items() if k.startswith("heldout")}
        self.metrics["active_units"] = metrics.get("active_units")
        weights = {k: v.detach().float().cpu().contiguous() for k, v in model.state_dict().items()}
        about = {"epoch": self.epoch, "value": value, "metrics": self.metrics}
        write_tensors(self._file, weights, about)

    @property
    def stalled(self) -> bool:
        """Whether the patience is at its end."""
        return self.epoch > 0 and self._now - self.epoch >= self._training.patience

    def restore(self, model: VAE) -> str:
        """Loads the best weights into a model.

        Returns:
            A message with the epoch; empty if the last epoch is the best.
        """
        if self.epoch in (0, self._now):
            return ""
        arrays = read_tensors(self._file)[0]
        model.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
        stopped = f"Training stopped after epoch {self._now}" if self.stalled else "The run ended"
        return (
            f"{stopped}; on held-out images epoch {self.epoch} was the best, whose weights are "
            "kept."
        )

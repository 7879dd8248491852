"""A run of a second, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.numpy

from vae.runs.folder import RunConfig
from vae.training.config import TrainingConfig

MODEL = {"latent_dim": 2, "channels": [], "hidden": [8]}
CONFIG = RunConfig("digits", MODEL, TrainingConfig(epochs=2, batch_size=500), threads=1)


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(folder / "state.safetensors")


def same_weights(a: Path, b: Path) -> bool:
    return (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()

"""A run of a second, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.numpy

from vae.runs import process
from vae.runs.config import RunConfig
from vae.runs.control import Control
from vae.runs.options import RunOptions
from vae.runs.status import Status
from vae.training.config import TrainingConfig

MODEL = {"latent_dim": 2, "channels": [], "hidden": [8]}
CONFIG = RunConfig(
    "digits", MODEL, TrainingConfig(epochs=2, batch_size=1125), threads=1, fit_codes=False
)
QUICK = RunOptions(tsne=False)  # which takes longer than all the rest


def train(
    folder: Path,
    config: RunConfig | None = None,
    *,
    control: Callable[[int], Control] | None = None,
    **how,
) -> Status:
    """Runs in this process, without a t-SNE map."""
    options = replace(QUICK, control=control)
    return process.run(folder, config, device="cpu", options=options, **how)


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(folder / "state.safetensors")


def same_weights(a: Path, b: Path) -> bool:
    return (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()

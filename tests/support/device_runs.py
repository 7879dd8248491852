"""Small runs on a device, of every kind of network."""

from __future__ import annotations

import numpy as np

from vae.runs import process
from vae.runs.config import RunConfig
from vae.runs.metrics import read_metrics
from vae.runs.options import RunOptions
from vae.runs.snapshots import read_snapshot
from vae.training.config import TrainingConfig

MODELS = {
    "dense": {"likelihood": "bernoulli", "channels": [], "hidden": [8]},
    "convolutions": {"likelihood": "continuous_bernoulli", "channels": [4], "hidden": [8]},
    "gaussian": {"likelihood": "gaussian", "channels": [], "hidden": [8]},
    "autoencoder": {"likelihood": "gaussian_fixed", "channels": [4], "variational": False},
}


def config(model: dict) -> RunConfig:
    training = TrainingConfig(
        epochs=2,
        batch_size=2250,
        learning_rate=5e-3,
        free_bits=0.1,
        sigma_warmup_epochs=1.0,
        variance_weighting=0.5,
        precision="float32",
    )
    return RunConfig("digits", model | {"latent_dim": 3}, training, threads=1, fit_codes=False)


OPTIONS = RunOptions(heldout=250, tsne=False)


def run(folder, device, asked, **how):
    """Runs as a process on the device would."""
    status = process.run(folder, asked, device=device, options=OPTIONS, **how)
    assert status.state == "finished", (status.message, (folder / "log.txt").exists())
    return read_metrics(folder)[0]


def check(folder, rows):
    assert [row["step"] for row in rows] == list(range(1, 9))
    quality = "reconstruction"
    assert all(np.isfinite(row[quality]) for row in rows)
    assert rows[-1][quality] > rows[0][quality]
    assert rows[-1]["heldout_squared_error"] < rows[3]["heldout_squared_error"]
    assert read_snapshot(folder, 2)["codes"].shape == (1000, 3)

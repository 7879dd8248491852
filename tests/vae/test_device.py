"""Training on a device that is not the CPU: simulated always, real where there is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vae.runs import process, worker
from vae.runs.folder import RunConfig, read_metrics
from vae.runs.snapshots import read_snapshot
from vae.training.config import TrainingConfig
from vae.training.distributed import Group, join

MODELS = {
    "dense": {"likelihood": "bernoulli", "channels": [], "hidden": [8]},
    "convolutions": {"likelihood": "continuous_bernoulli", "channels": [4], "hidden": [8]},
    "gaussian": {"likelihood": "gaussian", "channels": [4], "hidden": [8]},
    "autoencoder": {"likelihood": "gaussian_fixed", "channels": [4], "variational": False},
}


def config(model: dict) -> RunConfig:
    steps = TrainingConfig(epochs=2, batch_size=1000, free_bits=0.1, shared_sigma=1.0, detail=0.5)
    return RunConfig("digits", model | {"latent_dim": 3}, steps, threads=1)


def run(folder, device, monkeypatch, asked, **options):
    """Runs as a process on the device would."""
    monkeypatch.setattr(worker, "join", lambda name: Group(device=device))
    status = process.run(folder, asked, **options)
    assert status.state == "finished", (status.message, (folder / "log.txt").exists())
    return read_metrics(folder)[0]


def test_all_is_well_on_a_simulated_device():
    """In a process of its own: torch keeps the simulation for as long as it lives."""
    checks = Path(__file__).with_name("on_simulated_device.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(checks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "7 passed" in done.stdout


@pytest.mark.skipif(not torch.cuda.is_available(), reason="Needs a CUDA device: none is here.")
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_trains_on_cuda(tmp_path, monkeypatch, model):
    monkeypatch.setattr(worker, "write_reference", lambda *known: None)
    check(tmp_path, run(tmp_path, torch.device("cuda", 0), monkeypatch, config(model)))


def check(folder, rows):
    assert [row["step"] for row in rows] == list(range(1, 9))
    quality = "reconstruction"
    assert all(np.isfinite(row[quality]) for row in rows)
    assert rows[-1][quality] > rows[0][quality]
    assert rows[-1]["heldout_squared_error"] < rows[3]["heldout_squared_error"]
    assert read_snapshot(folder, 2)["codes"].shape == (1000, 3)


@pytest.mark.parametrize("size", [1, 2])
def test_a_process_takes_its_own_gpu_and_joins_the_others_by_nccl(monkeypatch, size):
    """What torch is asked for, since there may be no GPU here to do it."""
    calls = []
    monkeypatch.setenv("WORLD_SIZE", str(size))
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: calls.append(device))
    monkeypatch.setattr(
        torch.distributed,
        "init_process_group",
        lambda backend, device_id: calls.append((backend, device_id)),
    )
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    group = join("auto")
    own = torch.device("cuda", 1)
    assert group == Group(rank=size - 1, size=size, device=own)
    assert calls == [own, ("nccl", own)][:size]

"""Training and encoding on a device that is not the CPU: simulated always, real where there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
import torch
from simulated_device import DEVICE, simulated_device

import vae.__main__
from vae import preparation, trainer, training
from vae.__main__ import main
from vae.distributed import Group, join
from vae.run_folder import RunConfig, read_metrics, read_snapshot
from vae.training import TrainingConfig

MODELS = {
    "dense": {"likelihood": "bernoulli", "channels": [], "hidden": [8]},
    "convolutions": {"likelihood": "continuous_bernoulli", "channels": [4], "hidden": [8]},
    "gaussian": {"likelihood": "gaussian", "channels": [4], "hidden": [8]},
    "autoencoder": {"likelihood": "gaussian_fixed", "channels": [4], "variational": False},
}


def config(model: dict) -> RunConfig:
    steps = TrainingConfig(epochs=2, batch_size=1000, free_bits=0.1, shared_sigma=1.0, detail=0.5)
    return RunConfig("digits", model | {"latent_dim": 3}, steps, threads=1)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(trainer, "write_reference", lambda *known: None)
    monkeypatch.setattr(trainer, "_HELDOUT", 250)
    monkeypatch.setattr(training, "multiplies_bfloat16", lambda device: False)


def run(folder, device, monkeypatch, asked, **options):
    """Runs as a process on the device would."""
    monkeypatch.setattr(trainer, "join", lambda name: Group(device=device))
    status = trainer.run(folder, asked, **options)
    assert status.state == "finished", (status.message, (folder / "log.txt").exists())
    return read_metrics(folder)[0]


def test_the_simulation_has_a_gpus_rules():
    with simulated_device():
        there = torch.ones(3, device=DEVICE)
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="another device"):
            torch.randn(3, device=DEVICE, generator=torch.Generator())
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert (there + 1).cpu().tolist() == [2, 2, 2]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_trains_on_a_simulated_device(tmp_path, quick, monkeypatch, model):
    with simulated_device():
        rows = run(tmp_path, DEVICE, monkeypatch, config(model))
    check(tmp_path, rows)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="Needs a CUDA device: none is here.")
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_trains_on_cuda(tmp_path, monkeypatch, model):
    monkeypatch.setattr(trainer, "write_reference", lambda *known: None)
    check(tmp_path, run(tmp_path, torch.device("cuda", 0), monkeypatch, config(model)))


def check(folder, rows):
    assert [row["step"] for row in rows] == list(range(1, 9))
    quality = "reconstruction"
    assert all(np.isfinite(row[quality]) for row in rows)
    assert rows[-1][quality] > rows[0][quality]
    assert rows[-1]["heldout_squared_error"] < rows[3]["heldout_squared_error"]
    assert read_snapshot(folder, 2)["codes"].shape == (1000, 3)


def test_a_resumed_run_ends_the_same_on_a_device(tmp_path, quick, monkeypatch):
    asked = config(MODELS["gaussian"])
    with simulated_device():
        run(tmp_path / "whole", DEVICE, monkeypatch, asked)
        half = tmp_path / "half"
        stop = trainer._Trainer._control
        monkeypatch.setattr(
            trainer._Trainer,
            "_control",
            lambda self: replace(stop(self), action="stop" if self.state.step == 5 else "run"),
        )
        monkeypatch.setattr(trainer, "join", lambda name: Group(device=DEVICE))
        assert trainer.run(half, asked).state == "stopped"
        monkeypatch.setattr(trainer._Trainer, "_control", stop)
        run(half, DEVICE, monkeypatch, None, resume=True)
    files = [folder / "model.safetensors" for folder in (tmp_path / "whole", half)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_encodes_and_estimates_on_a_simulated_device(tmp_path, quick, monkeypatch):
    asked = config(MODELS["gaussian"])
    run(tmp_path / "run", torch.device("cpu"), monkeypatch, asked)
    command = ["encode", str(tmp_path / "run"), "--dataset", "digits", "--out"]
    assert main([*command, str(tmp_path / "here"), "--device", "cpu"]) == 0
    for module in (vae.__main__, preparation):
        monkeypatch.setattr(module, "join", lambda name: Group(device=DEVICE))
    with simulated_device():
        assert main([*command, str(tmp_path / "there")]) == 0
        assert preparation.estimate(asked)["images_per_second"] > 0
    here, there = (safetensors.numpy.load_file(tmp_path / name) for name in ("here", "there"))
    np.testing.assert_allclose(here["mean"], there["mean"], atol=1e-5)
    np.testing.assert_allclose(here["kl"], there["kl"], rtol=1e-4)
    assert here["elbo"].shape == there["elbo"].shape  # other noise


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

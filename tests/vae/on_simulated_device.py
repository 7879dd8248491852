"""What training, encoding and estimating do on a simulated device; run by `test_device.py`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
import torch
from device_runs import MODELS, check, config, run
from simulated_device import DEVICE, simulated_device

from vae.__main__ import main
from vae.runs import process, setup, worker
from vae.training import distributed
from vae.training.distributed import Group


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(worker, "write_reference", lambda *known: None)
    monkeypatch.setattr(worker, "_HELDOUT", 250)


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


def test_a_resumed_run_ends_the_same_on_a_device(tmp_path, quick, monkeypatch):
    asked = config(MODELS["gaussian"])
    with simulated_device():
        run(tmp_path / "whole", DEVICE, monkeypatch, asked)
        half = tmp_path / "half"
        stop = worker._Trainer._control
        monkeypatch.setattr(
            worker._Trainer,
            "_control",
            lambda self: replace(stop(self), action="stop" if self.state.step == 5 else "run"),
        )
        monkeypatch.setattr(worker, "join", lambda name: Group(device=DEVICE))
        assert process.run(half, asked).state == "stopped"
        monkeypatch.setattr(worker._Trainer, "_control", stop)
        run(half, DEVICE, monkeypatch, None, resume=True)
    files = [folder / "model.safetensors" for folder in (tmp_path / "whole", half)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_encodes_and_estimates_on_a_simulated_device(tmp_path, quick, monkeypatch):
    asked = config(MODELS["gaussian"])
    run(tmp_path / "run", torch.device("cpu"), monkeypatch, asked)
    command = ["encode", str(tmp_path / "run"), "--dataset", "digits", "--out"]
    assert main([*command, str(tmp_path / "here"), "--device", "cpu"]) == 0
    for module in (distributed, setup):
        monkeypatch.setattr(module, "join", lambda name: Group(device=DEVICE))
    with simulated_device():
        assert main([*command, str(tmp_path / "there")]) == 0
        assert setup.estimate(asked)["images_per_second"] > 0
    here, there = (safetensors.numpy.load_file(tmp_path / name) for name in ("here", "there"))
    np.testing.assert_allclose(here["mean"], there["mean"], atol=1e-5)
    np.testing.assert_allclose(here["kl"], there["kl"], rtol=1e-4)
    assert here["elbo"].shape == there["elbo"].shape  # other noise

"""What training, encoding and estimating do on a simulated device; run by `test_device.py`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
import torch
from device_runs import MODELS, OPTIONS, check, config, run
from simulated_device import DEVICE, simulated_device

from vae.__main__ import main
from vae.runs import process, setup
from vae.runs.control import Control
from vae.training import distributed
from vae.training.distributed import Group


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


@pytest.mark.parametrize("name", ["dense", "convolutions", "autoencoder"])  # gaussian: below
def test_trains_on_a_simulated_device(tmp_path, name):
    with simulated_device():
        rows = run(tmp_path, DEVICE, config(MODELS[name]))
    check(tmp_path, rows)


def test_a_resumed_run_ends_the_same_on_a_device(tmp_path):
    asked = config(MODELS["gaussian"])
    stop = replace(OPTIONS, control=lambda step: Control("stop" if step == 5 else "run"))
    with simulated_device():
        check(tmp_path / "whole", run(tmp_path / "whole", DEVICE, asked))
        half = tmp_path / "half"
        assert process.run(half, asked, device=DEVICE, options=stop).state == "stopped"
        run(half, DEVICE, None, resume=True)
    files = [folder / "model.safetensors" for folder in (tmp_path / "whole", half)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_encodes_and_estimates_on_a_simulated_device(tmp_path, monkeypatch):
    asked = config(MODELS["gaussian"])
    run(tmp_path / "run", "cpu", asked)
    command = ["encode", str(tmp_path / "run"), "--dataset", "digits", "--out"]
    assert main([*command, str(tmp_path / "here"), "--device", "cpu"]) == 0
    monkeypatch.setattr(distributed, "join", lambda name: Group(device=DEVICE))
    with simulated_device():
        assert main([*command, str(tmp_path / "there")]) == 0
        assert setup.estimate(asked, DEVICE)["images_per_second"] > 0
    here, there = (safetensors.numpy.load_file(tmp_path / name) for name in ("here", "there"))
    np.testing.assert_allclose(here["mean"], there["mean"], atol=1e-5)
    np.testing.assert_allclose(here["kl"], there["kl"], rtol=1e-4)
    assert here["elbo"].shape == there["elbo"].shape  # other noise

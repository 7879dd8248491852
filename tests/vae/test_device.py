"""Training on a device that is not the CPU: simulated always, real where there is one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import soak
import torch
from device_runs import MODELS, check, config, run

from vae.training.distributed import Group, join

FEW = "rules or convolutions or resumed or encodes"  # of the simulated checks; the rest is soak's


@soak.always("chosen", ["", FEW], [FEW])
def test_all_is_well_on_a_simulated_device(chosen):
    """In a process of its own: torch keeps the simulation for as long as it lives."""
    checks = Path(__file__).with_name("on_simulated_device.py")
    options = ["-q", "-p", "no:cacheprovider", "-k", chosen]
    command = [sys.executable, "-m", "pytest", *options, str(checks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= (4 if chosen else 6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="Needs a CUDA device: none is here.")
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_trains_on_cuda(tmp_path, model):
    check(tmp_path, run(tmp_path, torch.device("cuda", 0), config(model)))


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

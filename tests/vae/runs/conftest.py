"""A data folder of its own for every run."""

from __future__ import annotations

import pytest
import torch
from small_run import CONFIG, train

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def finished(tmp_path):
    folder = tmp_path / "data" / "runs" / "one"
    assert train(folder, CONFIG).state == "finished"
    return folder

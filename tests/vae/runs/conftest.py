"""A data folder of its own for every run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from small_run import CONFIG, train

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A run that ended, for copies of it."""
    folder = tmp_path_factory.mktemp("trained") / "one"
    assert train(folder, CONFIG).state == "finished"
    return folder


@pytest.fixture
def finished(data_folder, trained) -> Path:
    """A run of a test's own that ended."""
    return shutil.copytree(trained, data_folder / "runs" / "one")

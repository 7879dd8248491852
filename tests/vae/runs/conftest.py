"""A data folder of its own for every run."""

from __future__ import annotations

import os

import pytest
import torch
from small_run import CONFIG

from vae.codes import write_reference
from vae.runs import process, worker

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(os, "nice", lambda more: 0)  # a test must not slow the ones after it
    return tmp_path / "data"


@pytest.fixture
def quick(monkeypatch):
    """Leaves t-SNE out, which takes longer than all the rest."""

    def write(model, folder, dataset):
        return write_reference(model, folder, dataset, tsne=False, limit=100)

    monkeypatch.setattr(worker, "write_reference", write)


@pytest.fixture
def finished(tmp_path, quick):
    folder = tmp_path / "data" / "runs" / "one"
    assert process.run(folder, CONFIG, device="cpu").state == "finished"
    return folder

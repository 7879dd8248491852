"""What is kept is bounded where whoever runs the app says so, and the refusal says what to do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tiny
from small_run import CONFIG

from vae.checkpoint import CheckpointError
from vae.datasets import DatasetError
from vae.exchange import export_model, import_model
from vae.files import QuotaError, explain_refusal
from vae.imports import delete_dataset, import_images, list_datasets
from vae.quota import VARIABLE, check_quota, kept_bytes, quota
from vae.runs.config import RunError
from vae.runs.manager import list_runs, save_run, start_run

PIXELS = np.zeros((20, 100, 100), np.uint8)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv(VARIABLE, raising=False)
    tiny.make(tmp_path / "data" / "checkpoints", ("tiny-plane",))
    export_model("tiny-plane", tmp_path / "model.zip")
    return tmp_path


def test_what_would_exceed_it_is_refused_until_something_is_deleted(data, monkeypatch):
    import_images(PIXELS, "mine")
    before = kept_bytes()
    assert before > 20 * 64 * 64
    monkeypatch.setenv(VARIABLE, str((before + 50_000) / 1e9))
    check_quota(49_000)
    with pytest.raises(DatasetError, match="Delete some of them first"):
        import_images(PIXELS + 1, "other")
    assert kept_bytes() == before and [d.name for d in list_datasets()] == ["mine"]
    monkeypatch.setenv(VARIABLE, str(before / 1e9))
    with pytest.raises(CheckpointError, match="Delete some of them first"):
        import_model(data / "model.zip", "copy")
    with pytest.raises(RunError, match="Delete some of them first"):
        start_run(CONFIG, "one")
    with pytest.raises(RunError, match="Delete some of them first"):
        save_run(data / "data" / "checkpoints" / "tiny-plane", "saved")
    assert kept_bytes() == before and list_runs() == []
    delete_dataset("mine")
    assert import_images(PIXELS[:6], "small")
    import_model(data / "model.zip", "copy")


def test_nothing_is_bounded_where_nothing_is_set_and_nonsense_is_named(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert quota() == math.inf
    check_quota(1 << 60)
    for text in ("many", "-1", "nan"):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(QuotaError, match="expected gigabytes") as refusal:
            check_quota()
        assert "expected gigabytes" in explain_refusal(refusal.value)

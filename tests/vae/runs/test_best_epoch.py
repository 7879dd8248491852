"""Training that stops early, and keeps the best epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_run import CONFIG, same_weights, train

from vae import load_checkpoint
from vae.checkpoint import load_card
from vae.runs import best
from vae.runs.best import BEST, objective_of
from vae.runs.control import Control
from vae.runs.folder import read_note, write_note
from vae.runs.manager import delete_run
from vae.runs.metrics import read_metrics
from vae.tensors import read_tensors

VALUES = {1: 5.0, 2: 1.0, 3: 3.0, 4: 2.0, 5: 2.5, 6: 9.0}  # by epoch; the first are warm-up
TRAINING = replace(CONFIG.training, epochs=6, patience=2, beta_warmup=2.0)


@pytest.fixture
def falling(monkeypatch):
    """The held-out objective is best after the third epoch."""
    monkeypatch.setattr(best, "objective_of", lambda row: VALUES[round(row["epoch"])])


def test_training_stops_early_and_keeps_the_best_epoch(tmp_path, falling):
    config, folder = replace(CONFIG, training=TRAINING), tmp_path / "data" / "runs" / "stopped"
    status = train(folder, config)
    assert status.state == "finished"
    assert "epoch 3 was the best" in status.message and "after epoch 5" in status.message
    rows = [row for row in read_metrics(folder)[0] if "heldout_elbo" in row]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    card = load_card(folder)
    assert card["epoch"] == 3
    assert card["metrics"]["heldout_elbo"] == rows[2]["heldout_elbo"]
    kept, model = read_tensors(folder / BEST)[0], load_checkpoint(folder).state_dict()
    for name, value in model.items():
        assert np.allclose(value, kept[name], atol=2e-3)
    last = read_tensors(folder / "state.safetensors")[0]
    assert any(not np.allclose(last[f"model.{name}"], kept[name], atol=1e-4) for name in kept)

    resumed = tmp_path / "data" / "runs" / "resumed"
    middle = rows[3]["step"] - 2  # in the epoch after the best
    stop = train(resumed, config, control=lambda s: Control("stop" if s == middle else "run"))
    assert stop.state == "stopped"
    assert train(resumed, config, resume=True).message == status.message
    assert same_weights(folder, resumed)
    assert delete_run(folder) == []


def test_the_objective_of_a_row_follows_what_was_trained():
    row = {"heldout_reconstruction": -100.0, "heldout_kl": 5.0, "beta": 4.0}
    assert objective_of(row) == -120.0
    assert objective_of({"heldout_reconstruction": None, "heldout_squared_error": 0.25}) == -0.25
    assert objective_of({"reconstruction": -90.0}) is None


def test_a_note_is_kept_with_the_run(finished):
    assert read_note(finished) == ""
    write_note(finished, "  beta of 4, for the lecture ")
    assert read_note(finished) == "beta of 4, for the lecture"
    write_note(finished, " ")
    assert not (finished / "note.txt").exists()

"""What the code at 4eb0a36 made opens, and its run goes on.

`run` was stopped at its sixth step of 16, after beta had been moved at the third and the learning
rate at the fifth; `checkpoint` is what the same run left at its end, `last-metrics.json` its last
line of metrics; `vectors.safetensors` holds a vector of that checkpoint.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from vae import datasets, load_checkpoint, load_dataset
from vae.checkpoint import load_codes
from vae.codes import encode
from vae.concepts.files import read_vectors
from vae.datasets.base import Images
from vae.datasets.digits import load_digits
from vae.runs import process
from vae.runs.config import read_config
from vae.runs.control import control, read_changes
from vae.runs.metrics import read_metrics
from vae.runs.options import RunOptions
from vae.runs.snapshots import list_snapshots, read_snapshot
from vae.runs.status import read_status

OLD = Path(__file__).parents[1] / "data" / "4eb0a36"


@pytest.fixture
def run(tmp_path) -> Path:
    return Path(shutil.copytree(OLD / "run", tmp_path / "run"))


def test_a_run_is_shown(run):
    training = read_config(run).training
    assert (training.sigma_warmup_epochs, training.variance_weighting) == (1.0, 0.5)
    assert training.precision == "auto"
    assert read_status(run).state == "stopped" and read_status(run).step == 6
    assert [row["step"] for row in read_metrics(run)[0]] == [1, 2, 3, 4, 5, 6]
    assert [change["step"] for change in read_changes(run)] == [3, 5]
    assert list_snapshots(run) == [0, 1]
    assert read_snapshot(run)["originals"].shape == read_snapshot(run, 1)["samples"].shape


def test_a_run_goes_on_where_it_was(run, monkeypatch):
    def fewer(split, progress=None):  # as many digits as there were
        data = load_digits(split, progress)
        if split == "test":
            return data
        return replace(data, images=Images(data.images.uint8[:4000]), labels=data.labels[:4000])

    monkeypatch.setitem(datasets._LOADERS, "digits", fewer)
    before = read_metrics(run)[0]
    resume = {"resume": True, "device": "cpu", "options": RunOptions(tsne=False)}
    resume["config"] = replace(read_config(run), fit_codes=False)
    control(run, "stop")  # it stops again at once, and writes what it has read
    assert process.run(run, **resume).state == "stopped"
    old = safetensors.numpy.load_file(OLD / "run" / "state.safetensors")
    new = safetensors.numpy.load_file(run / "state.safetensors")
    assert len(new) == len(old)
    for name, tensor in old.items():
        renamed = name.replace("means.", "exp_avg.").replace("squares.", "exp_avg_sq.")
        np.testing.assert_array_equal(new[renamed], tensor)
    control(run, "run")
    assert process.run(run, **resume).state == "finished"
    rows = read_metrics(run)[0]
    assert rows[:6] == before and [row["step"] for row in rows[6:]] == list(range(7, 17))
    assert {row["beta"] for row in rows[3:]} == {3.0}
    whole = json.loads((OLD / "last-metrics.json").read_text())
    assert rows[-1]["learning_rate"] == pytest.approx(whole["learning_rate"])
    for name in ("elbo", "heldout_elbo"):  # of about a third of what it was: the noise differs
        assert rows[-1][name] == pytest.approx(whole[name], rel=0.05)


def test_a_run_says_that_there_are_more_digits_now(run):
    options = RunOptions(tsne=False)
    config = replace(read_config(run), fit_codes=False)
    status = process.run(run, resume=True, device="cpu", options=options, config=config)
    assert status.state == "finished" and status.steps == 36
    assert "changed while this run was stopped" in status.message


def test_a_checkpoint_and_its_codes(tmp_path):
    model, codes = load_checkpoint(OLD / "checkpoint"), load_codes(OLD / "checkpoint")
    images = load_dataset("digits").images[torch.from_numpy(codes["index"])]
    np.testing.assert_allclose(encode(model, images)["mean"], codes["mean"], atol=1e-5)


def test_concept_vectors():
    model = load_checkpoint(OLD / "checkpoint")
    (concept,) = read_vectors(OLD / "vectors.safetensors", model)
    assert concept.name == "ones" and concept.estimator == "difference of means"
    mean = load_codes(OLD / "checkpoint")["mean"]
    ones = load_dataset("digits").labels[: len(mean)].numpy() == 1
    np.testing.assert_allclose(concept.vector, mean[ones].mean(0) - mean[~ones].mean(0), atol=1e-5)
    assert concept.about == {"with": int(ones.sum())}

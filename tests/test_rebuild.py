"""What is shipped can be made again: one command each, which cards name and recipes describe."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest
import torch

from vae import load_checkpoint, load_dataset
from vae.__main__ import main
from vae.checkpoint import load_card, load_codes
from vae.classifier import load_classifier
from vae.config import VAEConfig
from vae.locations import SHIPPED
from vae.objective import elbo
from vae.runs.config import read_config
from vae.runs.presets import PRESETS
from vae.tensors import read_tensors

SMALLEST = "lab/digits-bernoulli"


@pytest.fixture(scope="module")
def train():
    """The module `checkpoints/train.py`."""
    found = importlib.util.spec_from_file_location("rebuild", SHIPPED / "train.py")
    module = importlib.util.module_from_spec(found)
    sys.modules["rebuild"] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    yield module
    del sys.modules["rebuild"]


def test_there_is_a_recipe_for_everything_shipped(train):
    models = {f.parent.relative_to(SHIPPED).as_posix() for f in SHIPPED.rglob("model.safetensors")}
    classifiers = {
        f"{file.stem}/{file.parent.name}"
        for kind in ("classifier", "judge")
        for file in SHIPPED.glob(f"*/{kind}.safetensors")
    }
    bands = {f"band/{preset.key}" for preset in PRESETS}
    assert set(train.BUILDERS) == models | classifiers | bands


def test_cards_name_the_command(train):
    for name in train.MODELS:
        card = load_card(SHIPPED / name)
        assert (card["command"], card["seed"]) == (train.command(name), 0)
    for kind in ("classifier", "judge"):
        for file in SHIPPED.glob(f"*/{kind}.safetensors"):
            about = read_tensors(file)[1]["built"]
            assert about["command"] == train.command(f"{kind}/{file.parent.name}")
    for file in (SHIPPED.parent / "vae" / "runs" / "bands").glob("*.json"):
        assert json.loads(file.read_bytes())["built"]["command"] == train.command(
            f"band/{file.stem}"
        )


def test_recipes_describe_what_is_shipped(train, tmp_path):
    for name, recipe in train.MODELS.items():
        epochs = 0
        for number, stage in enumerate(recipe.stages):
            file = tmp_path / f"{name.replace('/', '-')}-{number}.json"
            assert main(["train", *stage.split(), "--save-config", str(file)]) == 0
            config = read_config(file)
            epochs += config.training.epochs
        model, card = load_checkpoint(name), load_card(name)
        fields = config.model | {"image_shape": model.config.image_shape}
        assert VAEConfig.from_dict(fields) == model.config, name
        told = card["training"]
        assert epochs == told["epochs"] and config.dataset == card["dataset"]
        assert config.training.batch_size == told["batch_size"]
        assert config.training.learning_rate == told["learning_rate"]
        assert config.training.beta == told.get("beta", 1.0), name


@pytest.mark.soak
def test_the_smallest_model_is_rebuilt(train, tmp_path):
    """For two epochs of fifteen: the same files, and a model that is on its way to the shipped."""
    command = [SMALLEST, "--epochs", "2", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert train.main(command) == 0
    trained = (tmp_path / "runs" / SMALLEST / "0" / "metrics.jsonl").read_bytes()
    weights = (tmp_path / SMALLEST / "model.safetensors").read_bytes()
    assert train.main(command) == 0  # finds the run trained
    assert (tmp_path / "runs" / SMALLEST / "0" / "metrics.jsonl").read_bytes() == trained
    assert (tmp_path / SMALLEST / "model.safetensors").read_bytes() == weights
    made, shipped = load_checkpoint(tmp_path / SMALLEST), load_checkpoint(SMALLEST)
    assert made.config == shipped.config
    ours, theirs = load_codes(tmp_path / SMALLEST), load_codes(SMALLEST)
    np.testing.assert_array_equal(ours["index"], theirs["index"])
    assert {"mean", "variance", "kl", "elbo", "tsne"} <= ours.keys() & theirs.keys()
    x = load_dataset("digits").images[:500]
    torch.manual_seed(0)
    untrained = type(made)(made.config)
    figures = [elbo(m, x).elbo.mean().item() for m in (untrained, made, shipped)]
    assert figures == sorted(figures)
    assert figures[2] - figures[1] < (figures[2] - figures[0]) / 4
    card = load_card(tmp_path / SMALLEST)
    assert card["command"] == train.command(SMALLEST) and card["seed"] == 0
    assert card["seconds"] > 0 and card["versions"]["torch"] == torch.__version__.partition("+")[0]


@pytest.mark.soak
def test_the_smallest_model_is_rebuilt_whole(train, tmp_path):
    """Another version or processor rounds otherwise: then figures differ as two seeds' do."""
    assert train.main([SMALLEST, "--out", str(tmp_path)]) == 0
    made, shipped = (load_card(f)["metrics"] for f in (tmp_path / SMALLEST, SHIPPED / SMALLEST))
    assert made["heldout_elbo"] == pytest.approx(shipped["heldout_elbo"], abs=5)
    assert made["heldout_kl"] == pytest.approx(shipped["heldout_kl"], abs=1)
    assert made["active_units"] == shipped["active_units"]


def test_a_classifier_is_rebuilt(train, tmp_path):
    assert train.main(["classifier/digits", "--epochs", "2", "--out", str(tmp_path)]) == 0
    arrays, metadata = read_tensors(tmp_path / "digits" / "classifier.safetensors")
    shipped = load_classifier("digits")
    assert {k: v.shape for k, v in arrays.items()} == {
        k: tuple(v.shape) for k, v in shipped.state_dict().items()
    }
    assert metadata["classifier"]["names"] == list(shipped.names)
    assert metadata["built"]["versions"]["torch"]
    made = type(shipped)(shipped.image_shape, shipped.names, exclusive=True)
    made.load_state_dict({k: torch.from_numpy(v).float() for k, v in arrays.items()})
    x = load_dataset("digits").images[:500]
    agreement = (made.eval().predictions(x) & shipped.predictions(x)).any(1).float().mean()
    assert agreement > 0.8


def test_a_name_that_is_not_shipped_is_said(train, capsys):
    assert train.main(["digit"]) == 2
    assert "Nothing is called digit" in capsys.readouterr().out
    assert train.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(train.BUILDERS)

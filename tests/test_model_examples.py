"""The recipes of `examples/models/`, run with small sizes, and exported as the app needs them."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import pytest
import torch

from vae import load_checkpoint, load_dataset, wrap_model
from vae.imported_models.exporting import export_networks
from vae.imported_models.networks import OnnxNetwork

RECIPES = Path(__file__).resolve().parents[1] / "examples" / "models"
TRAINED = ("fully_connected", "convolutional", "residual", "disentangling")


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A function that loads a recipe by name; what it writes lies in a folder of its own."""
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    monkeypatch.syspath_prepend(str(RECIPES))

    def load(name: str):
        found = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        return module

    return load


def test_every_recipe_is_run_here():
    others = {"recipe", "pythae_folder", "keras_layout", "latent_diffusion"}
    assert {file.stem for file in RECIPES.glob("*.py")} == {*TRAINED, *others}


@pytest.mark.parametrize("name", TRAINED)
def test_a_network_is_trained_by_the_elbo_of_the_library(recipe, name):
    before, after = recipe(name).main(["--epochs", "1", "--images", "192"])
    assert math.isfinite(after) and after > before


@pytest.mark.parametrize("name", TRAINED)
def test_its_export_gives_the_same(recipe, name, tmp_path):
    torch.manual_seed(0)
    module, x = recipe(name), load_dataset("digits", "test").images[:9]
    model = wrap_model(*module.build(), images=x, **module.HOW)
    files = export_networks(model, tmp_path)  # raises if it does not
    again = wrap_model(*map(OnnxNetwork, files), images=x, **module.HOW)
    assert torch.allclose(again.encoder(x).mean, model.encoder(x).mean, atol=1e-4)
    z = torch.randn(9, model.latent_dim)
    assert torch.allclose(again.decoder(z).mean, model.decoder(z).mean, atol=1e-4)


def test_a_folder_of_pythae_is_read_without_running_its_code(recipe, tmp_path):
    module = recipe("pythae_folder")
    torch.manual_seed(0)
    encoder, decoder = module.Encoder(784, 32, 6), module.Decoder((1, 28, 28), 32, 6)
    weights = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    weights |= {f"decoder.{k}": v for k, v in decoder.state_dict().items()}
    torch.save({"model_state_dict": weights}, tmp_path / "model.pt")
    described = {"name": "VAEConfig", "input_dim": [1, 28, 28], "latent_dim": 6}
    (tmp_path / "model_config.json").write_text(json.dumps(described))
    read = wrap_model(*module.read(tmp_path), likelihood="bernoulli", image_shape=(1, 28, 28))
    z = torch.randn(3, 6)
    assert torch.equal(read.decoder(z).mean, decoder(z))

    torch.save({"model_state_dict": {"encoder.own": torch.ones(1)}}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="default ones"):
        module.read(tmp_path)

    class Harmful:
        def __reduce__(self):
            return (print, ("it runs",))

    torch.save({"model_state_dict": Harmful()}, tmp_path / "model.pt")
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        module.read(tmp_path)


def test_channels_last_and_a_draw_beside_the_mean_are_understood(recipe, capsys):
    recipe("keras_layout").main(["--images", "60"])
    model = load_checkpoint("keras")
    assert (model.config.input_layout, model.config.output_layout) == ("HWC", "HWC")
    assert model.config.encoder == "log_variance" and model.config.variational
    x = load_dataset("digits", "test").images[:4]
    assert torch.equal(model.encoder(x).mean, model.encoder(x).mean)
    assert "mean and log-variance" in capsys.readouterr().out


def test_the_autoencoder_of_latent_diffusion(recipe):
    module = recipe("latent_diffusion")
    if importlib.util.find_spec("diffusers") is None:
        with pytest.raises(SystemExit, match="pip install diffusers"):
            module.build()
        return
    before, after = module.main(["--epochs", "1", "--images", "64"])
    assert after > before

"""From modules in Python to the app: exported, checked, imported, opened."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest
import torch
from torch import nn

from vae import explore, load_checkpoint, load_dataset
from vae.imported_models import exploring
from vae.imported_models.exporting import export_networks
from vae.imported_models.onnx_file import ImportedModelError
from vae.imported_models.wrapping import wrap_model
from vae.imports import list_datasets


class Convolutional(nn.Module):
    """Spatial codes, batch normalisation, and a range from −1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.down = nn.Sequential(
            nn.Conv2d(1, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 4, 4, 2, 1)
        )
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(2, 8, 3, padding=1), nn.GroupNorm(2, 8),
            nn.SiLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        nn.init.constant_(self.down[-1].bias[2:], -2.0)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(x)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.up(z)


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))


@pytest.fixture
def served(monkeypatch):
    """Nothing is served, and no browser opened."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    opened = exploring.Exploration("", "http://127.0.0.1:1", process)
    monkeypatch.setattr(exploring, "_serve", lambda data: opened)
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # of another test
    yield shown
    process.stdin.close()
    process.wait()


def test_on_a_hub_the_notebook_s_server_leads_to_the_app(monkeypatch):
    seen, settings = exploring._seen_by_the_browser(8501)
    assert (seen, settings) == ("http://127.0.0.1:8501", {})
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    seen, settings = exploring._seen_by_the_browser(8501)
    token = settings["LATENT_TOKEN"]
    assert seen == f"/user/ada/proxy/8501/?token={token}" and len(token) >= 16
    assert settings["LATENT_HOSTS"] == "*"
    again = exploring._with_model(exploring._with_model(seen, "one"), "two")
    assert again == f"/user/ada/proxy/8501/?token={token}&model=two"


HOW = {"likelihood": "gaussian_fixed", "pixel_range": (-1, 1), "latent_shape": (2, 7, 7)}


def test_a_module_is_exported_imported_and_opened(served):
    own = Convolutional().eval()
    x = load_dataset("digits", "test").images[:80]
    labels = [k % 3 for k in range(80)]
    opened = explore(own, images=x, labels=labels, name="own", block=False, **HOW)
    assert served == [opened.address] and opened.address.endswith("/?model=own")
    assert "iframe" in opened._repr_html_() and opened.address in opened._repr_html_()
    model = load_checkpoint("own")
    assert model.config.latent_shape == (2, 7, 7) and model.config.encoder == "log_variance"
    z = torch.randn(5, 98)
    wanted = (own.decode(z.view(5, 2, 7, 7)) + 1) / 2
    assert torch.allclose(model.decoder(z).mean, wanted, atol=1e-5)
    assert torch.allclose(
        model.encoder(x).mean, own.encode(2 * x - 1)[:, :2].flatten(1), atol=1e-4
    )
    again = explore(own.up, name="own", block=False, **HOW)  # a decoder alone
    assert again.name == "own-2"


def test_images_of_a_model_that_cannot_be_explored_are_not_kept(served):
    x = load_dataset("digits", "test").images[:40]
    with pytest.raises(ImportedModelError):
        explore(nn.Linear(3, 5), nn.Linear(7, 3), x)
    assert list_datasets() == [] and not served


def test_an_export_that_gives_something_else_is_refused(tmp_path):
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.calls = nn.Linear(3, 784), 0

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return torch.sigmoid(self.layer(z)).view(-1, 1, 28, 28) / self.calls

    model = wrap_model(Counting())
    with pytest.raises(ImportedModelError, match="differ by"):
        export_networks(model, tmp_path)


@pytest.mark.soak
def test_the_app_shows_it(monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda address: None)
    opened = explore(Convolutional(), images="digits", name="own", block=False, **HOW)
    try:
        site = opened.address.partition("/?")[0]
        with urllib.request.urlopen(f"{site}/live/decoders/own", timeout=30) as reply:
            assert json.load(reply)["latent_dim"] == 98
    finally:
        opened.close()


def test_whoever_explores_a_room_comes_as_its_presenter(monkeypatch):
    monkeypatch.delenv("LATENT_MODE", raising=False)
    monkeypatch.setenv("LATENT_HOSTS", "vae.example")
    monkeypatch.delenv("LATENT_TOKEN", raising=False)
    address, settings = exploring._seen_by_the_browser(8501)
    assert address.endswith(f"?token={settings['LATENT_TOKEN']}") and settings["LATENT_TOKEN"]
    monkeypatch.delenv("LATENT_HOSTS")
    assert exploring._seen_by_the_browser(8501) == ("http://127.0.0.1:8501", {})

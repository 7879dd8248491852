"""Models in the library: renamed, and measured when somebody asks for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from vae import VAE, VAEConfig, list_checkpoints, save_checkpoint
from vae.checkpoint import load_card

PAGES = Path(__file__).resolve().parents[3] / "pages"
CONFIG = VAEConfig((1, 28, 28), latent_dim=2, channels=(), hidden=(4,))


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    torch.manual_seed(0)
    save_checkpoint(VAE(CONFIG), tmp_path / "checkpoints" / "mine", {"dataset": "digits"})
    return tmp_path


def visit() -> AppTest:
    at = AppTest.from_file(PAGES / "library.py", default_timeout=60)
    at.query_params["shelf"] = "models"
    return fine(at.run())


def fine(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def own() -> list[str]:
    return [c.name for c in list_checkpoints() if not c.shipped]


def test_a_model_is_renamed_but_not_to_a_name_that_is_taken():
    at = visit()
    assert "rename-digits" not in [b.key for b in at.button]  # a shipped one
    for taken in ("digits", "../x"):
        at.text_input(key="new-mine").set_value(taken)
        fine(at.button(key="do-rename-mine").click().run())
        assert at.error and own() == ["mine"]
    at.text_input(key="new-mine").set_value("other")
    fine(at.button(key="do-rename-mine").click().run())
    assert own() == ["other"]
    assert at.text_input(key="new-other").value == "other"


def test_a_model_is_measured_by_a_button(data, monkeypatch):
    seen = []

    def measured(folder, *, save, log, progress):
        log("Encoding.")
        progress(1, 2)
        seen.append((Path(folder).name, save))
        raise ValueError("There are no images.")

    monkeypatch.setattr("pages.ui.library.measuring.evaluate", measured)
    at = visit()
    fine(at.button(key="do-measure-mine").click().run())
    for thread in threading.enumerate():
        if thread.name.startswith("measure-"):
            thread.join(60)
    fine(at.run())
    assert seen == [("mine", True)]
    assert "There are no images" in at.error[0].value
    assert load_card(data / "checkpoints" / "mine").get("metrics") is None

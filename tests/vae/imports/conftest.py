"""What all tests of imports share."""

import pytest


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """A data folder of its own for each test."""
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"

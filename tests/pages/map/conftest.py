"""The map in a browser, for several test modules."""

from __future__ import annotations

import pytest
from map_page import WATCH


@pytest.fixture
def same_models(data, monkeypatch):
    """What a test opens itself is what the app under test has."""
    monkeypatch.setenv("LATENT_DATA", str(data))


@pytest.fixture
def visit(page, app, same_models):
    """A function that opens the map of a model and waits until it can be used."""

    def open_map(model: str = "tiny-plane", **query: str):
        pairs = "&".join(f"{k}={v}" for k, v in {"model": model, **query}.items())
        page.goto(f"{app}/?{pairs}")
        page.wait_for_selector(f'.latent-map[data-ready^="{model}|"]')
        page.wait_for_function(
            "() => document.querySelector('.latent-map').dataset.exact === 'true'"
        )
        page.evaluate(WATCH)
        return page

    return open_map

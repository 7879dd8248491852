"""The plane coloured by what the classifier sees, and lines to true neighbours, in a browser."""

from __future__ import annotations

import numpy as np
import pytest

from pages.ui.shared import cache
from vae.classifier import load_classifier
from vae.codes import decode
from vae.latent import neighbours, plane

FIELD = """() => {
    const map = latentMaps.get("map"), { field, about } = map.regions
    const { columns, rows, count, corner: [x0, y0, x1, y1], scores } = field
    const found = []
    for (let j = 0; j < rows; j += 6) for (let i = 0; i < columns; i += 6) {
        const x = x0 + (x1 - x0) * i / (columns - 1), y = y0 + (y1 - y0) * j / (rows - 1)
        const at = (j * columns + i) * count
        found.push([x, y, ...scores.subarray(at, at + count)])
    }
    return [found, about.attribute]
}"""
DONE = "() => globalThis.latentMaps?.get('map')?.regions.field?.step === 1"


@pytest.fixture(autouse=True)
def same_models(data, monkeypatch):
    """What a test opens itself is what the app under test has."""
    monkeypatch.setenv("LATENT_DATA", str(data))


def test_the_plane_is_coloured_as_the_library_classifies_it(page, app):
    page.goto(f"{app}/?model=tiny-plane&regions=true")
    page.wait_for_function(DONE)
    found, attribute = page.evaluate(FIELD)
    found = np.array(found)
    space, classifier = cache.latent_space("tiny-plane"), load_classifier("digits")
    z = plane(np.zeros(2), *np.eye(2), found[:, :2]).astype(np.float32)
    expected = classifier.probabilities(decode(space.model, z)).numpy()
    assert attribute is None and len(found) > 20
    assert np.abs(found[:, 2:] - expected).max() < 0.01
    assert page.locator(".map-region").all_inner_texts() == list(classifier.names)
    page.get_by_text("Classifier", exact=True).click()
    page.wait_for_function("() => !location.search.includes('regions')")
    assert page.locator(".map-regions").is_hidden()
    page.get_by_text("Classifier", exact=True).click()
    page.wait_for_url("**regions=true*")


def test_a_pin_has_lines_to_its_neighbours_in_the_latent_space(page, app):
    page.goto(f"{app}/?model=tiny-gaussian&pins=17")
    page.wait_for_selector(".latent-map[data-ready]")
    rows = """() => {
        const { layers, pins } = latentMaps.get("map")
        return layers.nearest.get(pins.value.at(-1)) ?? null
    }"""
    page.wait_for_function(rows)
    space = cache.latent_space("tiny-gaussian")
    row = list(space.index).index(17)
    expected, _ = neighbours(space.mean, space.mean[row], 7)
    assert page.evaluate(rows) == [int(k) for k in expected if k != row]

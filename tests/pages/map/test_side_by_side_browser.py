"""Two models side by side on the map, with one pointer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.shared import cache
from vae.codes import decode
from vae.locations import SHIPPED

ROOT = Path(__file__).resolve().parents[3]

SECOND = ".latent-map[data-second]"
PIXELS = """selector => {
    const canvas = document.querySelector(selector)
    return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)
}"""
PLACE = """([selector, x, y]) => {
    const plot = document.querySelector(`${selector} .map-plot`)
    const { xaxis, yaxis } = plot._fullLayout
    const box = plot.getBoundingClientRect()
    return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)]
}"""
PROBE = f"""() => {{
    const box = document.querySelector("{SECOND} .map-probe").getBoundingClientRect()
    return [box.left + box.width / 2, box.top + box.height / 2]
}}"""


def test_one_pointer_shows_the_same_image_and_the_same_place_in_two_models(
    page, app, data, monkeypatch
):
    monkeypatch.setenv("LATENT_DATA", str(data))
    one, two = cache.latent_space("tiny-plane"), cache.latent_space("tiny-gaussian")
    page.goto(f"{app}/?model=tiny-plane&beside=tiny-gaussian&pins=7")
    page.wait_for_selector(f"{SECOND}[data-ready][data-exact=true]")
    page.wait_for_selector(".latent-map:not([data-second])[data-ready][data-exact=true]")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    first = ".latent-map:not([data-second])"
    # Far enough from other codes that the pointer means this one.
    gaps = np.hypot(*(one.mean[:, None] - one.mean[None]).T)
    np.fill_diagonal(gaps, np.inf)
    low, high = np.quantile(one.mean, (0.1, 0.9), axis=0)
    row = int(np.argmax(gaps.min(0) * ((one.mean > low) & (one.mean < high)).all(1)))
    assert two.index[row] == one.index[row]
    x, y = page.evaluate(PLACE, [first, *one.mean[row].tolist()])
    page.mouse.move(x, y, steps=3)
    at = two.embeddings["pca"][row].tolist()
    page.wait_for_function(
        f"([x, y]) => {{ const [a, b] = ({PROBE})(); return Math.hypot(a - x, b - y) < 2 }}",
        arg=page.evaluate(PLACE, [SECOND, *at]),
    )
    assert page.locator(f"{SECOND} .map-tip-picture").is_visible()
    components = two.pca.components[:2]
    z = two.mean.mean(0) + np.array(at) @ components
    expected = 255 * decode(two.model, z[None].astype(np.float32))[0, 0].numpy().ravel()
    page.wait_for_function(
        f"""([selector, expected]) => {{
            const pixels = ({PIXELS})(selector)
            return expected.every((grey, k) => Math.abs(pixels[4 * k] - grey) < 3)
        }}""",
        arg=[f"{SECOND} .map-tip-picture", expected.tolist()],
    )
    page.wait_for_function(  # both have their details
        "() => document.querySelectorAll(\"img[alt^='original: ']\").length === 2"
    )


def test_an_epoch_of_a_run_can_be_beside_its_end(data, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(data))
    run = data / "runs" / "one"
    shutil.copytree(SHIPPED / "lab" / "digits-beta-1", run)
    shutil.copytree(SHIPPED / "lab" / "digits-beta-0.1", run / "epochs" / "2")
    (run / "epochs" / "2" / "codes.safetensors").unlink()
    try:
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120)
        at.session_state["model"] = "one"
        at.query_params["beside"] = "one/epoch-2"
        at.run()
        assert not at.exception and not at.error
        beside = at.selectbox(key="beside")
        assert beside.value == "one/epoch-2"
        assert "This run after epoch 2" in beside.options
        other = at.session_state["model"] = "digits"
        at.run()
        assert other == "digits" and not any("epoch" in o for o in at.selectbox("beside").options)
    finally:
        shutil.rmtree(run)


@pytest.mark.soak
def test_a_model_of_other_images_cannot_be_beside(page, app):
    page.goto(f"{app}/?model=tiny-plane&beside=faces")
    page.get_by_text("This link says beside").wait_for()
    page.wait_for_selector(".latent-map[data-ready]")
    assert page.locator(".latent-map").count() == 1

"""The lesson on where codes live, in a real Chromium: what follows the slider, and what it is."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from pages.ui.learn import codes
from pages.ui.shared import cache
from vae.codes import decode
from vae.likely_codes import blend

PIXELS = """canvases => canvases.map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    return btoa(String.fromCharCode(...data))
})"""


@pytest.fixture
def lesson(page, app):
    """A function that opens a step and waits until it is decoded."""

    def visit(stage: str, **query: object):
        asked = {"answers": "shown", "stage": stage, "model": "faces", **query}
        pairs = "&".join(f"{k}={v}" for k, v in asked.items())
        page.goto(f"{app}/learn_codes?{pairs}")
        page.wait_for_selector('.lineup[data-ready][data-decoded][data-exact="true"]')
        return page

    return visit


def pictures(page) -> np.ndarray:
    """What the panels show, in 0…255: `(N, H, W, 3)`."""
    found = page.locator(".lineup-pictures canvas").evaluate_all(PIXELS)
    packed = [np.frombuffer(base64.b64decode(text), np.uint8) for text in found]
    return np.stack(packed).reshape(len(packed), 64, 64, 4)[..., :3].astype(int)


def move(page, value: float) -> None:
    page.locator(".lineup input").evaluate(
        """(input, value) => {
            input.value = value
            input.dispatchEvent(new Event("input"))
        }""",
        value,
    )
    page.wait_for_selector(f'.lineup[data-decoded="{value:g}"]')


def as_bytes(space, z: np.ndarray) -> np.ndarray:
    return decode(space.model, z).permute(0, 2, 3, 1).mul(255).round().numpy().astype(int)


def test_means_follow_the_slider_without_the_server_and_are_the_librarys(lesson):
    page = lesson("mean")
    space = cache.latent_space("faces")
    some = space.mean[codes.shown_codes(space, 0)]
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))
    for m in (5, 1, 10):
        move(page, m)
        weights = np.r_[np.full(m, 1 / m), np.zeros(10 - m)]
        expected = np.concatenate([[weights @ some], blend(space.distribution, some, weights)])
        assert np.abs(pictures(page) - as_bytes(space, expected)).max() <= 2
        assert page.locator(".lineup-small .lineup-away").count() == 10 - m
    assert not requests, "nobody is asked while one drags"


def test_ways_between_two_images_part_in_the_middle_and_meet_at_the_ends(lesson):
    page = lesson("path", at=0.5)
    line, arc, learned, fade = pictures(page)
    for other in (line, arc, fade):
        assert np.abs(learned - other).mean() > 5
    move(page, 0)
    apart = np.abs(np.diff(pictures(page), axis=0))
    assert apart.max() <= 12, "there and back through the flow"
    page.locator(".lineup input").press("End")
    page.wait_for_function("() => new URL(location.href).searchParams.get('at') === '1'")


def test_a_draw_starts_as_noise_and_ends_as_a_sample_of_the_library(lesson):
    page = lesson("draw", seed=5)
    space = cache.latent_space("faces")
    noise = np.random.default_rng(5).standard_normal((1, 40)).astype(np.float32)
    learned = space.distribution
    for time in (0, 0.5, 1):
        move(page, time) if time else None
        expected = as_bytes(space, learned.from_noise(noise, until=time))
        assert np.abs(pictures(page) - expected).max() <= 2
    assert np.abs(learned.from_noise(noise) - learned.sample(1, 5)).max() < 1e-5
    page.locator(".lineup-small canvas").nth(4).click()
    page.wait_for_function("() => new URL(location.href).searchParams.get('time') === '0.5'")


def test_dimensions_are_counted_one_by_one(lesson):
    page = lesson("shell", dimensions=1)
    assert page.locator(".lineup-plot text").first.text_content() == "√1 = 1.00"
    move(page, 40)
    assert page.locator(".lineup-plot text").first.text_content() == "√40 = 6.32"
    space = cache.latent_space("faces")
    code = as_bytes(space, space.mean[:1])[0]
    assert np.abs(pictures(page)[1] - code).max() <= 2, "all dimensions: the image's own code"

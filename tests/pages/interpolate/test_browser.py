"""The interpolation page in a real Chromium, on the real server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from pages.ui.shared import cache
from vae.codes import decode

NOW = ".live-now canvas"
DECODED = ".live-decoder[data-decoded]"  # all pictures belong to where the sliders stand
READY = f".live-decoder[data-ready]{DECODED.removeprefix('.live-decoder')}"

PIXELS = """canvas => {
    return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)
}"""
# Keeps every different picture that is painted on the large canvas from now on.
WATCH = """canvas => {
    const seen = (window.seen = new Set())
    const look = () => {
        const { width, height } = canvas
        seen.add(canvas.getContext("2d").getImageData(0, 0, width, height).data.join())
        requestAnimationFrame(look)
    }
    look()
}"""


@pytest.fixture
def visit(page, app):
    """A function that opens the page and waits until the browser has decoded all pictures."""

    def open_page(query: str = "a=3&b=8"):
        page.goto(f"{app}/interpolate?model=tiny-gaussian&{query}")
        page.wait_for_selector(READY)
        assert page.get_attribute(".live-decoder", "data-exact") == "true"
        return page

    return open_page


def address(page) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(page.url).query).items()}


def pixels(page, selector: str) -> list[int]:
    return page.locator(selector).evaluate(PIXELS)


def shows(page, selector: str, wanted: list[int]) -> None:
    """Waits until a canvas shows these pixels."""
    page.wait_for_function(
        f"([canvas, wanted]) => ({PIXELS})(canvas).join() === wanted.join()",
        arg=[page.locator(selector).element_handle(), wanted],
    )


def drag(page, start: float, end: float) -> None:
    """Holds the slider and drags it between two parts of its track, a picture at each step."""
    box = page.locator(".live-row input[type=range]").bounding_box()
    at = [box["x"] + 8 + part * (box["width"] - 16) for part in (start, end)]
    y = box["y"] + box["height"] / 2
    page.mouse.move(at[0], y)
    page.mouse.down()
    for x in np.linspace(*at, 40):
        page.mouse.move(x, y)
        page.wait_for_selector(DECODED)


def test_the_picture_moves_while_the_slider_is_dragged_without_the_server(visit):
    page = visit()
    page.wait_for_load_state("networkidle")
    requests, frames = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: frames.append(socket.url))
    page.locator(NOW).evaluate(WATCH)
    drag(page, 0.5, 0.95)
    page.wait_for_function("() => window.seen.size > 10")
    assert not [url for url in requests if not url.startswith("data:")], requests
    assert not frames
    assert address(page)["at"] == "0.5", "nothing is told to the server while dragging"
    page.mouse.up()
    page.wait_for_function(
        "() => !location.search.includes('at=0.5&') && !/at=0.5$/.test(location)"
    )
    assert float(address(page)["at"]) == pytest.approx(0.95, abs=0.02)


def test_it_says_why_the_server_decodes(page, app):
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(f"{app}/interpolate?model=tiny-gaussian&a=3&b=8")
    page.wait_for_selector('.live-decoder[data-ready][data-exact="false"]')
    assert "lacks WebAssembly SIMD" in page.locator(".live-status").inner_text()


def test_the_ends_of_the_path_are_the_ends_of_the_strip(visit):
    page = visit("a=3&b=8&at=0")
    first = pixels(page, NOW)
    strip = "section:nth-of-type(1)"
    assert pixels(page, ".live-row .live-strip canvas:first-child") == first
    assert pixels(page, f".live-rows {strip} canvas:first-child") == first
    last = pixels(page, ".live-row .live-strip canvas:last-child")
    assert last != first
    page.get_by_role("button", name="Swap").click()
    page.wait_for_url("**a=8&b=3**")
    shows(page, NOW, last)
    assert (address(page)["a"], address(page)["b"]) == ("8", "3")


def test_a_picture_is_chosen_from_the_gallery(visit):
    page = visit()
    page.get_by_role("button", name="Choose A").click()
    page.get_by_role("option", name="Real image #21 ").click()
    page.get_by_role("img", name="A: #21 ").wait_for()
    page.wait_for_url("**a=21**")


@pytest.mark.soak
def test_it_plays_there_and_back(visit):
    page = visit()
    page.locator(NOW).evaluate(WATCH)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => window.seen.size > 10")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()


def test_a_link_restores_all_that_was_chosen(visit):
    page = visit("a=17&b=4&at=1.25&way=Arc&overshoot=true&frames=5")
    assert page.locator(".live-row .live-strip canvas").count() == 5
    assert page.locator(".live-row output").inner_text() == "1.25"
    assert page.get_by_role("radio", name="Spherical (slerp)").is_checked()
    before = pixels(page, NOW)
    page.get_by_role("button", name="Share").click()
    link = page.locator("[data-testid=stCode]").first.inner_text().strip()
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(READY)
    assert page.locator(".live-row output").inner_text() == "1.25"
    assert pixels(page, NOW) == before


@pytest.mark.soak
def test_the_film_strip_is_taken_away(visit):
    page = visit()
    page.get_by_role("button", name="Export").click()
    for name, magic in (("PNG", b"\x89PNG"), ("GIF", b"GIF8"), ("NPZ", b"PK")):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name).click()
        assert Path(waiting.value.path()).read_bytes().startswith(magic)


def test_the_square_follows_the_pointer_and_has_the_pictures_in_its_corners(visit):
    page = visit("walk=Four+corners&a=3&b=8&c=11&d=4")
    box = page.locator(".live-square").bounding_box()
    corners = set()
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        page.mouse.move(
            box["x"] + 1 + x * (box["width"] - 2), box["y"] + 1 + y * (box["height"] - 2)
        )
        page.wait_for_selector(DECODED)
        corners.add(tuple(pixels(page, NOW)))
    assert len(corners) == 4
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    page.wait_for_url("**at=0.25*")
    assert [float(v) for v in address(page)["at"].split(",")] == pytest.approx(
        [0.25, 0.75], abs=0.01
    )


def test_a_traversal_moves_one_direction(visit):
    page = visit("walk=Traversals&a=3")
    before = pixels(page, NOW)
    assert pixels(page, ".live-still canvas") == before
    box = page.locator(".live-row input[type=range]").first.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_url("**at=2.*")
    page.wait_for_selector(DECODED)
    assert pixels(page, NOW) != before
    assert pixels(page, ".live-still canvas") == before


def test_a_learned_path_is_walked_in_the_browser_as_in_the_library(page, app):
    page.goto(f"{app}/interpolate?model=faces&a=17&b=4&way=learned&at=0.3")
    page.wait_for_selector(READY)
    space = cache.latent_space("faces")
    ends = (space.mean[list(space.index).index(number)] for number in (17, 4))
    expected = decode(space.model, space.distribution.path(*ends, np.array([0.3])))[0]
    shown = np.array(pixels(page, NOW)).reshape(64, 64, 4)[..., :3]
    assert np.abs(shown - expected.permute(1, 2, 0).mul(255).round().numpy()).max() <= 2

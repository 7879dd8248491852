"""What moves on the Learn pages about noise and about drawing, in a real Chromium."""

from __future__ import annotations

import re

import pytest

PIXELS = """canvas => Array.from(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""


@pytest.fixture
def noise(page, app):
    """A function that opens the noise pad and waits until it decodes."""

    page.set_default_timeout(180_000)

    def visit(**query):
        pairs = "&".join(
            f"{k}={v}" for k, v in {"answers": "shown", "model": "tiny-plane", **query}.items()
        )
        page.goto(f"{app}/learn_reparameterisation?{pairs}")
        page.wait_for_selector('.noise-pad[data-ready="tiny-plane"]')
        page.wait_for_selector('.noise-picture canvas[width="28"]')
        return page

    return visit


def where(page) -> dict[str, list[float]]:
    found = page.locator(".noise-pad").evaluate("pad => ({...pad.dataset})")
    return {k: [float(v) for v in found[k].split(",")] for k in ("noise", "z")}


def at(page, selector: str, x: float, y: float) -> tuple[float, float]:
    """A place on a plane, as parts of its sides, in pixels of the page."""
    box = page.locator(selector).bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def pixels(page) -> list[int]:
    return page.locator(".noise-picture canvas").evaluate(PIXELS)


def drag(page, selector: str, *places: tuple[float, float]) -> None:
    page.mouse.move(*at(page, selector, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*at(page, selector, *place), steps=4)


def test_z_and_the_picture_follow_the_noise_before_it_is_let_go(noise):
    page = noise(e1=0, e2=0, widen=8)
    page.wait_for_selector(".chart[data-drawn]")  # the chart library is here, too
    start, picture = where(page), pixels(page)
    assert start["noise"] == [0, 0]
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    drag(page, ".noise-space", (0.5, 0.5), (0.8, 0.3))
    moved = where(page)
    page.wait_for_selector(
        f".noise-pad[data-decoded='{page.locator('.noise-pad').get_attribute('data-z')}']"
    )
    assert moved["noise"] == pytest.approx([0.3 * 7.4, 0.2 * 7.4], abs=0.1)
    assert pixels(page) != picture
    assert not [url for url in requests if "/live/" in url], "the browser decodes"
    drag_on = [z - s for z, s in zip(moved["z"], start["z"], strict=True)]
    assert drag_on[0] > 0 < drag_on[1], "the same way as the noise, stretched by sigma"
    page.mouse.up()


@pytest.mark.soak
def test_the_same_draw_can_be_held_at_either_end(noise):
    page = noise(e1=0.3, e2=0.4, widen=1)
    dot = page.locator(".noise-codes .held").last.bounding_box()
    page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    held = where(page)["noise"]
    assert held == pytest.approx([0.3, 0.4], abs=0.05), "z in hand is noise in hand"


def test_letting_go_moves_the_fields_the_address_and_the_gradients(noise):
    page = noise(e1=0, e2=0)
    page.get_by_text("Largest difference").wait_for()
    table = page.locator("[data-testid=stTable]").first
    before = table.inner_text()
    drag(page, ".noise-space", (0.5, 0.5), (0.65, 0.6))
    page.mouse.up()
    there = where(page)["noise"]
    page.wait_for_function(f"() => new URL(location.href).searchParams.get('e1') == {there[0]}")
    page.wait_for_function(
        "before => document.querySelector('[data-testid=stTable]').innerText !== before",
        arg=before,
    )
    assert where(page)["noise"] == there, "the answer does not take the noise out of the hand"
    assert page.locator(".noise-codes .arrow[d^='M']").count() == 3, "the step and two gradients"


@pytest.mark.soak
def test_the_noise_answers_to_the_keyboard(noise):
    page = noise(e1=0, e2=0)
    page.locator(".noise-space").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    assert where(page)["noise"] == [0.1, 0.5]
    page.wait_for_function("() => new URL(location.href).searchParams.get('e2') == 0.5")


def test_a_link_opens_the_exact_state(noise):
    page = noise(e1=0.7, e2=-1.3, widen=2, image=5)
    assert where(page)["noise"] == [0.7, -1.3]
    assert page.get_by_label("Real image", exact=True).input_value() == "5"


def test_a_drawn_digit_gets_its_code_without_any_other_host(page, app):
    page.set_default_timeout(180_000)
    foreign = []
    page.on("request", lambda r: foreign.append(r.url) if not own(r.url, app) else None)
    page.goto(f"{app}/learn_amortised?model=tiny-plane&steps=50&answers=shown")
    page.get_by_text("Until you draw").wait_for()
    page.get_by_text("Amortisation gap of this image").wait_for()
    metric = page.get_by_test_id("stMetric").filter(has_text="Code, μ ± σ")
    before = metric.inner_text()
    drag(page, "canvas.upper-canvas", (0.3, 0.2), (0.7, 0.2), (0.4, 0.8))
    page.mouse.up()
    page.get_by_text("Your drawing, scaled and centred").wait_for()
    page.wait_for_function(
        "before => [...document.querySelectorAll('[data-testid=stMetric]')].some("
        "m => m.innerText.startsWith('Code') && m.innerText !== before)",
        arg=before,
    )
    assert re.search(r"-?\d+\.\d\d ± \d+\.\d\d", metric.inner_text())
    assert not foreign


def own(url: str, app: str) -> bool:
    return url.startswith((app, app.replace("http", "ws"), "blob:", "data:"))

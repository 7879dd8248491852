"""Pins in a real browser: no run of the page is needed, and everything else follows them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from soak import always

READY = '.latent-map[data-ready^="tiny-plane|"][data-exact=true]'
LABELS = "latentMaps.get('map').pins.value.map(({ label }) => label)"


@pytest.fixture
def visit(page, app):
    """A function that opens the map with the pins of a link, and gives the page and its runs."""

    def open_map(pins: str = "") -> tuple[Page, list[object]]:
        runs: list[object] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda sent: runs.append(sent)))
        page.goto(f"{app}/?model=tiny-plane{'&pins=' if pins else ''}{pins}")
        page.wait_for_selector(READY)
        expect(page.locator('[data-testid="stApp"]')).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=60_000
        )
        return page, runs

    return open_map


def click(page: Page, x: float, y: float) -> None:
    """Clicks a place of the map, given as parts of its width and height, once it may be pinned."""
    box = page.locator(".map-stage").bounding_box()
    page.wait_for_timeout(400)  # a second click so soon counts as one
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def pins(url: str) -> list[str]:
    return [p for v in parse_qs(urlsplit(url).query).get("pins", []) for p in v.split(".")]


def wait_for(page: Page, count: int) -> None:
    """Waits until the map has so many pins with numbers, and the address as many."""
    page.wait_for_function(f"(n) => {LABELS}.filter(Boolean).length === n", arg=count)
    page.wait_for_url(lambda url: len(pins(url)) == count)


def test_a_pin_needs_no_run_and_the_address_follows(visit):
    page, runs = visit("3")
    before = len(runs)
    click(page, 0.5, 0.5)
    wait_for(page, 2)
    click(page, 0.6, 0.4)
    wait_for(page, 3)
    assert page.evaluate(LABELS) == ["1", "2", "3"]
    assert len(runs) == before, "nothing was asked of Streamlit"
    page.go_back()
    wait_for(page, 2)
    page.go_back()
    wait_for(page, 1)
    page.go_forward()
    wait_for(page, 2)
    kept = pins(page.url)
    page.reload()
    page.wait_for_selector(READY)
    wait_for(page, 2)
    assert pins(page.url) == kept


def test_the_first_pin_brings_what_stands_around_the_map(visit):
    page, _ = visit()
    expect(page.get_by_text("Three things to try")).to_be_visible()
    click(page, 0.5, 0.5)
    wait_for(page, 1)
    expect(page.get_by_role("button", name="Pins")).to_be_visible()
    expect(page.get_by_text("Three things to try")).to_be_hidden()


def test_other_runs_and_other_pages_know_of_it(visit):
    page, _ = visit("3")
    click(page, 0.55, 0.4)
    wait_for(page, 2)
    page.get_by_role("button", name="Pins").click()
    expect(page.get_by_role("button", name=re.compile("2: point on the map"))).to_be_visible()
    page.keyboard.press("Escape")
    wait_for(page, 2)
    page.get_by_role("link", name="Concepts").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/concepts" and len(pins(url)) == 2)


@always("answer", ["refused", "lost", "late"], ["late"])
def test_where_nobody_answers_a_message_tells_of_the_pin(visit, answer):
    page, runs = visit("3")
    before = len(runs)

    def handle(route):
        if answer == "refused":
            route.fulfill(status=404)
        elif answer == "lost":
            route.abort()
        else:  # taken, and then the connection broke
            route.fetch()
            route.abort()

    page.route("**/pins", handle)
    click(page, 0.5, 0.5)
    wait_for(page, 2)
    click(page, 0.6, 0.4)
    wait_for(page, 3)
    assert len(runs) > before and page.evaluate(LABELS) == ["1", "2", "3"]


def test_what_is_pinned_while_a_request_is_under_way_goes_with_the_next(visit):
    page, runs = visit("3")
    before, asked, held = len(runs), [], []

    def handle(route):
        asked.append(route.request.post_data_json["clicks"])
        if len(asked) == 1:
            held.append(route)
        else:
            route.continue_()

    page.route("**/pins", handle)
    for x in (0.45, 0.5, 0.55):
        click(page, x, 0.5)
    page.wait_for_function("latentMaps.get('map').pins.value.length === 4")
    held[0].continue_()
    wait_for(page, 4)
    assert [[c["count"] for c in clicks] for clicks in asked] == [[1], [2, 3]]
    assert len(runs) == before


def test_what_was_clicked_on_one_model_is_not_shown_on_the_next(visit):
    page, _ = visit("3")
    held = []
    page.route("**/pins", lambda route: held.append(route))
    click(page, 0.5, 0.5)
    page.wait_for_function("latentMaps.get('map').pins.value.length === 2")
    model = page.get_by_role("combobox", name="Model")
    model.fill("tiny-gaussian")
    model.press("Enter")
    page.wait_for_selector('.latent-map[data-ready^="tiny-gaussian|"]')
    wanted = page.evaluate("latentMaps.get('map').data.dimensions")
    assert wanted != 2
    sizes = page.evaluate("latentMaps.get('map').pins.value.map(({ z }) => z.length)")
    assert set(sizes) <= {wanted}
    held[0].abort()

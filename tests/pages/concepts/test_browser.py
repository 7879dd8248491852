"""The concepts page in a real Chromium: two groups become a vector, and a slider adds it."""

from __future__ import annotations

import re

import pytest

NEW = "A − B"  # the name that a vector from two groups is proposed
DECODED = ".live-decoder[data-ready][data-decoded]"  # pictures belong to where the sliders stand
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"  # nothing old is shown any more
PIXELS = """canvas => Array.from(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""


@pytest.fixture
def concepts(page, app):
    """The page of a tiny model of digits, ready to edit."""
    page.set_default_timeout(120_000)
    page.goto(f"{app}/concepts?model=tiny-plane")
    page.wait_for_selector(DECODED)
    return page


def keyed(page, key: str):
    """The part of the page that a widget's key names."""
    return page.locator(f".st-key-{key}")


def choose_view(page, k: int) -> None:
    """Shows the k-th part of what there is to see of an edit."""
    option = keyed(page, "concept-view").get_by_role("radio").nth(k)
    option.click()
    keyed(page, "concept-view").get_by_role("radio", checked=True).and_(option).wait_for()


def open_groups(page):
    """Opens what makes a vector from two groups; gives the pictures."""
    keyed(page, "make-open").locator("summary").click()
    keyed(page, "make-how").get_by_role("radio").nth(2).click()
    keyed(page, "tick-A").wait_for()
    return page.locator(".gallery button")


def tick(page, group: str, row: int, count: int) -> None:
    """Clicks a picture, after which so many are ticked."""
    page.locator(".gallery button").nth(row).click()
    keyed(page, f"tick-{group}").locator("button", has_text=f" {count} ").wait_for()


def make_from_groups(page, groups: dict[str, tuple[int, ...]]) -> None:
    """Ticks pictures into both groups, and makes a vector of them."""
    open_groups(page)
    for group, rows in groups.items():
        for count, row in enumerate(rows, 1):
            tick(page, group, row, count)
        keyed(page, f"tick-{group}").get_by_role("button").click()
        keyed(page, f"tick-{group}").get_by_role("button", disabled=True).wait_for()
        page.locator(".gallery [aria-selected=true]").first.wait_for(state="detached")
    keyed(page, "groups-make").get_by_role("button").click()
    page.locator(".live-rows").get_by_text(NEW, exact=True).wait_for()
    page.wait_for_selector(IDLE)
    page.wait_for_selector(DECODED)


def slider(page):
    return page.locator(".live-rows input[type=range]").first


def sliders(page) -> list[str]:
    return page.locator(".live-rows label").all_inner_texts()


def remove(page, name: str) -> None:
    """Takes a concept out of those that act."""
    keyed(page, "concepts-tiny-plane").locator("[data-tag]", has_text=name).locator(
        "button"
    ).click()
    page.locator(".live-rows label", has_text=name).wait_for(state="detached")


def grip(page, value: float) -> tuple[float, float]:
    """Where the first slider's grip stands for a value of −1…2, in pixels of the page."""
    box = slider(page).bounding_box()
    return box["x"] + 8 + (value + 1) / 3 * (box["width"] - 16), box["y"] + box["height"] / 2


def moved(page) -> float:
    """How far the browser says that the code was moved."""
    words = page.locator(".live-words", has_text="Distance").inner_text()
    return float(re.search(r"Distance in latent space ([\d.]+\d)", words)[1])


def wait_until_moved(page, distance: float) -> None:
    """Waits until the browser tells of an edit that moves the code so far."""
    words = page.locator(".live-words", has_text="Distance")
    page.wait_for_function(
        """([words, distance]) => {
            const shown = /Distance in latent space ([\\d.]+\\d)/.exec(words.textContent)?.[1]
            return Math.abs(shown - distance) < 0.011
        }""",
        arg=[words.element_handle(), distance],
    )


def evaluate(page, distance: float) -> None:
    """Asks for a report, and waits until it is of an edit that moves the code so far."""
    keyed(page, "evaluate").get_by_role("button").click()
    page.wait_for_function(
        """distance => {
            const shown = document.querySelector("[data-testid=stMetricValue]")?.innerText
            return Math.abs(shown - distance) < 0.011
        }""",
        arg=distance,
    )


def pixels(page, selector: str) -> list[int]:
    return page.locator(selector).first.evaluate(PIXELS)


def test_a_tick_is_taken_away_by_another_click(concepts):
    page = concepts
    pictures = open_groups(page)
    for row, count in ((0, 1), (9, 2), (9, 1)):
        tick(page, "A", row, count)
    assert pictures.nth(0).get_attribute("aria-selected") == "true"
    assert pictures.nth(9).get_attribute("aria-selected") == "false"


def test_a_vector_from_two_groups_is_judged_and_added_to_somebody_else(concepts):
    page = concepts
    before = sliders(page)
    make_from_groups(page, {"A": (0, 1, 2), "B": (5, 7)})
    assert sliders(page) == [NEW, *before]

    # The report card of the vector says of how many examples, and how long it is.
    choose_view(page, 1)
    row = page.get_by_test_id("stDataFrame").locator("tr", has_text=NEW)
    row.wait_for(state="attached")
    cells = row.locator("td").all_text_contents()
    assert cells[3:5] == ["3", "2"]
    length = float(cells[-1])
    assert length > 0.1

    # It alone moves the code by its length times the strength: others out of the way.
    for name in before:
        remove(page, name)
    page.wait_for_selector(DECODED)
    choose_view(page, 0)
    wait_until_moved(page, length)
    old = pixels(page, ".live-still canvas")
    keyed(page, "start-open").locator("summary").click()
    keyed(page, "start-open").locator(".gallery button").nth(20).click()
    page.wait_for_function(
        f"([canvas, before]) => ({PIXELS})(canvas).join() !== before.join()",
        arg=[page.locator(".live-still canvas").first.element_handle(), old],
    )
    keyed(page, "start-open").locator("summary").click()
    page.wait_for_selector(DECODED)
    wait_until_moved(page, length)

    # What is removed leaves neither slider nor report.
    evaluate(page, length)
    remove(page, NEW)
    assert page.get_by_test_id("stMetric").count() == 0
    assert page.get_by_test_id("stException").count() == 0


def test_a_slider_acts_while_it_is_held_and_is_reported_when_it_is_asked_for(concepts):
    page = concepts
    page.get_by_test_id("stMetric").first.wait_for()
    unit, before = moved(page), pixels(page, ".live-now canvas")
    assert unit > 0.1
    evaluate(page, unit)
    slider(page).scroll_into_view_if_needed()
    page.mouse.move(*grip(page, 1))
    page.mouse.down()
    page.mouse.move(*grip(page, 2), steps=5)
    page.wait_for_selector(DECODED)
    assert pixels(page, ".live-now canvas") != before
    wait_until_moved(page, 2 * unit)
    assert "strengths=" not in page.url, "Python has not heard of it"
    page.mouse.up()
    page.wait_for_url("**strengths=2*")
    shown = page.get_by_test_id("stMetricValue").first.inner_text()
    assert abs(float(shown) - unit) < 0.011, "the report is still of the edit before"
    evaluate(page, 2 * unit)
    slider(page).focus()
    page.keyboard.press("Home")
    page.wait_for_selector(DECODED)
    assert slider(page).input_value() == "-1"
    wait_until_moved(page, unit)
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    wait_until_moved(page, 0)
    page.wait_for_selector(DECODED)
    assert pixels(page, ".live-now canvas") == pixels(page, ".live-still canvas")


@pytest.mark.soak
def test_every_view_of_an_edit_opens(concepts):
    page = concepts
    for k in range(keyed(page, "concept-view").get_by_role("radio").count()):
        choose_view(page, k)
        page.wait_for_selector(IDLE)
        assert page.get_by_test_id("stException").count() == 0


def test_a_concept_is_added_by_touch_on_a_phone(browser, app):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{app}/concepts?model=tiny-plane")
        page.wait_for_selector(DECODED)
        page.locator(".live-words", has_text="Distance").wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "nothing is wider than the phone"
        slider(page).scroll_into_view_if_needed()
        before, unit = pixels(page, ".live-now canvas"), moved(page)
        page.touchscreen.tap(*grip(page, 2))
        wait_until_moved(page, 2 * unit)
        page.wait_for_selector(DECODED)
        assert pixels(page, ".live-now canvas") != before
    finally:
        context.close()

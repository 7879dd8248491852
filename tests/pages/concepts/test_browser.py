"""The concepts page in a real Chromium: groups are ticked, a slider acts while it is held."""

from __future__ import annotations

import pytest

PIXELS = """canvas => Array.from(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""


@pytest.fixture
def concepts(page, app):
    """The page of a tiny model of digits, ready to edit."""
    page.set_default_timeout(60_000)
    page.goto(f"{app}/concepts?model=tiny-plane")
    page.wait_for_selector(".live-decoder[data-ready][data-decoded]")
    return page


def test_ticked_pictures_become_a_concept(concepts):
    page = concepts
    page.get_by_text("Make, combine, import or export concepts").click()
    page.get_by_text("From two groups").click()
    pictures = page.locator(".gallery button")
    for group, rows in (("A", (0, 1, 2)), ("B", (5, 7))):
        for row in (*rows, 9):
            pictures.nth(row).click()
        page.get_by_role("button", name=f"Put {len(rows) + 1} ticked into {group}").wait_for()
        pictures.nth(9).click()  # takes its tick away again
        page.get_by_role("button", name=f"Put {len(rows)} ticked into {group}").click()
        page.get_by_text(f"Group {group}: {len(rows)} images").wait_for()
        page.wait_for_function(
            "document.querySelectorAll('.gallery [aria-selected=true]').length === 0"
        )
    page.get_by_role("button", name="Make concept").click()
    page.locator(".live-rows").get_by_text("A − B").wait_for()


def test_a_slider_changes_the_picture_while_it_is_held(concepts):
    page = concepts
    canvas = page.locator(".live-now canvas")
    before = canvas.evaluate(PIXELS)
    slider = page.locator(".live-rows input[type=range]").first
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + box["height"] / 2, steps=5)
    page.wait_for_selector(".live-decoder[data-decoded]")
    assert canvas.evaluate(PIXELS) != before
    page.mouse.up()

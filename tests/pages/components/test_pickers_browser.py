"""Choices in galleries, in a real Chromium: each click counts once, and the gallery shows it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect


def ready(page: Page, address: str, part: str = ".live-decoder[data-ready]") -> None:
    page.goto(address)
    page.wait_for_selector(part)


def choose(page: Page, name: str) -> None:
    """Opens the choice of the path's first picture and chooses an image."""
    page.get_by_role("button", name="Choose A").click()
    page.get_by_role("option", name=name).click()


def test_what_was_chosen_is_not_chosen_again_by_a_later_run(page, app):
    ready(page, f"{app}/interpolate?model=tiny-gaussian&a=3&b=8")
    choose(page, "Real image #21 ")
    page.get_by_role("img", name="A: #21 ").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("option").first.wait_for(state="detached")
    page.get_by_role("button", name="Swap").click()
    page.get_by_role("img", name="A: #8 ").wait_for()
    page.get_by_role("button", name="Choose A").click()  # draws the gallery again
    chosen = page.get_by_role("option", selected=True)
    expect(chosen).to_have_accessible_name(re.compile("Real image #8 "))
    expect(page.get_by_role("img", name="A: #8 ")).to_be_visible()
    page.get_by_role("option", name="Real image #21 ").click()  # the same again, on purpose
    page.get_by_role("img", name="A: #21 ").wait_for()


@pytest.mark.soak
def test_ticks_are_gone_once_they_are_in_a_group(page, app):
    ready(page, f"{app}/concepts?model=digits")
    page.get_by_text("Make, combine, import or export concepts").click()
    page.get_by_role("radio", name="From two groups").click()
    options = page.get_by_role("option", name="Real image")
    options.nth(0).click()
    page.get_by_role("button", name="Add 1 ticked to A").wait_for()
    options.nth(2).click()
    page.get_by_role("button", name="Add 2 ticked to A").click()
    page.get_by_text("Group A: 2 images").wait_for()
    expect(page.get_by_role("option", selected=True)).to_have_count(0)
    options.nth(2).click()
    page.get_by_role("button", name="Add 1 ticked to B").click()
    page.get_by_text("Group B: 1 image").wait_for()


@pytest.mark.soak
def test_a_sample_is_placed_once_for_each_click(page, app):
    ready(page, f"{app}/?model=tiny-plane", '.latent-map[data-ready^="tiny-plane|"]')
    page.get_by_role("button", name="Add to map").click()
    page.get_by_role("option", name="Generated sample 1", exact=True).click()
    page.get_by_role("button", name="Pins").wait_for()
    sample = page.get_by_role("option", name="Generated sample 2", exact=True).get_by_role("img")
    first = sample.get_attribute("src")
    page.get_by_role("button", name="Draw again").click()
    expect(sample).not_to_have_attribute("src", first)
    page.get_by_role("option", name="Generated sample 2", exact=True).click()
    page.get_by_role("button", name="Pins").wait_for()

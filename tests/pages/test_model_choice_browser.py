"""The chosen model in a real Chromium: it goes along from page to page, forth and back."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from soak import always

MODEL = "input[role=combobox][aria-label=Model]"


@pytest.fixture(autouse=True)
def patient(page):
    page.set_default_timeout(120_000)


def shows(page, path: str, model: str) -> None:
    """Waits until the page is at an address, and its menu says what the address does."""
    page.wait_for_url(lambda url: urlsplit(url).path == path and named(url) == [model])
    page.wait_for_function(
        "([selector, model]) => document.querySelector(selector)?.value === model",
        arg=[MODEL, model],
    )


def named(url: str) -> list[str]:
    return parse_qs(urlsplit(url).query).get("model", [])


def choose(page, model: str) -> None:
    page.locator(MODEL).click()
    page.get_by_role("option", name=model, exact=True).click()


def go(page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


def learn(page, step: int) -> None:
    page.locator("[data-testid=stTopNavSection]").first.click()
    page.get_by_role("menuitem", name=f"{step} ·").click()
    page.get_by_role("heading", name=f"{step} ·").wait_for()


@always("opened", ["", "interpolate", "concepts"], ["interpolate"])
def test_a_model_opened_by_a_link_goes_along_to_every_page(page, app, opened):
    page.goto(f"{app}/{opened}?model=tiny-gaussian")
    shows(page, f"/{opened}", "tiny-gaussian")
    for name in ("Interpolate", "Concepts"):
        if name.lower() != opened:
            go(page, name)
            shows(page, f"/{name.lower()}", "tiny-gaussian")
    go(page, "Train")
    page.wait_for_url(lambda url: urlsplit(url).path == "/train")
    learn(page, 3)  # a page that shows models of its own
    learn(page, 6)
    shows(page, "/learn_amortised", "tiny-gaussian")
    go(page, "Map")
    shows(page, "/", "tiny-gaussian")


def test_the_menu_decides_after_the_link_and_the_way_back_undoes_it(page, app):
    page.goto(f"{app}/?model=tiny-gaussian")
    shows(page, "/", "tiny-gaussian")
    choose(page, "tiny-plane")
    shows(page, "/", "tiny-plane")
    go(page, "Concepts")
    shows(page, "/concepts", "tiny-plane")
    go(page, "Map")
    shows(page, "/", "tiny-plane")
    choose(page, "digits")  # the one that an address without a model shows
    shows(page, "/", "digits")
    page.go_back()
    shows(page, "/", "tiny-plane")

"""Headings and titles of every page, and what axe-core finds on it in both themes."""

from __future__ import annotations

import re

import pytest
from soak import always, sample

from pages.ui.learn.contents import STEPS

PAGES = {
    "map": "Map",
    "interpolate": "Interpolate",
    "concepts": "Concepts",
    "train": "Train",
    "glossary": "Glossary",
} | {
    step.file.removesuffix(".py"): f"{number} · {step.title}"
    for number, step in enumerate(STEPS, 1)
}
# What Streamlit's own widgets bring along: a rule of axe-core, and where. In the dark theme one
# primary colour is the ground of white text and the text of a chosen segment: none suits both.
STREAMLIT = (("color-contrast", r"^<p>.*</p>$", "#3c6fdd"),)


def ready(page) -> None:
    """Waits until the page has its parts and nothing runs any more."""
    page.wait_for_function(
        "() => document.querySelectorAll('[data-testid=stMain] [data-testid=stElementContainer]')"
        ".length > 4",
        timeout=120_000,
    )
    busy = "[data-testid=stStatusWidget], [data-testid=stSpinner], [data-testid=stSkeleton]"
    page.wait_for_function(
        """busy => {
          window.quiet = document.querySelector(busy) ? 0 : (window.quiet ?? 0) + 1
          return window.quiet > 5
        }""",
        arg=busy,
        polling=200,
        timeout=120_000,
    )


def findings(page) -> list[str]:
    """What axe-core calls serious or critical in what is ours."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} ({node['any'][0]['message'] if node['any'] else ''})"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not any(
            rule["id"] == name
            and re.search(place, node["html"])
            and words in node["any"][0]["message"]
            for name, place, words in STREAMLIT
        )
    ]


@always("name", list(PAGES), [*sample(list(PAGES), 1), "map"])
def test_a_page_has_one_head_and_a_title_and_axe_finds_nothing_serious(page, app, name):
    page.goto(f"{app}/{name}")
    ready(page)
    assert page.locator("h1").all_inner_texts() == [PAGES[name]]
    assert page.title() == f"{PAGES[name]} · Latent Space Explorer"
    assert findings(page) == []
    page.emulate_media(color_scheme="dark")
    page.reload()
    ready(page)
    assert findings(page) == []


def test_on_a_phone_the_drawer_closes_and_no_keys_are_shown(browser, app):
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        is_mobile=True,
        has_touch=True,
        user_agent="Mozilla/5.0 (Linux; Android 14) Chrome/130.0 Mobile Safari/537.36",
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{app}/glossary")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebarNavLink").filter(has_text="3 ·").click()
    page.get_by_role("heading", name="3 ·").wait_for()
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stSidebar]')"
        ".getBoundingClientRect().right < 10"
    )
    assert page.get_by_role("button", name="Next", exact=True).inner_text().split() == [
        "Next",
        "arrow_forward",  # the icon
    ]
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, "nothing is cut off at the right"
    context.close()

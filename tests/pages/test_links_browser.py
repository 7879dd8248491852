"""Links, reloads and the browser's Back and Forward, in a real Chromium on the real server."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture(autouse=True)
def patient(page):
    page.set_default_timeout(120_000)
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=5_000)


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def wait_for(page: Page, path: str, **values: str | None) -> None:
    """Waits until the page is at an address that has these values; None for a name without one."""
    page.wait_for_url(
        lambda url: (
            urlsplit(url).path == path
            and all(query(url).get(n.replace("_", "-")) == v for n, v in values.items())
        )
    )


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=box, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def box(page: Page, name: str):
    return page.get_by_role("combobox", name=name, exact=True)


def test_back_undoes_one_step_and_forward_does_it_again(page, app):
    page.goto(f"{app}/?model=tiny-gaussian")
    wait_for(page, "/", model="tiny-gaussian")
    choose(page, "Colour", "KL (nats)")
    wait_for(page, "/", model="tiny-gaussian", colour="kl")
    choose(page, "Model", "tiny-plane")
    wait_for(page, "/", model="tiny-plane")
    page.go_back()
    wait_for(page, "/", model="tiny-gaussian", colour="kl")
    expect(box(page, "Model")).to_have_value("tiny-gaussian")
    expect(box(page, "Colour")).to_have_value("KL (nats)")
    page.go_back()
    wait_for(page, "/", model="tiny-gaussian", colour=None)
    expect(box(page, "Colour")).to_have_value("Class")
    page.go_forward()
    wait_for(page, "/", model="tiny-gaussian", colour="kl")
    expect(box(page, "Colour")).to_have_value("KL (nats)")


def test_what_a_page_does_by_itself_is_no_step(page, app):
    page.goto(f"{app}/?model=tiny-gaussian")
    wait_for(page, "/", model="tiny-gaussian")
    page.get_by_role("link", name="Interpolate", exact=True).click()
    page.wait_for_selector(".live-decoder[data-ready]")
    wait_for(page, "/interpolate", model="tiny-gaussian", at="0.5")
    page.go_back()
    wait_for(page, "/", model="tiny-gaussian")
    page.wait_for_selector('.latent-map[data-ready^="tiny-gaussian|"]')
    page.go_forward()
    wait_for(page, "/interpolate", model="tiny-gaussian", at="0.5")


def test_a_slider_replaces_and_a_swap_is_a_step(page, app):
    page.goto(f"{app}/interpolate?model=tiny-gaussian&a=3&b=8")
    page.wait_for_selector(".live-decoder[data-ready]")
    wait_for(page, "/interpolate", a="3", b="8", at="0.5")
    track = page.locator(".live-row input[type=range]")
    track.focus()
    page.keyboard.press("End")
    wait_for(page, "/interpolate", a="3", b="8", at="1")
    page.get_by_role("button", name="Swap").click()
    wait_for(page, "/interpolate", a="8", b="3", at="1")
    page.go_back()
    wait_for(page, "/interpolate", a="3", b="8", at="1")
    page.get_by_role("img", name="A: #3 ").wait_for()


def test_a_reload_keeps_pins_and_groups(page, app):
    page.goto(f"{app}/?model=tiny-plane&pins=7.21&group-a=1.2.3")
    page.get_by_role("button", name="Pins").wait_for()
    page.get_by_role("button", name="Group A: 3 images").wait_for()
    page.get_by_role("button", name="Group A: 3 images").click()
    wait_for(page, "/", pins="7.21", group_a=None)
    page.get_by_role("button", name="Add to map").click()
    page.get_by_role("option", name="Generated sample 1", exact=True).click()
    page.get_by_role("button", name="Pins").wait_for()
    page.wait_for_url(lambda url: query(url).get("pins", "").startswith("7.21.s"))
    page.reload()
    page.get_by_role("button", name="Pins").wait_for()
    expect(page.get_by_role("button", name="Group A")).to_have_count(0)
    page.go_back()
    page.get_by_role("button", name="Pins").wait_for()


def test_concepts_restore_the_person_the_concepts_and_their_strengths(page, app):
    address = f"{app}/concepts?model=digits&person=17&concepts=7.0&strengths=0.5,-0.25"
    page.goto(address)
    page.wait_for_selector(".live-decoder[data-ready]")
    for _ in range(2):
        page.get_by_text("#17 ").first.wait_for()
        outputs = page.locator(".live-row output")
        expect(outputs).to_have_text(["0.50", "-0.25"])
        wait_for(
            page, "/concepts", model="digits", person="17", concepts="7.0", strengths="0.5,-0.25"
        )
        page.reload()


def test_a_page_opened_by_its_address_asks_for_nothing_in_vain(page, app):
    """Streamlit's page alone would look for the server below the page's own address first."""
    missed, said = [], []
    page.on("response", lambda r: missed.append(r.url) if r.status >= 400 else None)
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.goto(f"{app}/glossary")
    expect(page.locator("h1")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert (missed, said) == ([], [])
    assert page.evaluate("() => globalThis.Plotly === undefined")  # which no chart has asked for

"""The map in a real Chromium, on the real server: what a visitor does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import soak
import tiny
from map_page import (
    PIXELS,
    code_position,
    decoded,
    pictured,
    stage,
    view_range,
    zoom_in,
)

from pages.ui.shared import cache

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.usefixtures("same_models")


def test_a_click_pins_and_the_server_says_the_rest(visit):
    page = visit()
    page.mouse.click(*code_position(page, 12))
    page.locator(".pin-view h4", has_text="Real #12 ·").wait_for()
    assert pictured(page, "original").count() == 1 and pictured(page, "binarised").count() == 1
    page.wait_for_function(
        "() => [...document.querySelectorAll('.pin-view dd')].every((d) => d.textContent !== '…')"
    )
    shown = dict(text.split("\n") for text in page.locator(".pin-view dl > div").all_inner_texts())
    assert shown["KL"] == f"{cache.latent_space('tiny-plane').kl[12]:.0f}"
    assert set(shown) == {"KL", "Reconstruction", "ELBO", "Log evidence"}
    page.wait_for_url(re.compile(r"pins=12"))


def test_a_click_is_answered_without_the_server(visit):
    page = visit("tiny-gaussian", pins="200")
    before = page.locator(".st-key-pin-details").get_by_text("Nearest real images")
    before.wait_for()  # what came with the link, Python shows
    page.context.set_offline(True)
    page.mouse.click(*code_position(page, 12))
    page.locator(".pin-view h4", has_text="Real #12 ·").wait_for()
    texts = page.locator(".pin-view figcaption").all_inner_texts()
    assert texts[:3] == ["original", "reconstruction", "standard deviation"]
    assert len(texts) == 9 and all("#" in text for text in texts[3:])
    space = cache.latent_space("tiny-gaussian")
    assert f"KL\n{space.kl[12]:.0f}" in page.locator(".pin-view dl").inner_text()
    assert not before.is_visible()
    page.context.set_offline(False)


def test_a_page_that_is_drawn_anew_shows_what_was_clicked(visit):
    page = visit("tiny-gaussian")
    page.mouse.click(*code_position(page, 12))
    page.wait_for_url(re.compile(r"pins=12"))
    page.get_by_role("link", name="Interpolate", exact=True).click()
    page.wait_for_url(re.compile("/interpolate"))
    page.wait_for_selector(".latent-map", state="detached")
    page.get_by_role("link", name="Map", exact=True).click()
    page.locator(".pin-view h4", has_text="Real #12 ·").wait_for()
    page.get_by_role("button", name="Pins").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Three things to try").wait_for()
    assert page.locator(".pin-view").is_hidden()


def test_the_view_survives_a_rerun(visit):
    page = visit()
    zoomed = zoom_in(page)
    page.mouse.click(*stage(page, 0.5, 0.5))
    page.get_by_text("Nearest real images").wait_for()
    assert view_range(page) == zoomed
    page.get_by_role("combobox", name="Colour").click()
    page.get_by_role("option", name="KL (nats)").click()
    page.locator(".map-scale").wait_for()
    assert view_range(page) == pytest.approx(zoomed)


def test_links_restore_a_state(visit):
    page = visit("tiny-gaussian", projection="t-SNE", colour="ELBO (nats)")
    names = [page.get_by_role("combobox", name=n) for n in ("Model", "Map", "Colour")]
    assert [n.input_value() for n in names] == ["tiny-gaussian", "t-SNE", "ELBO (nats)"]
    decoded(page, 0.5, 0.5)
    page.get_by_text("Generated, approximate").wait_for()


@soak.share("count", 3)
def test_every_page_is_reached_by_its_address(page, app, count):
    files = [f for f in sorted((ROOT / "pages").glob("*.py")) if f.stem != "router"]
    for file in soak.sample(files, count):
        page.goto(f"{app}/{file.stem}")
        page.locator("[data-testid=stMain] [data-testid=stElementContainer]").first.wait_for()
        assert page.get_by_role("dialog").count() == 0, f"{file.stem} is not found"
        assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.soak
def test_the_view_survives_a_visit_to_another_page(visit):
    page = visit()
    zoomed = zoom_in(page)
    links = page.get_by_test_id("stTopNavLink")
    links.nth(1).click()
    page.wait_for_selector(".latent-map", state="detached")
    links.nth(0).click()
    page.wait_for_selector('.latent-map[data-ready^="tiny-plane|"]')
    assert view_range(page) == pytest.approx(zoomed)


def test_a_lasso_makes_a_group(visit):
    page = visit()
    page.get_by_role("button", name="Lasso A").click()
    corners = [(0.2, 0.2), (0.9, 0.2), (0.9, 0.9), (0.2, 0.9), (0.2, 0.2)]
    page.mouse.move(*stage(page, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*stage(page, *corner), steps=6)
    page.mouse.up()
    button = page.get_by_role("button", name="Group A")
    button.wait_for()
    assert int(button.inner_text().split("A:")[1].split()[0]) > 20


def test_a_click_on_the_legend_greys_the_rest(visit):
    page = visit()
    row = page.evaluate("latentMaps.get('map').points.traceOf.indexOf(0)")
    at = code_position(page, row)
    named = f"document.querySelector('.map-tip-real').textContent.includes('#{row} ')"
    shown = "!document.querySelector('.map-tip-real').hidden && " + named
    page.mouse.move(at[0] - 1, at[1])
    page.mouse.move(*at)
    page.wait_for_function(f"() => {shown}")
    grey = "latentMaps.get('map').points.styles[{}].colour === '#9aa0a8'"
    entry = page.locator(".map-entry").nth(1)
    entry.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => " + grey.format(0))
    assert not page.evaluate(grey.format(1))
    assert entry.get_attribute("aria-pressed") == "true"
    page.mouse.move(at[0] - 1, at[1])
    page.mouse.move(*at)
    page.wait_for_function(f"() => !({shown})")
    entry.click()
    page.wait_for_function(f"() => !({grey.format(0)})")
    page.mouse.move(at[0] - 1, at[1])
    page.mouse.move(*at)
    page.wait_for_function(f"() => {shown}")


def test_the_keyboard_moves_and_pins(visit):
    page = visit()
    page.locator(".map-stage").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => window.painted > 0")
    first = page.evaluate(PIXELS, ".map-tip-picture")
    for _ in range(8):
        page.keyboard.press("ArrowUp")
    page.wait_for_function(
        f"first => ({PIXELS})('.map-tip-picture').join() !== first.join()", arg=first
    )
    page.keyboard.press("Enter")
    page.get_by_text("Nearest real images").wait_for()


def test_search_finds_an_id(visit):
    page = visit()
    page.locator(".map-search").fill("#7")
    page.wait_for_function(
        "() => document.querySelector('.map-status').textContent.includes('#7')"
    )
    page.locator(".map-search").fill("no such thing")
    page.locator(".map-status", has_text="“no such thing”").wait_for()


@pytest.mark.soak
def test_the_picture_of_the_map_is_saved(visit, tmp_path):
    page = visit()
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    download.value.save_as(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    download.value.save_as(tmp_path / "map.svg")
    drawn = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert drawn.count('class="point"') == tiny.COUNT and "<image" not in drawn
    page.get_by_role("button", name="Export and import").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "points.csv")
    assert len((tmp_path / "points.csv").read_text().splitlines()) == tiny.COUNT + 1


def test_uploads_are_placed(visit, tmp_path):
    from PIL import Image

    page = visit()
    Image.new("L", (60, 60), 40).save(tmp_path / "mine.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    page.locator(".st-key-place").get_by_role("button").click()
    page.get_by_text("My picture").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "bad.png")
    page.get_by_text("bad.png is").wait_for()
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.png")
    page.locator("img[alt^='original: mine.png']").wait_for()


def test_touch_drags_the_probe_and_a_tap_pins(browser, app):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    try:
        page = context.new_page()
        page.goto(f"{app}/?model=tiny-plane")
        page.wait_for_selector('.latent-map[data-ready^="tiny-plane|"]')
        page.locator(".map-stage").scroll_into_view_if_needed()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "nothing is wider than the phone"
        page.touchscreen.tap(*stage(page, 0.6, 0.5))
        page.get_by_text("Nearest real images").wait_for()
        assert page.locator(".map-tip").is_visible()
    finally:
        context.close()


def test_the_theme_reaches_the_map(page, app):
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{app}/?model=tiny-plane")
        page.wait_for_selector('.latent-map[data-ready^="tiny-plane|"]')
        colours.append(
            page.evaluate(
                """() => [getComputedStyle(document.querySelector(".map-stage")).backgroundColor,
                document.querySelector(".map-plot")._fullLayout.font.color]"""
            )
        )
    assert colours[0][0] != colours[1][0] and colours[0][1] != colours[1][1]

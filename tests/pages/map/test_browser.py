"""The pages in a real Chromium, on the real server: what a visitor does, compared by pixels."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soak
import tiny
import torch

from pages.ui.shared import cache
from pages.ui.shared.pins import from_text
from vae.checkpoint import load_codes, save_codes
from vae.code_distribution import CodeDistribution, save_code_distribution
from vae.codes import decode
from vae.flow import VelocityField
from vae.latent import UNJUDGED, neighbours
from vae.likely_codes import LEVEL

ROOT = Path(__file__).resolve().parents[3]

PIXELS = """selector => {
    const canvas = document.querySelector(selector)
    return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)
}"""


# When the pointer last moved over the map, and which of its moves was last painted.
WATCH = """() => {
    Object.assign(window, { moved: -1, painted: -1 })
    const raw = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove"
    document.querySelector(".map-stage").addEventListener(raw, (event) => {
        window.moved = event.timeStamp
    }, { capture: true })
    document.querySelector(".latent-map").addEventListener("decoded", (event) => {
        window.painted = event.detail.moved
    })
}"""


@pytest.fixture(autouse=True)
def same_models(data, monkeypatch):
    """What a test opens itself is what the app under test has."""
    monkeypatch.setenv("LATENT_DATA", str(data))


@pytest.fixture
def visit(page, app):
    """A function that opens the map of a model and waits until it can be used."""

    def open_map(model: str = "tiny-plane", **query: str):
        pairs = "&".join(f"{k}={v}" for k, v in {"model": model, **query}.items())
        page.goto(f"{app}/?{pairs}")
        page.wait_for_selector(f'.latent-map[data-ready^="{model}|"]')
        page.wait_for_function(
            "() => document.querySelector('.latent-map').dataset.exact === 'true'"
        )
        page.evaluate(WATCH)
        return page

    return open_map


def stage(page, x: float, y: float) -> tuple[float, float]:
    """A position on the map, as parts of its width and height, in pixels of the page."""
    box = page.locator(".map-stage").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def code_position(page, row: int) -> tuple[float, float]:
    """Where a reference image is drawn, in pixels of the page."""
    x, y = page.evaluate(
        """row => {
            const { grid, axes } = latentMaps.get("map")
            return axes.toPixels(grid.x[row], grid.y[row])
        }""",
        row,
    )
    box = page.locator(".map-stage").bounding_box()
    return box["x"] + 1 + x, box["y"] + 1 + y


def view_range(page) -> list[float]:
    return page.evaluate("document.querySelector('.map-plot')._fullLayout.xaxis.range")


def zoom_in(page) -> list[float]:
    """Zooms and gives the new range."""
    before = view_range(page)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function(
        "w => { const [a, b] = document.querySelector('.map-plot')._fullLayout.xaxis.range;"
        " return b - a < 0.7 * w }",
        arg=before[1] - before[0],
    )
    return view_range(page)


def decoded_at(page, x: float, y: float) -> list[int]:
    """Moves the pointer to a pixel of the page and gives the picture that is decoded there."""
    page.mouse.move(x - 1, y)
    before = page.evaluate("window.moved")
    page.mouse.move(x, y)
    page.wait_for_function(f"() => window.moved > {before} && window.painted === window.moved")
    return page.evaluate(PIXELS, ".map-tip-picture")


def decoded(page, x: float, y: float) -> list[int]:
    """The same for a position given as parts of the map's width and height."""
    return decoded_at(page, *stage(page, x, y))


def test_the_picture_follows_the_pointer_without_the_server(visit):
    page = visit()
    requests = []
    decoded(page, 0.4, 0.5)  # the first move may fetch what the tip shows
    page.on("request", lambda request: requests.append(request.url))
    left, right = decoded(page, 0.45, 0.5), decoded(page, 0.7, 0.4)
    assert len(left) == 4 * 28 * 28
    difference = sum(abs(a - b) for a, b in zip(left, right, strict=True))
    assert difference > 1_000, "another place is another picture"
    assert decoded(page, 0.45, 0.5) == left, "the same place is the same picture"
    assert page.evaluate(PIXELS, ".live-mean") == left
    assert not [url for url in requests if "/live/" in url and "atlas" not in url]


def test_browser_and_python_agree_how_far_a_place_is_from_the_data(visit):
    page = visit()
    space = cache.latent_space("tiny-plane")
    words, zones = "", set()
    for x, y in ((0.45, 0.5), (0.93, 0.8), (0.15, 0.2)):
        decoded(page, x, y)
        page.wait_for_function(
            "old => { const now = document.querySelector('.live-words').textContent;"
            " return now !== old && now.includes('nearest code') }",
            arg=words,
        )
        words = page.locator(".live-words").text_content()
        found = re.search(r"nearest code ([\d.]+) \(usual [a-z ]+: ([\d.]+)\): ([a-z ]+)\.", words)
        assert found[2] == f"{space.neighbour_distances.usual:.2f}"
        z = np.array(re.search(r"at \(([^,]+), ([^)]+)\)", words).groups(), np.float32)
        distance = neighbours(space.mean, z, 1)[1][0]
        assert float(found[1]) == pytest.approx(distance, abs=0.02)
        assert found[3] == space.neighbour_distances.describe(distance)
        zones.add(found[3])
    assert len(zones) > 1


def free_place(page) -> tuple[float, float]:
    """A pixel of the page on the map with no point within reach of a click, but one near by."""
    box = page.locator(".map-stage").bounding_box()
    points = np.array([code_position(page, row) for row in range(0, 300)])
    grid = np.stack(np.meshgrid(*np.linspace((0.1, 0.1), (0.9, 0.9), 40).T), -1).reshape(-1, 2)
    pixels = grid * [box["width"], box["height"]] + [box["x"], box["y"]]
    nearest = np.hypot(*(pixels[:, None] - points[None]).transpose(2, 0, 1)).min(1)
    return tuple(pixels[np.argmin(np.abs(nearest - 16))].round().tolist())


def test_a_place_of_a_t_sne_map_is_what_the_flow_makes_of_the_nearest_codes(visit, data):
    folder = data / "checkpoints" / "tiny-flow"
    shutil.copytree(data / "checkpoints" / "tiny-gaussian", folder)
    try:
        torch.manual_seed(4)
        field = VelocityField(5, 16, 1)
        torch.nn.init.normal_(field.outward.weight, std=0.3)
        mean = load_codes(folder)["mean"].mean(0)
        learned = CodeDistribution(mean, np.eye(5, dtype=np.float32), field)
        held_out = np.sort(learned.log_density(learned.sample(50)))
        save_code_distribution(folder, replace(learned, held_out=held_out))
        page = visit("tiny-flow", projection="tsne", keep="likely")
        place = free_place(page)
        with page.expect_response(lambda answer: "noise.bin" in answer.url):
            page.reload()
        page.wait_for_selector(".latent-map[data-noise]")
        page.evaluate(WATCH)
        blended = decoded_at(page, *place)
        page.mouse.click(*place)
        page.wait_for_url(re.compile(r"pins=g"))
        text = re.search(r"pins=([\w-]+)", page.url)[1]
        space = cache.latent_space("tiny-flow")
        grey = decode(space.model, from_text(space, text).z[None])[0, 0].numpy().ravel()
        assert np.abs(255 * grey - np.array(blended[::4])).max() < 3, "pinned is what was shown"
        noise = learned.to_noise(from_text(space, text).z, LEVEL)
        usual = np.linalg.norm(learned.to_noise(space.mean, LEVEL), axis=1)
        assert usual.min() < np.linalg.norm(noise) < usual.max(), "an average would be shorter"
    finally:
        shutil.rmtree(folder)


@pytest.mark.soak
def test_a_map_of_a_single_image_opens_and_judges_no_distance(visit, data):
    folder = data / "checkpoints" / "tiny-single"
    shutil.copytree(data / "checkpoints" / "tiny-plane", folder)
    try:
        codes = {k: v[:1] for k, v in load_codes(folder).items() if k != "tsne"}
        (folder / "codes.safetensors").unlink()
        save_codes(folder, codes)
        page = visit("tiny-single")
        decoded(page, 0.4, 0.5)
        page.locator(".live-words", has_text=UNJUDGED).wait_for()
    finally:
        shutil.rmtree(folder)


@pytest.mark.soak
def test_it_says_why_the_server_decodes(page, app):
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector('.latent-map[data-ready][data-exact="false"]')
    page.evaluate(WATCH)
    assert len(decoded(page, 0.45, 0.5)) == 4 * 28 * 28
    page.get_by_text("lacks WebAssembly SIMD").wait_for()


def pictured(page, what: str):
    """Pictures of a pin by what they show."""
    return page.get_by_role("img", name=re.compile(f"^{what}"))


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


def test_a_place_between_points_is_called_generated(visit):
    page = visit("tiny-gaussian")
    page.mouse.click(*stage(page, 0.93, 0.8))
    page.get_by_text("point on the map").first.wait_for()
    pictured(page, "standard deviation").wait_for()
    page.get_by_text("Nearest real images").and_(page.locator(".pin-view *")).wait_for()
    page.get_by_text("judged by the distance").wait_for()
    assert page.get_by_text("Log evidence").filter(visible=True).count() == 0
    assert page.locator(".live-second").is_visible()
    seen = page.locator(".live-words").filter(has_text="The classifier sees: ")
    assert re.search(r"sees: \d \(\d+ %\)", seen.inner_text())


def test_the_view_survives_a_rerun(visit):
    page = visit()
    zoomed = zoom_in(page)
    page.mouse.click(*stage(page, 0.5, 0.5))
    page.get_by_text("Nearest real images").wait_for()
    assert view_range(page) == zoomed
    page.get_by_role("combobox", name="Colour").click()
    page.get_by_role("option", name="KL (nats)").click()
    page.locator(".colorbar, .cbaxis").first.wait_for(state="attached")
    assert view_range(page) == pytest.approx(zoomed)


@pytest.mark.soak
def test_a_plane_through_the_pin_decodes_the_pin_itself(visit, app):
    """The dimensions that the plane hides come from the mean code, or from the pin."""
    page = visit("tiny-gaussian", projection="PCA plane")
    space = cache.latent_space("tiny-gaussian")
    row = int(np.abs(space.embeddings["pca"]).sum(1).argsort()[len(space) // 2])
    with torch.no_grad():
        own = space.model.decoder(torch.from_numpy(space.mean[row])[None]).mean[0, 0] * 255
    at = code_position(page, row)
    page.mouse.click(*at)
    page.get_by_text("Nearest real images").wait_for()

    def miss() -> float:
        picture = np.array(decoded_at(page, *at)).reshape(28, 28, 4)[..., 0]
        return float(np.abs(picture - own.numpy()).mean())

    page.wait_for_selector(".latent-map[data-keep=mean]")
    through_mean = miss()
    page.locator(".st-key-keep").get_by_role("combobox").click()
    page.get_by_role("option", name="From the last pin").click()
    page.wait_for_selector(".latent-map[data-keep=pinned]")
    through_pin = miss()
    assert through_pin < 1 and through_pin < through_mean / 2


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
    grey = "document.querySelector('.map-plot')._fullData[{}].marker.color === '#9aa0a8'"
    page.locator(".map-plot .legendtoggle").nth(1).click()
    page.wait_for_function("() => " + grey.format(0))
    assert not page.evaluate(grey.format(1))
    page.mouse.move(at[0] - 1, at[1])
    page.mouse.move(*at)
    page.wait_for_function(f"() => !({shown})")
    page.locator(".map-plot .legendtoggle").nth(1).click()
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


def test_the_sheet_is_decoded_behind_the_points(visit):
    page = visit()  # where the plane is the whole space it is shown at once
    painted = """() => {
        const canvas = document.querySelector(".map-sheet")
        const { width, height } = canvas
        const { data } = canvas.getContext("2d").getImageData(0, 0, width, height)
        return data.some((value, i) => i % 4 === 3 && value > 0)
    }"""
    page.wait_for_function(painted)
    page.evaluate(
        """() => {
            const { layers } = latentMaps.get("map")
            const draw = layers.drawSheet.bind(layers)
            window.drawn = 0
            layers.drawSheet = () => { window.drawn++; return draw() }
        }"""
    )
    page.mouse.click(*code_position(page, 12))
    page.wait_for_function("() => latentMaps.get('map').pins.value.at(-1)?.label === '1'")
    page.wait_for_function("async () => { await latentMaps.get('map').work; return true }")
    assert page.evaluate("drawn") == 0, "a pin changes nothing that is decoded there"
    page.get_by_text("Decoded sheet").click()
    page.wait_for_function(f"() => !({painted})()")


@pytest.mark.soak
def test_the_probe_travels_until_the_visitor_touches_the_map(browser, app):
    at = "document.querySelector('.map-probe')?.style.transform"
    for motion in ("no-preference", "reduce"):
        context = browser.new_context(reduced_motion=motion)
        page = context.new_page()
        page.goto(f"{app}/?model=tiny-plane")
        page.wait_for_function(f"() => {at} && ({PIXELS})('.live-mean').some((v) => v > 0)")
        if motion == "reduce":
            assert page.locator(".map-probe").is_hidden()
        else:
            first = page.evaluate(at)
            page.evaluate(  # a moment without a decoder, while another model opens, is no error
                """() => {
                    const map = latentMaps.get("map")
                    const { decoder } = map
                    map.decoder = null
                    map.tour.show(0.5)
                    map.decoder = decoder
                }"""
            )
            page.wait_for_function(f"first => {at} !== first", arg=first)
            page.mouse.move(*stage(page, 0.3, 0.3))
            page.locator(".map-probe").wait_for(state="hidden")
        context.close()


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


def test_the_theme_reaches_the_map(browser, app):
    colours = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{app}/?model=tiny-plane")
        page.wait_for_selector('.latent-map[data-ready^="tiny-plane|"]')
        colours.append(
            page.evaluate(
                """() => [getComputedStyle(document.querySelector(".map-stage")).backgroundColor,
                document.querySelector(".map-plot")._fullLayout.font.color]"""
            )
        )
        context.close()
    assert colours[0][0] != colours[1][0] and colours[0][1] != colours[1][1]


def test_a_slow_answer_never_covers_a_newer_place(page, app):
    """Two requests are under way at most: the third place is asked for when the first is told."""
    page.add_init_script("WebAssembly.validate = () => false")  # the server decodes
    asked = []

    def answer(route):
        asked.append(route)
        if len(asked) == 2:
            route.continue_()

    decoding = "**/live/decode/**"
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector('.latent-map[data-ready][data-exact="false"]')
    page.wait_for_function(
        f"() => ({PIXELS})('.live-mean').some((value) => value > 0)"
    )  # the first one
    page.route(decoding, answer)
    page.evaluate(WATCH)
    with page.expect_request(decoding):
        page.mouse.move(*stage(page, 0.3, 0.3))
    page.mouse.move(*stage(page, 0.66, 0.54))
    page.wait_for_function("() => window.painted > 0 && window.painted === window.moved")
    newer = page.evaluate(PIXELS, ".map-tip-picture")
    with page.expect_request(decoding):
        page.mouse.move(*stage(page, 0.4, 0.4))
    page.mouse.move(*stage(page, 0.5, 0.4))
    with page.expect_request(decoding):  # of the last place, once the late answer has come
        asked[0].continue_()
    assert page.evaluate(PIXELS, ".map-tip-picture") == newer
    assert len(asked) == 4
    for route in asked[2:]:
        route.continue_()
    page.wait_for_function("() => window.painted === window.moved")
    assert page.evaluate(PIXELS, ".map-tip-picture") != newer


def test_codes_are_served_only_for_models_that_exist(app):
    for path in ("maps/nobody/1/codes.bin", "maps/..%2F..%2Fetc/1/codes.bin"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{app}/live/{path}")
        assert refused.value.code in (400, 404)
        refused.value.close()

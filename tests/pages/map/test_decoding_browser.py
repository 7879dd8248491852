"""Pictures decoded under the pointer in a real Chromium, compared with those of Python."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
import torch
from map_page import (
    PIXELS,
    WATCH,
    code_position,
    decoded,
    decoded_at,
    free_place,
    pictured,
    stage,
)

from pages.ui.shared import cache
from pages.ui.shared.pins import from_text
from vae.checkpoint import load_codes, save_codes
from vae.code_distribution import CodeDistribution, save_code_distribution
from vae.codes import decode
from vae.flow import VelocityField
from vae.latent import UNJUDGED, neighbours
from vae.likely_codes import LEVEL

pytestmark = pytest.mark.usefixtures("same_models")


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
    page.get_by_text("Sheet", exact=True).click()
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

"""Fingers on the map, the map over the whole screen, and what follows a lasso."""

from __future__ import annotations

import pytest

RANGES = """() => {
    const { xaxis, yaxis } = document.querySelector(".map-plot")._fullLayout
    return [...xaxis.range, ...yaxis.range]
}"""


def test_two_fingers_zoom_about_what_lies_between_them(browser, app):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True,
        reduced_motion="reduce",
    )  # fmt: skip
    try:
        page = context.new_page()
        page.goto(f"{app}/?model=tiny-plane")
        page.wait_for_selector(".latent-map[data-exact=true]")
        page.wait_for_selector(".latent-map[data-ready]")
        box = page.locator(".map-stage").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before, scrolled = page.evaluate(RANGES), page.evaluate("scrollY")
        touch = context.new_cdp_session(page)

        def fingers(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": px, "y": py, "id": k} for k, (px, py) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", (x - 30, y))
        fingers("touchStart", (x - 30, y), (x + 30, y))
        for apart in (45, 60):
            fingers("touchMove", (x - apart, y), (x + apart, y))
        page.wait_for_function(
            f"""([a, b, c, d]) => {{
                const [e, f, g, h] = ({RANGES})()
                return Math.abs((f - e) / (b - a) - 0.5) < 0.05
                    && Math.abs((h - g) / (d - c) - 0.5) < 0.05
            }}""",
            arg=before,
        )
        fingers("touchEnd")
        after = page.evaluate(RANGES)
        assert abs(sum(after[:2]) - sum(before[:2])) < 0.1 * (before[1] - before[0])
        assert page.evaluate("scrollY") == scrolled
        assert "pins=" not in page.url, "lifting two fingers is no tap"
        words = page.locator(".live-words").text_content()
        assert "finger" in words or "Decoded" in words
    finally:
        context.close()


def test_two_quick_clicks_pin_two_places_and_a_double_click_shows_the_whole_map(page, app):
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector(".latent-map[data-ready][data-exact=true]")
    whole = page.evaluate(RANGES)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function(f"(low) => ({RANGES})()[0] > low", arg=whole[0])
    near = page.evaluate(RANGES)
    box = page.locator(".map-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(
        """() => document.querySelector(".latent-map").addEventListener(
            "answered", () => { window.answered = (window.answered ?? 0) + 1 })"""
    )
    pinned = page.evaluate("latentMaps.get('map').pins.count")
    page.mouse.click(x, y)
    page.mouse.click(x + 60, y)
    assert page.evaluate("latentMaps.get('map').pins.count") == pinned + 2
    page.wait_for_function("() => window.answered")
    assert page.evaluate(RANGES) == near
    page.wait_for_timeout(400)  # longer than a double click takes
    page.mouse.dblclick(x, y + 40)
    page.wait_for_function(f"(low) => ({RANGES})()[0] <= low", arg=whole[0])
    assert page.evaluate(RANGES) == pytest.approx(whole)
    assert page.evaluate("latentMaps.get('map').pins.count") == pinned + 3


def test_what_is_pressed_is_decoded_before_it_is_released_and_once(page, app):
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector(".latent-map[data-ready][data-exact=true]")
    page.wait_for_selector(".pin-view", state="attached")
    page.evaluate(
        """() => {
            const { decoder, root } = latentMaps.get("map")
            const { decode } = decoder
            window.decoded = window.answered = 0
            decoder.decode = (code, options) => {
                window.decoded += Boolean(options?.first)
                return decode.call(decoder, code, options)
            }
            root.addEventListener("answered", () => window.answered++)
            addEventListener("mousedown", () => { // when the pointer is down already
                const { pressed } = latentMaps.get("map").pinning
                window.pressed = [pressed.row, window.decoded]
                window.held = -performance.now()
            }, { capture: true })
            const release = () => { window.held += performance.now() }
            addEventListener("mouseup", release, { capture: true })
        }"""
    )
    box = page.locator(".map-stage").bounding_box()
    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"]
    for away, times in ((0, 1), (3, 2)):  # a place that is three pixels away is another one
        held = 1_000
        while held > 400:  # what a busy machine holds for long is no click
            page.wait_for_timeout(400)  # longer than a double click takes
            x += 15
            answered, decoded = page.evaluate("[answered, decoded]")
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + away, y)
            page.mouse.up()
            held = page.evaluate("held")
        page.wait_for_function("n => answered === n", arg=answered + 1)
        assert page.evaluate("[pressed, decoded]") == [[-1, decoded + 1], decoded + times]


@pytest.mark.soak
def test_the_map_fills_the_screen_and_gives_it_back(page, app):
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector(".latent-map[data-exact=true]")
    small = page.locator(".map-stage").bounding_box()
    button = page.get_by_role("button", name="Full screen")
    button.click()
    page.wait_for_function(
        "() => document.querySelector('.map-stage').clientHeight > 0.8 * innerHeight"
    )
    assert page.locator(".map-stage").bounding_box()["width"] > 1.3 * small["width"]
    page.wait_for_function(
        "() => document.querySelector('.map-plot')._fullLayout.width > 0.9 * innerWidth"
    )
    button.click()
    page.wait_for_function(
        "w => document.querySelector('.map-stage').clientWidth < w", arg=small["width"] + 2
    )


def test_groups_lead_to_their_concept(page, app):
    ids = {
        name: ".".join(map(str, range(start, start + 4))) for name, start in (("a", 0), ("b", 9))
    }
    page.goto(f"{app}/?model=tiny-plane&group-a={ids['a']}")
    page.get_by_text("Lasso B", exact=True).nth(1).wait_for()
    page.goto(f"{app}/?model=tiny-plane&group-a={ids['a']}&group-b={ids['b']}")
    page.get_by_role("button", name="Make a concept").click()
    page.get_by_role("heading", name="Concepts").wait_for()
    page.get_by_text("Group B: 4 images").wait_for()

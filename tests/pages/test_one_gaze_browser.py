"""What one drags and what changes are on one screen: a projector, a desk and a phone."""

from __future__ import annotations

import pytest

SCREENS = ((1024, 576), (1440, 900), (390, 844))  # the first: 1280×720 at 125 %
HEADER = 60  # pixels of the page's head, under which nothing is seen
# Of what matches, the smallest rectangle around it, in pixels of the window.
BOX = """selectors => {
    const search = (root) => {
        const found = selectors.map((selector) => [...root.querySelectorAll(selector)]
            .find((e) => e.getBoundingClientRect().height))
        if (found.every(Boolean)) return found
        for (const e of root.querySelectorAll("*")) {
            const inside = e.shadowRoot && search(e.shadowRoot)
            if (inside) return inside
        }
        return null
    }
    const boxes = search(document)?.map((e) => e.getBoundingClientRect())
    return boxes ? [Math.min(...boxes.map((b) => b.top)), Math.max(...boxes.map((b) => b.bottom)),
        Math.min(...boxes.map((b) => b.left)), Math.max(...boxes.map((b) => b.right))] : null
}"""
PATH = (".live-screens figure:last-child canvas, .live-screens figure:last-child img",
        ".live-screens canvas", ".live-row input[type=range]")  # fmt: skip


@pytest.mark.parametrize(
    ("place", "selectors", "scrolled"),
    [
        ("interpolate?model=tiny-gaussian", PATH, False),
        pytest.param(
            "interpolate?model=tiny-plane&walk=corners",
            (".live-square", ".live-screens"),
            True,
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "interpolate?model=tiny-plane&walk=traversals", PATH, False, marks=pytest.mark.soak
        ),
        ("concepts?model=tiny-gaussian", PATH, False),
        (
            "learn_terms?model=tiny-plane&answers=shown",
            (".plane-stage", ".plane-screen canvas"),
            True,
        ),
        pytest.param(
            "learn_reparameterisation?model=tiny-plane&answers=shown",
            (".noise-space", ".noise-picture"),
            True,
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "learn_codes?answers=shown",
            (".lineup-pictures", "#lineup-slider"),
            True,
            marks=pytest.mark.soak,
        ),
    ],
)
def test_what_one_drags_and_what_changes_are_on_one_screen(page, app, place, selectors, scrolled):
    page.set_viewport_size(dict(zip(("width", "height"), SCREENS[0], strict=True)))
    page.goto(f"{app}/{place}")
    page.wait_for_function(f"() => ({BOX})({list(selectors)!r}) !== null")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("w => document.documentElement.clientWidth === w", arg=width)
        top, bottom, left, right = page.evaluate(BOX, list(selectors))
        assert left >= 0 and right <= width, (width, left, right)
        if scrolled:  # a lesson begins with words
            assert bottom - top <= height - HEADER, (width, top, bottom)
        else:
            assert top >= HEADER / 2 and bottom <= height, (width, top, bottom)


def test_the_decoded_picture_lies_beside_the_map_or_on_it(page, app):
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector(".latent-map[data-exact=true]")
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("w => document.documentElement.clientWidth === w", arg=width)
        page.wait_for_function("""() => {
            const plot = document.querySelector(".map-plot")
            const { width, height } = plot._fullLayout ?? {}
            return Math.max(Math.abs(width - plot.clientWidth),
                Math.abs(height - plot.clientHeight)) < 1
        }""")
        stage = page.locator(".map-stage").bounding_box()
        assert stage["y"] + stage["height"] <= height
        page.mouse.move(
            stage["x"] + 0.5 * stage["width"], stage["y"] + 0.5 * stage["height"], steps=3
        )
        picture = page.locator(".map-tip-picture")
        picture.wait_for(state="visible")
        box = picture.bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= width
        assert 0 <= box["y"] and box["y"] + box["height"] <= height
        if width > 640:
            large = page.locator(".live-mean").bounding_box()
            assert large["y"] >= 0 and large["y"] + large["height"] <= height
            assert page.locator("[data-testid=stHeaderLogo]").first.is_visible()

"""The map before Plotly has come: drawn, decoded, pinned; then Plotly takes over."""

from __future__ import annotations

import itertools
import re

import pytest
from map_page import WATCH, code_position, decoded

pytestmark = pytest.mark.usefixtures("same_models")

LEFTMOST = """() => {
    const {x} = latentMaps.get('map').grid
    return x.indexOf(Math.min(...x))
}"""
TEXTS = "path => [...document.querySelectorAll(path)].map((text) => text.textContent)"


class Held:
    """Requests for Plotly, none of which is answered before `release`."""

    def __init__(self, page) -> None:
        self._page, self._routes, self._free = page, [], False
        page.route("**/live/plotly.min.js", self._hold)

    def _hold(self, route) -> None:
        route.continue_() if self._free else self._routes.append(route)

    def release(self) -> None:
        self._free = True
        for route in self._routes:
            route.continue_()
        self._page.wait_for_selector(".latent-map[data-ready]")


@pytest.fixture
def held(page):
    return Held(page)


def across(page) -> list[float]:
    return page.evaluate("() => latentMaps.get('map').axes.ranges[0]")


def steps(texts: list[str]) -> set[float]:
    numbers = [float(text.replace("−", "-")) for text in texts]
    return {round(b - a, 9) for a, b in itertools.pairwise(numbers)}


def test_a_map_waits_for_no_chart_library(page, app, held):
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector(".latent-map[data-drawn]")
    page.wait_for_function("() => latentMaps.get('map').family")
    assert page.evaluate("() => globalThis.Plotly === undefined")
    page.evaluate(WATCH)
    assert any(decoded(page, 0.5, 0.5))
    row = page.evaluate(LEFTMOST)  # which the zoom puts out of sight
    page.mouse.click(*code_position(page, row))
    (low, high), _ = across(page), page.locator("[data-do=in]").click()
    middle, half = (low + high) / 2, 0.6 * (high - low) / 2
    assert across(page) == pytest.approx([middle - half, middle + half])
    page.wait_for_url(re.compile(f"pins={row}"))
    page.locator("[data-tool=A]").click()
    page.wait_for_function("() => latentMaps.get('map').data.pins.value.length")  # a rerun's
    page.evaluate("() => latentMaps.get('map').work")
    held.release()
    assert across(page) == pytest.approx([middle - half, middle + half], abs=1e-6)
    assert page.evaluate("() => latentMaps.get('map').axes.dragmode") == "lasso"
    assert page.locator(".map-plot > svg").count() == 0  # ours is gone, theirs lie deeper
    assert page.locator(".pin-view h4", has_text=f"Real #{row} ·").is_visible()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("colour", ["class", "kl"])
def test_nothing_moves_when_plotly_takes_over(page, app, held, colour, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{app}/?model=tiny-plane&colour={colour}")
    page.wait_for_selector(".latent-map[data-drawn]")
    where = "() => [latentMaps.get('map').axes.area, latentMaps.get('map').axes.ranges.flat()]"
    area, ranges = page.evaluate(where)
    ours = page.evaluate(TEXTS, ".map-plot > svg text")
    held.release()
    assert page.evaluate(where) == [pytest.approx(area, abs=0.5), pytest.approx(ranges)]
    for axis in "xy":
        theirs = page.evaluate(TEXTS, f".{axis}tick text")
        assert len(theirs) > 2 and set(theirs) <= set(ours)
        first = ours.index(theirs[0])
        assert steps(ours[first : first + len(theirs)]) == steps(theirs)

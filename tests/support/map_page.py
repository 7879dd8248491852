"""What tests of the map do with it in a browser."""

from __future__ import annotations

import re

import numpy as np

__all__ = [
    "PIXELS",
    "WATCH",
    "code_position",
    "decoded",
    "decoded_at",
    "free_place",
    "pictured",
    "stage",
    "view_range",
    "zoom_in",
]

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


def free_place(page) -> tuple[float, float]:
    """A pixel of the page on the map with no point within reach of a click, but one near by."""
    box = page.locator(".map-stage").bounding_box()
    points = np.array([code_position(page, row) for row in range(0, 300)])
    grid = np.stack(np.meshgrid(*np.linspace((0.1, 0.1), (0.9, 0.9), 40).T), -1).reshape(-1, 2)
    pixels = grid * [box["width"], box["height"]] + [box["x"], box["y"]]
    nearest = np.hypot(*(pixels[:, None] - points[None]).transpose(2, 0, 1)).min(1)
    return tuple(pixels[np.argmin(np.abs(nearest - 16))].round().tolist())


def pictured(page, what: str):
    """Pictures of a pin by what they show."""
    return page.get_by_role("img", name=re.compile(f"^{what}"))

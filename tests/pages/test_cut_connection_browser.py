"""The network is gone for half a minute: the session and what was not saved come back."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from train_browser import keyed, press, start

from vae.runs.control import control
from vae.runs.folder import is_alive
from vae.runs.status import read_status

pytestmark = pytest.mark.soak
CUT = 30.0  # seconds


class Wire:
    """A wire to the app, which can be cut: it carries bytes, and knows nothing of them."""

    def __init__(self, address: str) -> None:
        target = urlsplit(address)
        self._target, self._cut = (target.hostname, target.port), threading.Event()
        self._ends: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._cut.set()
        for end in list(self._ends):
            self._end(end)

    def mend(self) -> None:
        self._cut.clear()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._cut.is_set():
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._ends |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while part := one.recv(1 << 16):
                other.sendall(part)
        except OSError:
            pass
        self._end(one)
        self._end(other)

    def _end(self, end: socket.socket) -> None:
        self._ends.discard(end)
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()


def pins(page, count: int) -> None:
    """Waits until the map has so many pins."""
    page.wait_for_function(
        "n => globalThis.latentMaps?.get('map')?.pins.value.length === n", arg=count
    )


def add(page, sample: int) -> None:
    page.get_by_role("button", name="Add to map").click()
    page.get_by_role("option", name=f"Generated sample {sample}", exact=True).click()


@contextlib.contextmanager
def without_network(page, wire: Wire) -> Iterator[None]:
    """Half a minute in which nothing comes through, and after it the page is there again."""
    wire.cut()
    yield
    page.wait_for_timeout(1000 * CUT)  # how long it is gone is what is tested
    wire.mend()
    page.get_by_text("CONNECTING").wait_for(state="hidden")


def stroke(page, kept: int, *places: tuple[float, float]) -> None:
    """Draws a line on the canvas that is shown after so many drawings, by parts of its sides."""
    canvas = keyed(page, f"library-canvas-{kept}").locator(".dc-canvas").last
    canvas.wait_for()
    box = canvas.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def test_a_drawing_outlives_a_cut_connection(page, app):
    wire = Wire(app)
    page.goto(f"{wire.address}/library?shelf=draw")
    keep = keyed(page, "drawing-keep").get_by_role("button")
    expect(keep).to_be_disabled()
    stroke(page, 0, (0.5, 0.2), (0.5, 0.8))
    expect(keep).to_be_enabled()
    keep.click()
    expect(page.get_by_text("1 drawings")).to_be_visible()
    expect(keep).to_be_disabled()
    stroke(page, 1, (0.3, 0.3), (0.7, 0.3))
    expect(keep).to_be_enabled()
    with without_network(page, wire):
        stroke(page, 1, (0.7, 0.3), (0.4, 0.8))  # half a seven, whose other half comes now
    expect(keep).to_be_enabled()
    keep.click()
    expect(page.get_by_text("2 drawings")).to_be_visible()


def test_a_concept_in_the_making_outlives_a_cut_connection(page, app):
    wire = Wire(app)
    page.goto(f"{wire.address}/concepts?model=tiny-plane")
    page.wait_for_selector(".live-decoder[data-ready][data-decoded]")
    keyed(page, "make-open").locator("summary").click()
    keyed(page, "make-how").get_by_role("radio").nth(2).click()
    ticked = keyed(page, "tick-A").locator("button")
    ticked.wait_for()
    for count in (1, 2):
        page.locator(".gallery button").nth(count).click()
        expect(ticked).to_contain_text(f" {count} ")
    with without_network(page, wire):
        page.locator(".gallery button").nth(3).click()
    page.locator(".gallery button").nth(4).click()
    expect(ticked).to_contain_text(" 4 ")


def test_a_training_is_watched_and_steered_after_a_cut_connection(page, app, data):
    wire = Wire(app)
    run = start(page, wire.address, data / "runs", epochs=400)
    page.wait_for_function("() => document.querySelectorAll('.chart[data-drawn]').length === 6")
    try:
        with without_network(page, wire):
            step = read_status(run).step
        assert read_status(run).step > step, "the run goes on without those who watch"
        drawn = "() => Number(document.querySelector('.chart[data-drawn]').dataset.drawn)"
        shown = page.evaluate(drawn)
        page.wait_for_function(f"shown => ({drawn})() > shown", arg=shown)  # it is watched again
        press(page, "pause")
        page.wait_for_selector("[class*='st-key-one-step']")
        assert read_status(run).state == "paused"
    finally:
        if is_alive(run):
            control(run, "stop")


def test_a_visitor_goes_on_where_the_connection_was_cut(page, app):
    wire = Wire(app)
    page.goto(f"{wire.address}/?model=tiny-plane&pins=7.21&group-a=1.2.3")
    page.wait_for_selector('.latent-map[data-ready^="tiny-plane|"]')
    pins(page, 2)
    add(page, 1)
    pins(page, 3)
    wire.cut()
    page.wait_for_timeout(1000 * CUT)  # how long it is gone is what is tested
    pins(page, 3)
    wire.mend()
    page.get_by_text("CONNECTING").wait_for(state="hidden")
    pins(page, 3)
    page.keyboard.press("Escape")
    add(page, 2)
    pins(page, 4)
    expect(page.get_by_role("button", name="Group A: 3 images")).to_be_visible()
    page.wait_for_url(re.compile(r"pins=7\.21\.s"))

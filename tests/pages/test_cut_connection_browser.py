"""The network is gone for half a minute: the session and what was not saved come back."""

from __future__ import annotations

import re
import socket
import threading
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

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

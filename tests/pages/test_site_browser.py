"""A view written as files: shown by a plain file server, with every other request refused."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import imported
import numpy as np
import pytest
import tiny
import torch
from soak import always

from pages.ui.server import packed
from pages.ui.site.__main__ import main
from pages.ui.site.views import VIEWS
from vae import load_checkpoint
from vae.decoder_graph import GraphError

PREFIX = "course/week-3"  # any path of any host
PIN = """() => {
    const map = globalThis.latentMaps.get("map")
    const canvas = document.querySelectorAll(".pin-pictures canvas")[1]
    const { data, height, width } = canvas.getContext("2d").getImageData(
        0, 0, canvas.width, canvas.height)
    const grey = Array.from(data).filter((_, i) => i % 4 === 0)
    return { z: map.pins.value.at(-1).z, grey, height, width }
}"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A function that writes a view and gives the folder that the host shows."""
    data, root = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints", ("tiny-plane", "tiny-gaussian"))

        def write(*arguments: str) -> int:
            with ThreadPoolExecutor(1) as thread:  # this one may have a browser's event loop
                return thread.submit(main, [str(root / PREFIX), *arguments]).result()

        write.folder = root / PREFIX
        yield write


@pytest.fixture
def show(written, page):
    """A function that writes a view and opens it; the page reaches its folder and nothing else."""
    handler = functools.partial(Quiet, directory=written.folder.parents[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    own = f"http://127.0.0.1:{server.server_port}/{PREFIX}/"
    strangers = []

    def gate(route):
        if route.request.url.startswith((own, "data:", "blob:")):
            route.continue_()
        else:
            strangers.append(route.request.url)
            route.abort()

    def open_view(*arguments: str):
        assert written(*arguments) == 0
        page.context.route("**/*", gate)
        page.goto(own)
        return page

    yield open_view
    server.shutdown()
    server.server_close()
    assert not strangers


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_map_needs_no_server(show):
    page = show("--model", "tiny-plane")
    page.wait_for_selector(".latent-map[data-ready]")
    assert not page.query_selector(".site-note")
    assert page.locator(".latent-map").get_attribute("data-exact") == "true"
    place = page.evaluate("""() => {
        const { grid, axes, stage } = globalThis.latentMaps.get("map")
        const [x, y] = axes.toPixels(grid.x[5], grid.y[5])
        const { left, top } = stage.getBoundingClientRect()
        return [left + stage.clientLeft + x, top + stage.clientTop + y]
    }""")
    page.mouse.move(*place)
    page.locator(".live-words", has_text="Decoded at").wait_for()
    page.mouse.click(*place)
    page.wait_for_selector(".pin[data-pin='1']")
    assert page.locator(".pin-pictures figcaption").all_text_contents() == [
        "Original",
        "Reconstruction",
    ]
    assert page.locator(".pin-near figure").count() == 6
    assert re.search(r"KL [\d.]+ and ELBO −[\d,.]+ nats\.$", page.locator(".pin p").inner_text())
    pin = page.evaluate(PIN)
    with torch.no_grad():
        expected = load_checkpoint("tiny-plane").decoder(torch.tensor([pin["z"]])).mean[0, 0]
    shown = np.array(pin["grey"]).reshape(pin["height"], pin["width"])
    assert np.abs(shown - 255 * expected.numpy()).max() < 1.5
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "Enter"):  # a place, by keys
        page.locator(".map-stage").press(key)
    page.wait_for_selector(".pin[data-pin='2']")


@always("view", ["path", "corners"], ["path"])
def test_what_is_dragged_needs_no_server(show, view):
    page = show("--model", "tiny-gaussian", "--view", view)
    page.wait_for_selector(".live-decoder[data-decoded]")
    first = page.locator(".live-decoder").get_attribute("data-decoded")
    if view == "path":
        page.locator(".live-row input").fill("0.2")
    else:
        page.locator(".live-square").press("ArrowRight")
    page.wait_for_function(
        """(first) => {
            const { shadowRoot } = [...document.querySelectorAll(".site-part")]
                .find(({ shadowRoot }) => shadowRoot?.querySelector(".live-decoder"))
            const { decoded } = shadowRoot.querySelector(".live-decoder").dataset
            return decoded && decoded !== first
        }""",
        arg=first,
    )


def test_what_cannot_be_written_says_why(written, monkeypatch, capsys):
    def said(*arguments: str) -> str:
        assert written(*arguments) == 2
        return capsys.readouterr().err

    assert "choose one of digits" in said("--model", "none")
    assert "expected one of" in said("--model", "tiny-plane", "--link", "projection=sphere")
    with monkeypatch.context() as patch:
        patch.setitem(VIEWS, "map", replace(VIEWS["map"], page="glossary.py"))
        assert "nothing of tiny-plane" in said("--model", "tiny-plane")
    (other := written.folder.parent / "other").mkdir(parents=True, exist_ok=True)
    (other / "thesis.txt").write_text("all of it")
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(main, [str(other), "--model", "tiny-plane"]).result() == 2
    assert "holds something else" in capsys.readouterr().err
    assert [file.name for file in other.iterdir()] == ["thesis.txt"]

    def cannot(model, most):
        raise GraphError("This decoder has the operator Foo, which the browser lacks")

    packed._load.clear()
    monkeypatch.setattr(packed, "decoder_bytes", cannot)
    assert "the operator Foo" in said("--model", "tiny-plane")
    packed._load.clear()


@pytest.mark.soak
@pytest.mark.parametrize("view", ["map", "concepts"])
def test_faces_stay_small(show, written, view):
    page = show("--model", "faces", "--view", view)
    ready = ".latent-map[data-ready]" if view == "map" else ".live-decoder[data-decoded]"
    page.wait_for_selector(ready)
    size = sum(file.stat().st_size for file in written.folder.rglob("*") if file.is_file())
    assert size < 12e6, f"{size / 1e6:.1f} MB"


@pytest.mark.soak
def test_an_imported_model_is_written_if_the_browser_can_run_it(show, written, capsys, tmp_path):
    imported.make(tmp_path, ("encoded", "codes-only"))
    page = show("--model", "encoded")
    page.wait_for_selector('.latent-map[data-ready][data-exact="true"]')
    assert written("--model", "codes-only") == 2
    assert "cannot decode codes-only" in capsys.readouterr().err

"""How soon the picture follows the pointer on the map, against Streamlit's own way.

python benchmarks/latency.py [--site] [--json] [MODEL ...]

Starts the app as a visitor would, opens it in a headless Chromium and moves the mouse over the
map for five seconds. A move counts from the time stamp of its pointer event to the return of
`putImageData` on the visible canvas; the wait for the next display frame is told apart. Then a
film strip of ten pictures follows the pointer, and then one picture through the model's learned
distribution, half-way from noise, if it has one. The stock way is `stock_app.py`: 5,000 points in
`st.plotly_chart(on_select="rerun")`, from the click to the new image. With
`--site` the same map is written as files, too, and measured from a plain file server.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import json
import math
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as Late

HERE = Path(__file__).resolve().parent
SECONDS = 5.0
RATE = 125  # moves a second, as of an ordinary mouse
CLICKS = 20
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    # Who drives a browser has it note where each exception was thrown. Plotly throws six while it
    # is read, which would take twice as long as in a visitor's own: 1.75 s in place of 0.95.
    "--js-flags=--no-enable-lazy-source-positions"
).split()

WATCH = """() => {
    const log = (window.log = { moves: [], frames: 0, waits: [], strips: 0 });
    document.querySelector(".latent-map").addEventListener("decoded", ({ detail }) => {
        log.moves.push(detail.painted - detail.moved);
        requestAnimationFrame(() => log.waits.push(performance.now() - detail.painted));
    });
    const frame = () => { log.frames++; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
}"""

STRIP = """async (model) => {
    const { openDecoder } = await import(new URL("live/decoder.js", document.baseURI).href);
    const d = await openDecoder(new URL(".", document.baseURI).href, model);
    const [, height, width] = d.shape;
    const strip = document.body.appendChild(document.createElement("div"));
    strip.style = "position: fixed; left: 0; bottom: 0; z-index: 1000000; pointer-events: none";
    const canvases = Array.from({ length: 10 }, () => {
        const canvas = strip.appendChild(document.createElement("canvas"));
        Object.assign(canvas, { width, height });
        return canvas.getContext("2d");
    });
    const zs = new Float32Array(10 * d.latentDim);
    addEventListener("pointerrawupdate", (event) => {
        const across = (4 * event.clientX) / innerWidth - 2;
        const down = (4 * event.clientY) / innerHeight - 2;
        for (let i = 0; i < zs.length; i++) {
            const k = i % d.latentDim;
            zs[i] = k === 0 ? across : k === d.latentDim - 1 ? down : (i - k) / zs.length - 0.5;
        }
        d.latestMany(zs, 10, (pictures) => {
            pictures.forEach((picture, i) => canvases[i].putImageData(picture.mean, 0, 0));
            log.strips++;
        });
    });
}"""

LEARNED = """async (model) => {
    const { openDecoder } = await import(new URL("live/decoder.js", document.baseURI).href);
    const base = new URL(".", document.baseURI).href;
    const d = await openDecoder(base, model, { flow: true });
    if (!d.flow) return false;
    const [, height, width] = d.shape;
    const canvas = document.body.appendChild(document.createElement("canvas"));
    Object.assign(canvas, { width, height });
    canvas.style = "position: fixed; inset: 0; z-index: 1000000"; // the map hears of no move
    const context = canvas.getContext("2d");
    log.learned = [];
    const ends = Float32Array.from({ length: 2 * d.latentDim }, (_, i) => Math.sin(i * i));
    const [a, b] = await d.toNoise(ends, 2, 0.5);
    addEventListener("pointerrawupdate", (event) => {
        const turn = (2 * event.clientX) / innerWidth + event.clientY / innerHeight;
        const u = a.map((v, i) => Math.cos(turn) * v + Math.sin(turn) * b[i]);
        d.latest(u, (picture) => {
            context.putImageData(picture.mean, 0, 0);
            log.learned.push(performance.now() - event.timeStamp);
        }, { level: 0.5 });
    });
    return true;
}"""

CLICK = """() => {
    const seen = new Set();
    const images = () => document.querySelectorAll('[data-testid="stImage"] img');
    window.times = [];
    let clicked = null;
    addEventListener("pointerup", (event) => {
        images().forEach((image) => seen.add(image.src));
        clicked = event.timeStamp;
    }, { capture: true });
    new MutationObserver(async () => {
        for (const image of images()) {
            if (clicked === null || seen.has(image.src)) continue;
            seen.add(image.src);
            const from = clicked;
            clicked = null;
            await image.decode();
            times.push(performance.now() - from);
        }
    }).observe(document.body, {
        subtree: true, childList: true, attributes: true, attributeFilter: ["src"],
    });
}"""

PLACES = """(n) => {
    const { fullData, layout, box } = (() => {
        const plot = document.querySelector(".js-plotly-plot");
        return { fullData: plot._fullData[0], layout: plot._fullLayout,
                 box: plot.getBoundingClientRect() };
    })();
    const { xaxis, yaxis } = layout;
    return Array.from({ length: n }, (_, i) => [
        box.left + xaxis._offset + xaxis.d2p(fullData.x[i]),
        box.top + yaxis._offset + yaxis.d2p(fullData.y[i]),
    ]);
}"""


@contextlib.contextmanager
def streamlit(script: Path, *arguments: str, folder: Path) -> Iterator[str]:
    """Runs a Streamlit app from `folder` on a free port and gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += ["--server.headless", "true", "--server.port", str(port), "--", *arguments]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    with tempfile.TemporaryFile() as log:
        app = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://localhost:{port}"
            for _ in range(1200):
                with contextlib.suppress(OSError, urllib.error.URLError):
                    urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
                    break
                if app.poll() is not None:
                    log.seek(0)
                    sys.exit(f"{script} did not start:\n{log.read().decode()}")
                time.sleep(0.1)
            yield url
        finally:
            app.terminate()
            app.wait(30)


def wander(page: Page, seconds: float) -> float:
    """Moves the mouse over the map, 125 times a second; gives the seconds it took."""
    box = page.locator(".latent-map .nsewdrag").first.bounding_box()
    started = time.perf_counter()
    for step in range(int(seconds * RATE)):
        angle = 2 * math.pi * step / RATE
        across = 0.5 + 0.4 * math.sin(0.37 * angle)
        down = 0.5 + 0.4 * math.sin(0.53 * angle + 1)
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        time.sleep(max(0.0, started + (step + 1) / RATE - time.perf_counter()))
    return time.perf_counter() - started


def ours(browser: Browser, url: str, model: str) -> dict[str, Any]:
    """Measures the map of one model."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda _: requests.append(socket.url)),
    )
    page.goto(f"{url}/?model={model}")
    page.wait_for_selector('.latent-map[data-ready][data-exact="true"]', timeout=120_000)
    wander(page, 2)  # fetches the thumbnails
    page.wait_for_load_state("networkidle")
    page.evaluate(WATCH)
    page.wait_for_timeout(200)
    requests.clear()
    page.evaluate("log.frames = 0")
    seconds = wander(page, SECONDS)
    page.wait_for_timeout(100)
    log = page.evaluate("log")
    asked = len(requests)
    page.evaluate(STRIP, model)
    page.wait_for_timeout(500)
    page.evaluate("log.strips = 0")
    strip_seconds = wander(page, SECONDS)
    strips = page.evaluate("log.strips")
    page.close()
    learned = through_the_flow(browser, url, model)
    moves = log["moves"]
    return {
        "move_to_paint_ms": percentiles(log["moves"]),
        "learned_move_to_paint_ms": learned,
        "presentation_ms": round(statistics.median(log["waits"]), 2),
        "pictures_per_second": round(len(moves) / seconds, 1),
        "page_fps": round(log["frames"] / (seconds + 0.1), 1),
        "server_requests": asked,
        "ten_pictures_per_second": round(strips / strip_seconds, 1),
    }


def through_the_flow(browser: Browser, url: str, model: str) -> dict[str, float] | None:
    """Measures the same on a page that decodes through the model's learned distribution."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{url}/?model={model}")
    page.wait_for_selector('.latent-map[data-ready][data-exact="true"]', timeout=120_000)
    page.evaluate(WATCH)
    found = None
    if page.evaluate(LEARNED, model):
        wander(page, 1)
        page.evaluate("log.learned = []")
        wander(page, SECONDS)
        found = percentiles(page.evaluate("log.learned"))
    page.close()
    return found


class Files(http.server.SimpleHTTPRequestHandler):
    """A plain file server that says nothing."""

    def log_message(self, *_: object) -> None:
        """Writes no log."""


def as_files(browser: Browser, model: str, folder: Path) -> dict[str, float]:
    """Measures the map as `make site` writes it."""
    command = [sys.executable, "-m", "pages.ui.site", str(folder), "--model", model]
    subprocess.run(command, cwd=HERE.parent, check=True, capture_output=True)
    handler = functools.partial(Files, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.wait_for_selector('.latent-map[data-ready][data-exact="true"]', timeout=120_000)
    wander(page, 2)
    page.evaluate(WATCH)
    wander(page, SECONDS)
    moves = page.evaluate("log.moves")
    page.close()
    server.shutdown()
    server.server_close()
    return percentiles(moves)


def percentiles(times: list[float]) -> dict[str, float]:
    """The median and the 95th percentile, in milliseconds."""
    times = sorted(times)
    middle, late = statistics.median(times), times[int(0.95 * len(times))]
    return {"p50": round(middle, 2), "p95": round(late, 2)}


def stock(browser: Browser, url: str) -> float:
    """Gives the median milliseconds from a click to the new image, the stock way."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    page.wait_for_selector(".js-plotly-plot .nsewdrag", timeout=120_000)
    page.wait_for_timeout(2000)
    page.evaluate(CLICK)
    for click, (x, y) in enumerate(page.evaluate(PLACES, CLICKS)):
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        page.wait_for_timeout(300)
        page.mouse.click(x, y)
        try:
            page.wait_for_function(f"() => times.length > {click}", timeout=20_000)
        except Late:
            page.evaluate("times.push(NaN)")  # a click that hit the same point again
        page.wait_for_timeout(300)
    times = [t for t in page.evaluate("times")[2:] if t is not None and t == t]
    page.close()
    if not times:
        sys.exit("The stock app showed no picture after any click; is its model listed?")
    return statistics.median(times)


def main() -> None:
    """Measures each model and prints a table; with `--json`, one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["digits", "faces"])
    parser.add_argument("--site", action="store_true", help="the map as files, too")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit("No chromium was found; install it to run this benchmark.")
    results: dict[str, dict[str, Any]] = {}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as elsewhere:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        with streamlit(HERE.parent / "app.py", folder=HERE.parent) as url:
            for model in options.models:
                results[model] = ours(browser, url, model)
                if options.site:
                    files = Path(elsewhere) / f"{model}-site"
                    results[model]["site_move_to_paint_ms"] = as_files(browser, model, files)
        for model in options.models:
            # From a folder of its own, so that this repository's settings do not help it.
            with streamlit(HERE / "stock_app.py", model, folder=Path(elsewhere)) as url:
                click = stock(browser, url)
            mine = results[model]["move_to_paint_ms"]["p50"]
            results[model] |= {
                "stock_click_ms": round(click, 1),
                "ratio_to_stock": round(click / mine, 1),
            }
        browser.close()
    rows = {
        "move to paint, median ms": lambda r: r["move_to_paint_ms"]["p50"],
        "move to paint, 95th percentile ms": lambda r: r["move_to_paint_ms"]["p95"],
        "… through the learned distribution, 95th": lambda r: (
            r["learned_move_to_paint_ms"]["p95"] if r["learned_move_to_paint_ms"] else "–"
        ),
        "… as files, 95th": lambda r: r.get("site_move_to_paint_ms", {}).get("p95", "–"),
        "wait for the next frame, median ms": lambda r: r["presentation_ms"],
        "pictures a second": lambda r: r["pictures_per_second"],
        "frames a second": lambda r: r["page_fps"],
        "requests to the server": lambda r: r["server_requests"],
        "film strips of ten a second": lambda r: r["ten_pictures_per_second"],
        "stock way: click to image, median ms": lambda r: r["stock_click_ms"],
        "times quicker than the stock way": lambda r: r["ratio_to_stock"],
    }
    print(f"{'':38}" + "".join(f"{model:>12}" for model in results))
    for label, read in rows.items():
        print(f"{label:38}" + "".join(f"{read(r):12}" for r in results.values()))
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()

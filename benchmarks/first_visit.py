"""How soon the map is drawn: after the command that starts the app, and for a second visitor.

python benchmarks/first_visit.py [--times 3] [--json] [--record]

Each time the app starts in a new process with an empty data folder and a browser that has kept
nothing opens it as soon as the port answers; then a second one comes. The map counts as drawn
when its points and axes are, and as whole when its legend is and a drag moves it. The browser
itself runs before the command is given, for a visitor's does, too. Told are medians, in seconds,
and where the first visitor's time went.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from latency import CHROMIUM, QUIET
from playwright.sync_api import Browser, sync_playwright
from results import report
from serving import ROOT, processor

PATIENCE = 120_000  # milliseconds
NOTE = """() => {
    const map = ".latent-map"
    const marks = { headed: "h1", drawn: `${map}[data-drawn]`, whole: `${map}[data-ready]` }
    const times = (window.times = {})
    const look = () => {
        for (const [name, selector] of Object.entries(marks)) {
            if (!times[name] && document.querySelector(selector)) {
                requestAnimationFrame(() => { times[name] ??= Date.now() / 1000 })
            }
        }
    }
    const all = { subtree: true, childList: true, attributes: true }
    new MutationObserver(look).observe(document, all)
}"""


def visit(browser: Browser, address: str) -> dict[str, float]:
    """Seconds from going to the address until each step of a visit."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(f"({NOTE})()")
    begun = time.time()
    asked = []
    page.on("websocket", lambda _: asked.append(time.time()))
    page.goto(address, wait_until="commit")
    page.wait_for_function("() => window.times?.whole", timeout=PATIENCE)
    times = {"asked": asked[0], **page.evaluate("() => window.times")}
    context.close()
    return {name: at - begun for name, at in times.items()}


def start(browser: Browser) -> dict[str, float]:
    """Starts the app, and has two visitors open it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--log-level", "warning", "app:app"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        own = {"LATENT_MODE": "single-user", "LATENT_DATA": data, "PYTHONPATH": str(ROOT)}
        begun = time.monotonic()
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=ROOT,
            env=os.environ | own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert server.poll() is None, "the app has ended"
                    time.sleep(0.02)
            answers = time.monotonic() - begun
            first = visit(browser, f"http://127.0.0.1:{port}/")
            used = processor(server.pid)
            second = visit(browser, f"http://127.0.0.1:{port}/")
        finally:
            server.terminate()
            server.wait(30)
    return {
        "first_s": answers + first["drawn"],
        "second_s": second["drawn"],
        "first_whole_s": answers + first["whole"],
        "second_whole_s": second["whole"],
        "port_answers_s": answers,
        "page_has_asked_s": answers + first["asked"],
        "heading_shown_s": answers + first["headed"],
        "server_processor_s": used,
    }


def main() -> None:
    """Measures, and prints a table and, with `--json`, one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=3, metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="keep the figures in results.md")
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit("No chromium was found; install it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        browser.new_page().close()
        found = [start(browser) for _ in range(options.times)]
        browser.close()
    names = found[0]
    figures = {name: round(statistics.median(one[name] for one in found), 2) for name in names}
    report("First visits", figures, options)


if __name__ == "__main__":
    main()

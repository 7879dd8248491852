"""A class in one room: many visitors on one server, each with the map, pins and other pages.

python benchmarks/classroom.py [--visitors 200] [--seconds 120] [--browsers 1] [--json] [--record]

Visitors are sessions that speak Streamlit's own protocol over WebSockets; beside them a few real
browsers click on the map. As a browser does, a session tells Python of each pin by a request of
the map's own, which runs no page, and starts the map's run only where the answer asks for one; it
fetches the original of the image, and asks for what only the server can say of it where nothing
else is pinned within 0.7 seconds, and again as often as the server says; so it does of the pin
that a map opens with. A pin counts from its
request to the answer, or to the end of the run; in a browser, from the release of the button to
the painted reconstruction and neighbours. On `empty_app.py`, which shows what Streamlit itself
takes on this machine, a pin is a message of the same size and the run that it starts. A training
run goes on beside and gives way, as one of the app's does.

Clients share the processors with the server (`client_cores` says how much of them), and others may
use the machine. The browsers would have machines of their own: they go first where Linux allows it
(`browsers_first`), for without that the slowest of their clicks wait until the class has had its
share of the processors, up to 100 ms. What does not depend on that is the server's own processor
time: before the class comes, one visitor after another opens the map (`server_ms_per_visit`), and
one pins images that nobody has pinned before (`server_ms_per_pin`, all requests included);
`server_cores` is what the class then takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from results import report
from serving import ROOT, TOKEN, browsers_go_first, memory, processor, rests, served, training
from sessions import Fetcher, Seen, Session, look, visit, visit_all
from websockets.asyncio.client import connect

HERE = Path(__file__).resolve().parent
ALONE = 20  # visits one after another, and twice as many pins
CLICKS = 80
HELD = 70  # milliseconds for which a person holds the button down


def p95(seconds: list[float]) -> float | None:
    """The 95th percentile in milliseconds; None of nothing."""
    if len(seconds) < 2:
        return round(1000 * seconds[0], 1) if seconds else None
    return round(1000 * statistics.quantiles(seconds, n=20, method="inclusive")[-1], 1)


async def hear(address: str, seconds: float, delays: list[float]) -> None:
    """Listens to the room as a pupil's page does; keeps how late each event is."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /live/room HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while line := await reader.readline():
                if line.startswith(b"data: ") and (lead := json.loads(line[6:]).get("lead")):
                    delays.append(time.monotonic() - lead["pointer"]["x"])
    writer.close()


async def follow(address: str, visitors: int, seconds: float) -> list[float]:
    """How late a room hears of the presenter's pointer, in seconds."""
    delays: list[float] = []
    listeners = [hear(address, seconds, delays) for _ in range(visitors)]
    crowd = asyncio.gather(*listeners)
    end = time.monotonic() + seconds - 1
    while time.monotonic() < end:
        place = {"view": "map", "x": time.monotonic(), "y": 0.0}
        body = json.dumps({"address": "/map", "model": "faces", "pointer": place}).encode()
        request = urllib.request.Request(f"{address}/live/room/lead", body, method="POST")
        request.add_header("Cookie", f"latent-presenter={TOKEN}")
        await asyncio.to_thread(lambda asked=request: urllib.request.urlopen(asked).close())
        await asyncio.sleep(0.1)
    await crowd
    return delays


WATCH = """() => {
    window.answers = [];
    document.querySelector(".latent-map").addEventListener("answered", ({ detail }) =>
        window.answers.push(detail.painted - detail.released));
}"""


def click_in_browsers(address: str, count: int, seconds: float) -> tuple[list[float], bool]:
    """Clicks on the map in real browsers while the class is there.

    Returns:
        Seconds until each was painted, and whether the browsers had a processor before others.
    """
    from latency import CHROMIUM, QUIET
    from playwright.sync_api import TimeoutError as Late
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit("No chromium was found; install it, or leave browsers out: --browsers 0.")

    found: list[float] = []
    end = time.monotonic() + seconds
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        first = browsers_go_first()
        pages = [browser.new_page(viewport={"width": 1280, "height": 800}) for _ in range(count)]
        for page in pages:
            page.set_default_timeout(120_000)
            page.goto(f"{address}/?model=faces")
            page.wait_for_selector(".latent-map[data-ready][data-exact=true]")
            page.wait_for_selector(".pin-view", state="attached")
            page.evaluate(WATCH)
        chance = random.Random(0)
        for _ in range(CLICKS):
            if time.monotonic() > end:
                break
            for page in pages:
                box = page.locator(".map-plot .nsewdrag").first.bounding_box()
                across, up = chance.uniform(0.2, 0.8), chance.uniform(0.2, 0.8)
                before = page.evaluate("answers.length")
                x, y = box["x"] + across * box["width"], box["y"] + up * box["height"]
                page.mouse.move(x, y)
                page.mouse.click(x, y, delay=HELD)
                # A click that a busy machine takes for a long press pins nothing.
                with contextlib.suppress(Late):
                    answered = "(before) => answers.length > before"
                    page.wait_for_function(answered, arg=before, timeout=5_000)
                page.wait_for_timeout(400)
        for page in pages:
            found += [ms / 1000 for ms in page.evaluate("answers")]
        browser.close()
    return found, first


async def costs(address: str, process: int) -> dict[str, float]:
    """Processor time of the server in milliseconds: of a first visit, and of a pin."""
    stream, seen = address.replace("http", "ws", 1) + "/_stcore/stream", Seen()
    fetcher, used = Fetcher(address), processor(process)
    for _ in range(ALONE):
        async with connect(stream, subprotocols=["streamlit"], max_size=None) as connection:
            session = Session(connection, seen, fetcher)
            await session.run("", "model=faces")
    opened = processor(process)
    async with connect(stream, subprotocols=["streamlit"], max_size=None) as connection:
        session = Session(connection, seen, fetcher)
        await session.run("", "model=faces")
        before = processor(process)
        for row in range(2 * ALONE):
            await session.pin(500 + row)
            await look(session, fetcher, 500 + row, "alone", 0.0)
        pinned = processor(process)
    fetcher.close()
    return {
        "server_ms_per_visit": round(1000 * (opened - used) / ALONE, 1),
        "server_ms_per_pin": round(1000 * (pinned - before) / (2 * ALONE), 1),
    }


async def measure(address: str, process: int, options: argparse.Namespace) -> dict[str, Any]:
    """The app's figures."""
    first = Seen()
    alone = argparse.Namespace(**vars(options) | {"visitors": 1, "seconds": 3.0, "every": 1.0})
    await visit(address, first, alone, 0.0)  # models are opened before the class comes
    await asyncio.to_thread(rests, process)
    alone = await costs(address, process)
    before, used, own = memory(process), processor(process), time.process_time()
    begun = time.monotonic()
    peak = asyncio.create_task(_peak(process, options.seconds))
    crowd = asyncio.create_task(visit_all(address, options))
    clicks, first = [], False
    if options.browsers:
        await asyncio.sleep(min(30.0, options.seconds / 4))
        rest = options.seconds / 2
        clicks, first = await asyncio.to_thread(click_in_browsers, address, options.browsers, rest)
    led = await follow(address, options.visitors, min(10.0, options.seconds / 4))
    seen = await crowd
    took = time.monotonic() - begun
    return {
        "visitors": options.visitors,
        "seconds": options.seconds,
        "errors": len(seen.errors),
        "lost_sessions": seen.lost,
        "pins": len(seen.pins),
        "pin_p50_ms": round(1000 * statistics.median(seen.pins), 1) if seen.pins else None,
        "pin_p95_ms": p95(seen.pins),
        **alone,
        "server_cores": round((processor(process) - used) / took, 2),
        "client_cores": round((time.process_time() - own) / took, 2),
        "pin_browser_p95_ms": p95(clicks),
        "browsers_first": first,
        "follow_p95_ms": p95(led),
        "open_p95_ms": p95(seen.opens),
        "mb_per_visitor": round((await peak - before) / options.visitors, 2),
        "what_failed": sorted(set(seen.errors))[:5],
    }


async def _peak(process: int, seconds: float) -> float:
    most, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, memory(process))
        await asyncio.sleep(0.5)
    return most


def main() -> None:
    """Measures, and prints a table and, with `--json`, one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--visitors", type=int, default=200, metavar="N")
    parser.add_argument("--seconds", type=float, default=120.0, metavar="S")
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="between pins")
    parser.add_argument("--browsers", type=int, default=1, metavar="N")
    parser.add_argument("--no-training", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="keep the figures in results.md")
    options = parser.parse_args()
    serve = [sys.executable, "-m", "uvicorn", "--log-level", "warning"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        data = Path(place)
        with contextlib.ExitStack() as stack:
            if not options.no_training:
                stack.enter_context(training(data))
            app = [*serve, "app:app"]
            with served(app, ROOT, data, data / "app.log") as (address, process):
                options.app_port = address.rpartition(":")[2]
                figures = asyncio.run(measure(address, process, options))
            empty_app = data / "empty.py"
            empty_app.write_text(
                f"import streamlit as st\napp = st.App({str(HERE / 'empty_app.py')!r})\n"
            )
            nothing = [*serve, "--app-dir", str(data), "empty:app"]
            with served(nothing, ROOT, data, data / "empty.log") as (address, process):
                empty = asyncio.run(visit_all(address, options))
                used = processor(process)
        figures["empty_app_p95_ms"] = p95(empty.pins)
        figures["empty_app_server_ms_per_pin"] = round(1000 * used / max(len(empty.pins), 1))
    report("A class in one room", figures, options)


if __name__ == "__main__":
    main()

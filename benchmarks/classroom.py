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
run goes on beside, at the lowest priority.

Clients share the processors with the server (`client_cores` says how much of them), and others may
use the machine. What does not depend on that is the server's own processor time: before the
class comes, one visitor after another opens the map (`server_ms_per_visit`), and one pins images
that nobody has pinned before (`server_ms_per_pin`, all requests included);
`server_cores` is what the class then takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from results import report
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.BidiComponent_pb2 import BidiComponent
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGES = ("interpolate", "concepts", "learn_elbo")  # that a visitor goes to between maps
STAYED = 0.7  # seconds after which a browser asks for more of a pin
ALONE = 20  # visits one after another, and twice as many pins
OPENING = 180.0  # seconds that a first visit may take
CLICKS = 80
HELD = 70  # milliseconds for which a person holds the button down
REST = 10.0  # seconds without work after which a server is warm
TOKEN = "the-token-of-a-benchmark"
DIMENSIONS = 40  # of the message's code, as the faces model has


@dataclass
class Seen:
    """What all visitors saw.

    Args:
        opens: seconds until a first page was complete.
        pins: seconds until Python had a pin.
        errors: runs that showed an exception, by what it said.
        lost: sessions that ended before the visitor left.
    """

    opens: list[float] = field(default_factory=list)
    pins: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lost: int = 0


@dataclass
class Session:
    """One visitor: a connection, and where the map's component is."""

    connection: ClientConnection
    seen: Seen
    fetcher: Fetcher
    component: str = ""
    fragment: str = ""
    pins: int = 0
    about: dict[str, Any] = field(default_factory=dict)  # addresses of what a pin needs

    async def run(self, page: str, query: str = "") -> None:
        """Opens a page and waits until it is complete."""
        asked = BackMsg()
        asked.rerun_script.query_string = query
        asked.rerun_script.page_name = page
        await self._ask(asked)

    async def pin(self, row: int) -> None:
        """Clicks a point and waits until Python has it."""
        self.pins += 1
        click = {
            "count": self.pins,
            "model": "faces",
            "kind": "real",
            "row": row,
            "z": [0.123456789] * DIMENSIONS,
            "approximate": False,
        }
        clicks = [click]
        if self.about:
            told = {"token": self.about["token"], "view": "map", "clicks": clicks}
            answer = json.loads(await self.fetcher.get(self.about["tell"], json.dumps(told)))
            if not answer["anew"]:
                return
            clicks = []
        asked = BackMsg()
        asked.rerun_script.fragment_id = self.fragment
        state = asked.rerun_script.widget_states.widgets.add(id=self.component)
        state.json_value = json.dumps({"pinned": {"value": clicks, "count": self.pins}})
        await self._ask(asked)

    async def _ask(self, asked: BackMsg) -> None:
        await self.connection.send(asked.SerializeToString())
        while True:
            message = ForwardMsg.FromString(await self.connection.recv())
            kind = message.WhichOneof("type")
            if kind == "script_finished":
                return
            if kind != "delta":
                continue
            element = message.delta.new_element
            if element.WhichOneof("type") == "exception":
                self.seen.errors.append(element.exception.message)
            is_map = element.WhichOneof("type") == "bidi_component" and (
                element.bidi_component.component_name.endswith(("latent_map", "empty"))
            )
            if is_map:
                self.component = element.bidi_component.id
                if not self.about and "latent_map" in element.bidi_component.component_name:
                    self.about = _addresses(element.bidi_component)
                self.fragment = message.delta.fragment_id


def _addresses(component: BidiComponent) -> dict[str, Any]:
    """Where the map fetches what it shows of a pin, and tells of it; its token and first pin."""
    (data,) = json.loads(component.json or component.mixed.json)
    places = {name: data["base"] + data[name] for name in ("image", "about", "tell")}
    return places | {"token": data["token"], "first": data["pins"]["value"][0]["row"]}


class Fetcher:
    """Fetches over one connection that stays open, as a browser does."""

    def __init__(self, address: str, cookie: str = "") -> None:
        self._place, self._cookie = address.removeprefix("http://"), cookie
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, body: str | None = None) -> bytes:
        """What is answered, to a POST where there is a body; it must not be an error."""
        async with self._turn:
            try:
                head, content = await self._get(path, body)
            except (OSError, asyncio.IncompleteReadError):  # the server let go of an idle one
                self.close()
                head, content = await self._get(path, body)
        if " 200 " not in head.partition("\r\n")[0]:
            raise ConnectionError(f"{path}: {head.partition(chr(13))[0]}")
        return content

    async def _get(self, path: str, body: str | None) -> tuple[str, bytes]:
        if self._streams is None:
            host, _, port = self._place.partition(":")
            self._streams = await asyncio.open_connection(host, int(port))
        reader, writer = self._streams
        method, content = "GET" if body is None else "POST", (body or "").encode()
        length = "" if body is None else f"Content-Length: {len(content)}\r\n"
        own = f"Cookie: {self._cookie}\r\n" if self._cookie else ""
        request = f"{method} {path} HTTP/1.1\r\nHost: {self._place}\r\n{own}{length}\r\n"
        writer.write(request.encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].split("\r\n")[0])
        return head, await reader.readexactly(length)

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def look(session: Session, fetcher: Fetcher, row: int, who: object, stay: float) -> None:
    """What a browser fetches of a pin that it shows, until another is pinned."""
    number = session.pins
    await fetcher.get(f"{session.about['image']}?row={row}")
    wait: float | None = stay
    while wait is not None:
        await asyncio.sleep(wait)
        if session.pins != number:
            return
        answer = await fetcher.get(f"{session.about['about']}?row={row}&who={who}")
        wait = json.loads(answer)["again"] if stay else None


async def visit(address: str, seen: Seen, options: argparse.Namespace, start: float) -> None:
    """One visitor from coming to leaving."""
    # A browser has several connections: what it shows does not hold up what it tells.
    chance, fetcher, browser = random.Random(start), Fetcher(address), Fetcher(address)
    looking: list[asyncio.Task[None]] = []

    async def show(row: int) -> None:
        if session.about:
            done = [task for task in looking if task.done()]
            looking[:] = [task for task in looking if task not in done]
            await asyncio.gather(*done)  # what failed is lost
            looking.append(asyncio.create_task(look(session, browser, row, start, STAYED)))

    await asyncio.sleep(start)
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    begun = time.monotonic()
    end = begun + options.seconds
    try:
        async with connect(
            stream, subprotocols=["streamlit"], max_size=None, open_timeout=OPENING
        ) as connection:
            session = Session(connection, seen, fetcher)
            await session.run("", "model=faces")
            seen.opens.append(time.monotonic() - begun)
            if not session.component:
                seen.errors.append("the page has no map")
                return
            row = session.about.get("first", 0)
            await show(row)
            page_until = time.monotonic() + 60 * chance.uniform(0.5, 1)
            next_pin = time.monotonic() + options.every * chance.random()
            while (now := time.monotonic()) < end:
                if now > page_until and address.endswith(options.app_port):
                    await session.run(chance.choice(PAGES))
                    await session.run("", "model=faces")
                    await show(row)
                    page_until = time.monotonic() + 60
                await asyncio.sleep(max(0.0, min(next_pin, end) - time.monotonic()))
                sent = time.monotonic()
                if sent >= end:
                    break
                row = chance.randrange(500)
                await session.pin(row)
                seen.pins.append(time.monotonic() - sent)
                await show(row)
                next_pin = max(next_pin + options.every, time.monotonic())
    except (ConnectionClosed, OSError, TimeoutError, asyncio.IncompleteReadError):
        seen.lost += 1
    finally:
        for task in looking:
            task.cancel()
        fetcher.close()
        browser.close()


async def visit_all(address: str, options: argparse.Namespace) -> Seen:
    """All visitors, who come one after another within half a minute or a quarter of the time."""
    seen, within = Seen(), min(30.0, options.seconds / 4)
    starts = [within * k / options.visitors for k in range(options.visitors)]
    await asyncio.gather(*(visit(address, seen, options, start) for start in starts))
    return seen


@contextlib.contextmanager
def served(
    command: list[str], folder: Path, data: Path, log: Path, mode: str = "room"
) -> Iterator[tuple[str, int]]:
    """Serves an app on a free port; gives its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"LATENT_DATA": str(data), "LATENT_MODE": mode, "LATENT_TOKEN": TOKEN}
    own["PYTHONPATH"] = str(ROOT)
    with log.open("w") as out:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=os.environ | own,
            stdout=out,
            stderr=out,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(1200):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                    break
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
            yield address, server.pid
        finally:
            server.terminate()
            server.wait(30)


def memory(process: int) -> float:
    """What a process holds in memory, in MB; nan where the system does not say."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return float("nan")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def processor(process: int) -> float:
    """Seconds of processor time that a process has used; nan where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def click_in_browsers(address: str, count: int, seconds: float) -> list[float]:
    """Clicks on the map in real browsers while the class is there; seconds until it is painted."""
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
    return found


@contextlib.contextmanager
def training(data: Path) -> Iterator[None]:
    """A run that trains meanwhile and whoever else wants the processor goes first."""
    settings = "--dataset digits --latent-dim 2 --epochs 1000 --device cpu --quiet"
    command = [sys.executable, "-m", "vae", "train", *settings.split()]
    process = subprocess.Popen(
        [*command, "--out", str(data / "runs" / "beside")],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=(lambda: os.nice(19)) if hasattr(os, "nice") else None,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def rests(process: int) -> None:
    """Waits until a server has had nothing to do for longer than it pauses while it warms up."""
    used, since = processor(process), time.monotonic()
    while time.monotonic() - since < REST:
        time.sleep(1.0)
        if (now := processor(process)) - used > 0.05:
            since = time.monotonic()
        used = now


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
    clicks: list[float] = []
    if options.browsers:
        await asyncio.sleep(min(30.0, options.seconds / 4))
        rest = options.seconds / 2
        clicks = await asyncio.to_thread(click_in_browsers, address, options.browsers, rest)
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

"""Many who watch the same training: what the server has to do for each beyond the first.

python benchmarks/watching.py [--watchers 100] [--seconds 30] [--json] [--record]

Watchers are sessions that speak Streamlit's own protocol over WebSockets and do what a browser
with the Train page does: they run a fragment again as often as the server has asked for it, with
the state of its widgets, and listen to the stream of what is new of the run where the page names
one. A small model of digits trains beside, and gives way. What counts is the server's own
processor time with one watcher and with all of them, which depends little on who else uses the
machine; `client_cores` says how much of the processors the watchers themselves took.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from results import report
from serving import ROOT, processor, rests, served, training
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

RUN = "beside"  # as `classroom.training` names it
WARM = 10.0  # seconds after all have come, before anything is measured


@dataclass
class Watched:
    """What all watchers saw.

    Args:
        opened: watchers whose page was complete.
        runs: runs of the page or of a fragment that have ended.
        events: events of the stream.
        bytes: what came over the stream.
        errors: exceptions that the page showed.
    """

    opened: int = 0
    runs: int = 0
    events: int = 0
    bytes: int = 0
    errors: list[str] = field(default_factory=list)


async def watch(address: str, seen: Watched) -> None:
    """One watcher, until it is cancelled."""
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    timers: dict[str, tuple[float, asyncio.Task[None]]] = {}
    feeds: dict[str, asyncio.Task[None]] = {}
    opened = False
    connected = connect(stream, subprotocols=["streamlit"], max_size=None, open_timeout=180)
    try:
        async with connected as connection:
            asked = BackMsg()
            asked.rerun_script.query_string, asked.rerun_script.page_name = f"run={RUN}", "train"
            await connection.send(asked.SerializeToString())
            async for content in connection:
                message = ForwardMsg.FromString(content)
                kind = message.WhichOneof("type")
                if kind == "script_finished":
                    seen.runs += 1
                    seen.opened += not opened
                    opened = True
                elif kind == "auto_rerun":
                    every, fragment = message.auto_rerun.interval, message.auto_rerun.fragment_id
                    if fragment in timers and timers[fragment][0] == every:
                        continue
                    if fragment in timers:
                        timers[fragment][1].cancel()
                    again = asyncio.create_task(_again(connection, fragment, every))
                    timers[fragment] = every, again
                elif kind == "stop_auto_rerun":
                    for fragment in message.stop_auto_rerun.fragment_ids:
                        if fragment in timers:
                            timers.pop(fragment)[1].cancel()
                elif kind == "delta":
                    element = message.delta.new_element
                    if element.WhichOneof("type") == "exception":
                        seen.errors.append(element.exception.message)
                    if element.WhichOneof("type") == "bidi_component":
                        sent = element.bidi_component
                        (data,) = json.loads(sent.json or sent.mixed.json or "[{}]")
                        feed = data.get("feed") if isinstance(data, dict) else None
                        if feed and feed not in feeds:
                            feeds[feed] = asyncio.create_task(_hear(address, feed, seen))
    finally:
        for task in [*feeds.values(), *(task for _, task in timers.values())]:
            task.cancel()


async def _again(connection: ClientConnection, fragment: str, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        asked = BackMsg()
        asked.rerun_script.fragment_id, asked.rerun_script.is_auto_rerun = fragment, True
        asked.rerun_script.query_string, asked.rerun_script.page_name = f"run={RUN}", "train"
        await connection.send(asked.SerializeToString())


async def _hear(address: str, feed: str, seen: Watched) -> None:
    """Listens to what is new of the run, as the page does."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**24)
    writer.write(f"GET {feed} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            seen.events += line.startswith(b"data: ")
            seen.bytes += len(line)
    finally:
        writer.close()


async def cores(address: str, process: int, watchers: int, seconds: float) -> dict[str, Any]:
    """The server's cores, and what so many watchers saw, after they have come."""
    seen = Watched()
    crowd = []
    for _ in range(watchers):
        crowd.append(asyncio.create_task(watch(address, seen)))
        await asyncio.sleep(0.1)
    try:
        while seen.opened < watchers:
            assert not any(task.done() for task in crowd), [t for t in crowd if t.done()]
            await asyncio.sleep(0.5)
        await asyncio.sleep(WARM)
        used, own, begun = processor(process), time.process_time(), time.monotonic()
        runs, events, content = seen.runs, seen.events, seen.bytes
        await asyncio.sleep(seconds)
        took = time.monotonic() - begun
        return {
            "server_cores": round((processor(process) - used) / took, 3),
            "client_cores": round((time.process_time() - own) / took, 3),
            "runs_per_watcher_second": round((seen.runs - runs) / took / watchers, 2),
            "events_per_watcher_second": round((seen.events - events) / took / watchers, 2),
            "kb_per_watcher_second": round((seen.bytes - content) / took / watchers / 1000, 1),
            "errors": len(seen.errors),
        }
    finally:
        for task in crowd:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*crowd, return_exceptions=True)


async def measure(address: str, process: int, options: argparse.Namespace) -> dict[str, Any]:
    """The figures with one watcher, with all, and what is between them."""
    await asyncio.to_thread(rests, process)
    one = await cores(address, process, 1, options.seconds)
    many = await cores(address, process, options.watchers, options.seconds)
    beyond = round(many["server_cores"] - one["server_cores"], 3)
    return {
        "watchers": options.watchers,
        "seconds": options.seconds,
        "cores_beyond_the_first": beyond,
        **{f"{name}_of_one": value for name, value in one.items()},
        **{f"{name}_of_all": value for name, value in many.items()},
    }


def main() -> None:
    """Measures, and prints a table and, with `--json`, one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--watchers", type=int, default=100, metavar="N")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="keep the figures in results.md")
    options = parser.parse_args()
    serve = [sys.executable, "-m", "uvicorn", "--log-level", "warning", "app:app"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        data = Path(place)
        with training(data), served(serve, ROOT, data, data / "app.log") as (address, process):
            figures = asyncio.run(measure(address, process, options))
    report("Many who watch one training", figures, options)


if __name__ == "__main__":
    main()

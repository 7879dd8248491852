"""What a second replica behind nginx adds: pins that a class gets answered in a second.

python benchmarks/replicas.py [--visitors 60] [--share 0.2] [--seconds 30] [--json] [--record]

One server, then two, stand behind nginx with the configuration of `deploy/`, share a data folder
and are one room. Each may use a given share of a processor (by control groups, which needs Linux
and root), as if it had a machine of its own: on this one replicas, nginx and the class would take
the processors from each other. Visitors open the map, then pin images, each as soon as the last
pin is answered and its picture fetched. Counted are the pins of all, and the processor time that
the replicas take for each.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from classroom import p95
from results import report
from serving import ROOT, processor, rests, served
from sessions import Fetcher, Seen, Session
from websockets.asyncio.client import connect

DEPLOY = ROOT / "deploy"
PERIOD = 20_000  # microseconds in which a share is used up
SETTLED = 5.0  # seconds under the bound before anything is counted
GROUPS = Path("/sys/fs/cgroup")
SERVER = """
daemon off; pid {folder}/pid; error_log {folder}/errors; events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
    upstream explorer {{ hash $uid_got$uid_set consistent; {servers} }}
    server {{
        listen 127.0.0.1:{port};
        userid on;
        userid_name latent_replica;
        include {location};
    }}
}}
"""


@contextlib.contextmanager
def proxied(folder: Path, addresses: list[str]) -> Iterator[str]:
    """Puts nginx before some replicas, to which visitors stick by a cookie; gives its address."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servers = " ".join(f"server {address.removeprefix('http://')};" for address in addresses)
    location = DEPLOY / "nginx-location.conf"
    text = SERVER.format(folder=folder, port=port, servers=servers, location=location)
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextlib.contextmanager
def bounded(process: int, share: float) -> Iterator[None]:
    """Lets a process use a share of one processor, and no more."""
    old = GROUPS / "cpu"  # of control groups in their first version
    group = (old if old.is_dir() else GROUPS) / f"latent-{process}"
    quota = f"{int(share * PERIOD)}"
    try:
        group.mkdir()
        if old.is_dir():
            (group / "cpu.cfs_period_us").write_text(f"{PERIOD}")
            (group / "cpu.cfs_quota_us").write_text(quota)
        else:
            (group / "cpu.max").write_text(f"{quota} {PERIOD}")
        (group / "cgroup.procs").write_text(str(process))
    except OSError as problem:
        sys.exit(f"A replica cannot be bounded here ({problem}): run this on Linux as root.")
    try:
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(process))
        group.rmdir()


async def pin(
    address: str, seen: Seen, rows: Iterator[int], open_: asyncio.Semaphore, go: asyncio.Event
) -> None:
    """One visitor, who opens the map, waits for all others, and pins until cancelled."""
    # As nginx would write it at a first visit: sixteen bytes that say nothing.
    cookie = f"latent_replica={base64.b64encode(secrets.token_bytes(16)).decode()}"
    fetcher = Fetcher(address, cookie)
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    headers = {"Cookie": cookie}
    async with connect(
        stream, subprotocols=["streamlit"], max_size=None, additional_headers=headers
    ) as connection:
        session = Session(connection, seen, fetcher)
        async with open_:
            await session.run("", "model=faces")
        seen.opens.append(time.monotonic())
        await go.wait()
        while True:
            row, sent = next(rows), time.monotonic()
            await session.pin(row)
            seen.pins.append(time.monotonic() - sent)
            await fetcher.get(f"{session.about['image']}?row={row}")


async def measure(
    address: str, processes: list[int], options: argparse.Namespace
) -> dict[str, Any]:
    """How many pins the replicas answer in a second, each within its share of a processor."""
    seen, go, turns = Seen(), asyncio.Event(), asyncio.Semaphore(4)
    images = list(range(2_000))
    random.Random(0).shuffle(images)
    rows = itertools.cycle(images)
    class_ = [
        asyncio.create_task(pin(address, seen, rows, turns, go)) for _ in range(options.visitors)
    ]
    while len(seen.opens) < options.visitors:
        await asyncio.wait(class_, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        for task in class_:
            if task.done():
                task.result()
    for process in processes:
        await asyncio.to_thread(rests, process)
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.enter_context(bounded(process, options.share))
        go.set()
        await asyncio.sleep(SETTLED)
        before, used = len(seen.pins), sum(map(processor, processes))
        own, begun = time.process_time(), time.monotonic()
        await asyncio.sleep(options.seconds)
        took = time.monotonic() - begun
        own = time.process_time() - own
        used = sum(map(processor, processes)) - used
        pins = seen.pins[before:]
        for task in class_:
            task.cancel()
    ended = await asyncio.gather(*class_, return_exceptions=True)
    failed = [str(e) for e in ended if not isinstance(e, asyncio.CancelledError)] + seen.errors
    return {
        "pins_per_s": round(len(pins) / took, 1),
        "pin_p95_ms": p95(pins),
        "server_ms_per_pin": round(1000 * used / max(len(pins), 1), 1),
        "server_cores": round(used / took, 2),
        "client_cores": round(own / took, 2),
        "errors": len(failed),
    }


def main() -> None:
    """Measures, and prints a table and, with `--json`, one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--visitors", type=int, default=60, metavar="N")
    parser.add_argument("--share", type=float, default=0.2, help="of a processor, for a replica")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="keep the figures in results.md")
    options = parser.parse_args()
    if shutil.which("nginx") is None:
        sys.exit("nginx was not found; install it.")
    os.environ["LATENT_ROOM"] = "shared"
    serve = [sys.executable, "-m", "uvicorn", "--log-level", "warning", "app:app"]
    figures: dict[str, Any] = {"visitors": options.visitors, "share": options.share}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        data = Path(place)
        for count in (1, 2):
            with contextlib.ExitStack() as stack:
                replicas = [
                    stack.enter_context(served(serve, ROOT, data, data / f"app-{count}-{k}.log"))
                    for k in range(count)
                ]
                for _, process in replicas:
                    rests(process)
                folder = data / f"nginx-{count}"
                address = stack.enter_context(proxied(folder, [a for a, _ in replicas]))
                found = asyncio.run(measure(address, [p for _, p in replicas], options))
                figures |= {f"{name}_{count}": value for name, value in found.items()}
    figures["ratio"] = round(figures["pins_per_s_2"] / figures["pins_per_s_1"], 2)
    report("Two replicas behind nginx", figures, options)


if __name__ == "__main__":
    main()

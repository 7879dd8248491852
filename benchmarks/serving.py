"""The app in a process of its own for a benchmark, and what that process takes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REST = 10.0  # seconds without work after which a server is warm
TOKEN = "the-token-of-a-benchmark"


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


@contextlib.contextmanager
def training(data: Path) -> Iterator[None]:
    """A run that trains meanwhile, and gives way to whoever else wants the processor."""
    settings = "--dataset digits --latent-dim 2 --epochs 1000 --device cpu --quiet"
    command = [sys.executable, "-m", "vae", "train", *settings.split()]
    process = subprocess.Popen(
        [*command, "--out", str(data / "runs" / "beside")],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # as the app starts it
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def browsers_go_first() -> bool:
    """Whether Linux lets the browsers that this process has begun go before all others.

    They then have a processor when they want it, as on machines of their own.
    """
    mine, changed = {os.getpid()}, 0
    for process in sorted(int(folder.name) for folder in Path("/proc").glob("[0-9]*")):
        try:
            parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) not in mine:
                continue
            mine.add(process)
            if "chrom" in Path(f"/proc/{process}/comm").read_text():
                Path(f"/proc/{process}/autogroup").write_text("-10", encoding="ascii")
                changed += 1
        except OSError:  # it has ended, or only an administrator may
            continue
    return changed > 0


def rests(process: int) -> None:
    """Waits until a server has had nothing to do for longer than it pauses while it warms up."""
    used, since = processor(process), time.monotonic()
    while time.monotonic() - since < REST:
        time.sleep(1.0)
        if (now := processor(process)) - used > 0.05:
            since = time.monotonic()
        used = now

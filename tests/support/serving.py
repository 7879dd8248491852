"""The app in a process of its own, as whoever starts it would have it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["served"]

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def served(data: Path, **environment: str) -> Iterator[tuple[str, int]]:
    """Serves the app from a data folder, where its log is then; its address and process.

    Args:
        data: the data folder.
        environment: variables of the server, which opens models when they are asked for.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (data / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"LATENT_DATA": str(data), "LATENT_WARM": "no"} | environment,
            stdout=log,
            stderr=log,
        )
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, (data / "log").read_text()
                time.sleep(0.1)
        try:
            yield address, server.pid
        finally:
            server.terminate()
            server.wait(20)

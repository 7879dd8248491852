"""No full garbage collection follows a visitor's run, however the app is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from soak import always
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = {
    "uvicorn": ["uvicorn", "app:app", "--port", "{port}"],
    "streamlit": ["streamlit", "run", "app.py", "--server.port", "{port}"],
}
# Runs in the server before all else: writes down who collects.
SPY = """
import gc, os, sys
collect = gc.collect
def spy(*arguments):
    with open(os.environ["COLLECTIONS"], "a") as out:
        print(sys._getframe(1).f_code.co_filename, file=out)
    return collect(*arguments)
gc.collect = spy
spy(0)
"""


@always("way", list(COMMANDS), ["uvicorn"])
def test_nothing_is_collected_after_a_run(tmp_path, way):
    (tmp_path / "sitecustomize.py").write_text(SPY)
    collections = tmp_path / "collections"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [part.format(port=port) for part in COMMANDS[way]]
    headless = ["--server.headless", "true"] if way == "streamlit" else []
    own = {"COLLECTIONS": str(collections), "LATENT_DATA": str(tmp_path)}
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, *headless],
            cwd=ROOT,
            env=os.environ | own | {"PYTHONPATH": path},
            stdout=log,
            stderr=log,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", server)
            _visit(f"ws://127.0.0.1:{port}/_stcore/stream", runs=3)
        finally:
            server.terminate()
            server.wait(30)
    callers = collections.read_text().splitlines()
    assert any("sitecustomize" in name for name in callers), "the spy is not there"
    assert not [name for name in callers if "script_runner" in name]


def _wait(address: str, server: subprocess.Popen) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.1)


def _visit(address: str, runs: int) -> None:
    """Runs the Train page as a browser would, several times: a run's collection comes after it."""
    with connect(address, subprotocols=["streamlit"], max_size=None, open_timeout=60) as session:
        for _ in range(runs):
            message = BackMsg()
            message.rerun_script.page_name = "train"
            session.send(message.SerializeToString())
            answer = ForwardMsg()
            while answer.WhichOneof("type") != "script_finished":
                answer.ParseFromString(session.recv(120))

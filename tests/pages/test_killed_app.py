"""The app is killed in the middle of things: nothing half made is left after its next start."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import uvicorn
from PIL import Image
from starlette.applications import Starlette

from pages.ui.server import routes, uploads
from pages.ui.shared import incoming, jobs, outgoing
from vae import list_checkpoints, load_checkpoint
from vae.datasets import load_dataset
from vae.exchange import export_model, import_model
from vae.imports import import_source, list_damaged, list_datasets
from vae.in_progress import temporary_folder

torch.set_num_threads(1)
JOB = "import-killed"
KILLS = 50
MIDDLE = (  # of each thing that is going on
    "datasets/.*.importing",
    "checkpoints/.*.importing",
    "outgoing/.*.making/[!.]*",  # written under another name first
    "incoming/*/.*.part",
    "temporary/.*.temporary/*",
)


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(jobs, "_jobs", {})
    (tmp_path / "pictures").mkdir()
    for k in range(12):
        pixels = np.random.default_rng(k).integers(0, 255, (8, 8), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{k}.png")
    tiny.make(tmp_path / "data" / "checkpoints", ("tiny-plane",))
    export_model("tiny-plane", tmp_path / "model.zip")
    return tmp_path / "data"


class App:
    """A process that does all at once, again and again, until it is killed.

    Args:
        place: folder of the test.
        token: of an upload that goes on.
        pause: what happens in the middle of each thing.
    """

    def __init__(self, place: Path, token: str, pause: Callable[[], None]) -> None:
        self._place, self._pause, self._number = place, pause, 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._process = os.fork()
        if not self._process:
            with contextlib.suppress(BaseException):
                self._serve(token)
            os._exit(1)
        address = self._socket.getsockname()
        self._socket.close()
        head = f"POST /live/uploads/{token}?name={os.urandom(4).hex()}.zip HTTP/1.1\r\nHost: x\r\n"
        self._upload = socket.create_connection(address)
        self._upload.sendall(f"{head}{uploads.HEADER}: 1\r\nContent-Length: 9\r\n\r\nabc".encode())

    def __enter__(self) -> App:
        return self

    def __exit__(self, *error: object) -> None:
        """Kills it, also where the test fails: it holds what the tests' process had open."""
        os.kill(self._process, signal.SIGKILL)
        ended = os.waitpid(self._process, 0)[1]
        self._upload.close()
        assert ended == signal.SIGKILL, "it ended before it was killed"

    def _serve(self, token: str) -> None:
        incoming._given[token] = None
        for act in (self._import, self._import_model, self._export, self._look):
            threading.Thread(target=self._again, args=(act,), daemon=True).start()
        app = Starlette(routes=uploads.upload_routes("/live"))
        config = uvicorn.Config(app, log_level="critical", ws="none", lifespan="off")
        uvicorn.Server(config).run(sockets=[self._socket])

    def _again(self, act: Callable[[str], object]) -> None:
        while True:
            self._number += 1
            act(f"made-{os.getpid()}-{self._number}")

    def _import(self, name: str) -> None:
        def work(job: jobs.Job) -> None:
            import_source(self._place / "pictures", name, progress=lambda *how: self._pause())

        job = jobs.start(JOB, "Importing", work)
        while job.live:
            time.sleep(0.001)

    def _import_model(self, name: str) -> None:
        file = self._place / "model.zip"
        import_model(file, name, progress=lambda *how: self._pause())

    def _export(self, name: str) -> None:
        def make(file: Path) -> None:
            export_model("tiny-plane", file)
            self._pause()

        outgoing.make_file(f"{name}.zip", make)

    def _look(self, name: str) -> None:
        with temporary_folder() as folder:
            (folder / name).write_bytes(b"x" * 10_000)
            self._pause()


def is_tidy(data: Path) -> None:
    """Asserts that all that is there is whole, and that nothing else is there."""
    hidden = [str(f) for f in data.rglob(".*") if f.name != ".versions.lock"]
    assert hidden == [] and list((data / "temporary").iterdir()) == []
    assert not list_damaged()
    for dataset in list_datasets():
        assert len(load_dataset(dataset.reference, "train").images[:]) > 1
    for checkpoint in list_checkpoints():
        if checkpoint.name.startswith("made"):
            load_checkpoint(checkpoint.folder)
    size = {file.stat().st_size for file in (data / "outgoing").glob("*/*.zip")}
    assert len(size) <= 1, size


def test_what_was_going_on_is_gone_after_the_next_start_and_said(data, tmp_path):
    token = incoming.new_token()
    incoming.folder_of(token).mkdir(parents=True)
    (incoming.folder_of(token) / "whole.zip").write_bytes(b"whole")
    with App(tmp_path, token, lambda: threading.Event().wait(60)):
        until = time.monotonic() + 60
        while not all(any(data.glob(place)) for place in MIDDLE):
            assert time.monotonic() < until, [p for p in MIDDLE if not any(data.glob(p))]
            time.sleep(0.01)
        before = {str(file) for place in MIDDLE for file in data.glob(place)}
        routes.tidy()  # of another server, which leaves alone what this one is at
        assert before == {str(file) for place in MIDDLE for file in data.glob(place)}
    routes.tidy()
    is_tidy(data)
    assert incoming.files_in(token) == [("whole.zip", 5)]
    assert "restarted in the middle" in jobs.find(JOB).problem


@pytest.mark.soak
def test_killed_at_any_moment_it_leaves_nothing_half_made(data, tmp_path, record_property):
    moments = random.Random(0)
    token = incoming.new_token()
    incoming.folder_of(token).mkdir(parents=True)
    found = 0
    for _ in range(KILLS):
        with App(tmp_path, token, lambda: time.sleep(moments.uniform(0, 0.01))):
            time.sleep(moments.uniform(0.0, 0.6))  # the moment is what is tested
        found += sum(1 for place in MIDDLE for _ in data.glob(place))
        routes.tidy()
        is_tidy(data)
    assert found > KILLS
    record_property("kills", KILLS)
    record_property("half made", found)

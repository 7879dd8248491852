"""A disk that is full or read-only: a sentence for whoever acts, and nothing half done is left."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import full_disk, read_only, tree
from small_run import CONFIG, train
from soak import product
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from pages.ui.server import uploads
from pages.ui.shared import incoming, jobs
from pages.ui.shared.visitor import LibraryState, Visitor
from vae import list_checkpoints, load_checkpoint
from vae.exchange import export_model
from vae.imports import export_dataset, import_images, list_datasets
from vae.runs import manager
from vae.runs.config import RunError
from vae.runs.control import Control, control
from vae.runs.manager import list_runs, save_run
from vae.runs.status import read_status

torch.set_num_threads(1)
PAGES = Path(__file__).resolve().parents[2] / "pages"
DISKS = ("full", "full after 1 kB", "read-only")
TAKEN = ("disk is full", "cannot be changed (Read-only file system)")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A data folder with a stopped run, a model, a dataset, and what can be imported."""
    place = tmp_path_factory.mktemp("made")
    data = place / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        train(data / "runs" / "one", CONFIG, control=_stopped)
        save_run(data / "runs" / "one", "kept")
        pixels = np.random.default_rng(0).integers(0, 255, (60, 8, 8), np.uint8)
        import_images(pixels, "mine", labels=np.arange(60) % 2, classes=("a", "b"))
        export_dataset("mine", place / "set.zip")
        export_model("kept", place / "model.zip")
    return place


@pytest.fixture
def data(made, tmp_path, monkeypatch) -> Path:
    shutil.copytree(made, tmp_path / "made")
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "made" / "data"))
    monkeypatch.setattr(jobs, "_jobs", {})
    monkeypatch.setattr(manager, "_start", _Process)
    return tmp_path / "made" / "data"


def _stopped(step: int) -> Control:
    return Control("stop" if step > 9 else "run")


class _Process:
    """In place of one that would train."""

    def __init__(self, *command, **how) -> None: ...

    def poll(self) -> int:
        return 0


def page(name: str, **state) -> AppTest:
    at = AppTest.from_file(PAGES / name, default_timeout=60)
    for key, value in state.items():
        at.session_state[key.replace("_", "-")] = value
    return at.run()


def said(at: AppTest, job: bool = False) -> str:
    """What a page says, of a job that it has begun at its end."""
    if job:
        wait(("import-", "model-"))
        at.run()
    assert not at.exception, at.exception
    parts = (at.error, at.toast, at.success)
    return " ".join(part.value for each in parts for part in each).replace("\\", "")


def wait(kinds: tuple[str, ...]) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith(kinds):
            thread.join(60)


def upload(data: Path, name: str) -> str:
    token = incoming.new_token()
    incoming.folder_of(token).mkdir(parents=True)
    shutil.copy(data.parent / name, incoming.folder_of(token) / name)
    return token


def clicked(button: str, name: str, **state):
    """Opens a page beforehand; the action clicks a button."""

    def prepare(data: Path):
        at = page(name, **state)
        assert not at.exception, at.exception
        return lambda: said(at.button(key=button).click().run())

    return prepare


def imported(data: Path):
    state = Visitor(library=LibraryState(token=upload(data, "set.zip")))
    at = page("library.py", shelf="import", visitor=state)
    wait(("inspect-",))
    at.run()
    return lambda: said(at.button(key="import").click().run(), job=True)


def model_imported(data: Path):
    state = Visitor(library=LibraryState(model_token=upload(data, "model.zip")))
    at = page("library.py", shelf="models", visitor=state)
    return lambda: said(at.button(key="do-import-model").click().run(), job=True)


def noted(data: Path):
    at = page("train.py", run="one", train_view="watch")
    at.text_area(key="note-one").set_value("x" * 1_500)
    return lambda: said(at.button(key="keep-note").click().run())


def saved(data: Path):
    at = page("train.py", run="one", train_view="watch")
    next(text for text in at.text_input if text.label == "Name").set_value("fresh")
    return lambda: said(at.button(key="save").click().run())


def steered(data: Path):
    def act() -> str:
        try:
            control(data / "runs" / "one", "pause")
        except RunError as refused:
            return str(refused)
        return ""

    return act


def linked(data: Path):
    pins = ".".join(["0"] * 900)

    def script(pins: str) -> None:
        from pages.ui.shared import links

        links.put("pins", pins)
        links.query()

    at = AppTest.from_function(script, args=(pins,))
    return lambda: said(at.run())


def drawn(data: Path):
    def script(token: str) -> None:
        import torch

        from pages.ui.library.drawing import _keep

        _keep(token, torch.rand(1, 28, 28), "cat")

    at = AppTest.from_function(script, args=(incoming.new_token(),))
    return lambda: said(at.run())


def sent(data: Path):
    """The route of uploads, asked without a server: its answer."""
    token, header = incoming.new_token(), uploads.HEADER.lower().encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/live/uploads/{token}",
        "query_string": b"name=a.zip",
        "headers": [(header, b"1")],
    }
    answer = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"x" * 10_000}

    async def send(message: dict) -> None:
        answer.append(message.get("body", b""))

    app = Starlette(routes=uploads.upload_routes("/live"))

    def act() -> str:
        with ThreadPoolExecutor(1) as thread:  # for a browser's loop may run in this one
            thread.submit(lambda: asyncio.run(app(scope, receive, send))).result()
        return json.loads(b"".join(answer)).get("error", "")

    return act


ANYWAY = {  # writes bytes, and so fails where the disk is full
    "start": clicked("start", "train.py", train_view="new"),
    "resume": clicked("resume", "train.py", run="one", train_view="watch"),
    "save": saved,
    "note": noted,
    "steer": steered,
    "import": imported,
    "import a model": model_imported,
    "link": linked,
    "draw": drawn,
    "upload": sent,
}
CHANGES = {  # only removes or renames
    "delete": clicked("delete", "train.py", run="one", train_view="watch"),
    "delete a model": clicked("delete-kept", "library.py", shelf="models"),
    "rename a model": clicked("do-rename-kept", "library.py", shelf="models", new_kept="other"),
    "rename a set": clicked("do-rename-mine", "library.py", shelf="datasets", new_mine="other"),
}


@product(6, name=list(ANYWAY), disk=list(DISKS))
def test_what_cannot_be_written_says_so_and_leaves_nothing(data, name, disk):
    act = ANYWAY[name](data)
    before, models = tree(data), [c.name for c in list_checkpoints()]
    with read_only(data) if disk == "read-only" else full_disk(_limit(disk)):
        words = act()
    fits = name in ("note", "steer", "draw", "resume", "start", "link") and disk.endswith("kB")
    assert fits or any(taken in words for taken in TAKEN) or "could not be written" in words, words
    if not fits:
        after = tree(data)
        assert {k: v for k, v in after.items() if before.get(k) != v} == {}
        assert before == after
    assert [c.name for c in list_checkpoints()] == models
    assert [run.name for run in list_runs()] == ["one"] or fits
    assert [d.name for d in list_datasets()] == ["mine"]
    load_checkpoint("kept")


def _limit(disk: str) -> int:
    return 1_000 * int(disk.split()[2]) if "after" in disk else 0


@product(1, name=list(CHANGES))
def test_what_cannot_be_changed_says_so(data, name):
    act = CHANGES[name](data)
    before = tree(data)
    with read_only(data):
        assert TAKEN[1] in act()
    assert tree(data) == before
    act = CHANGES[name](data)
    act()
    assert tree(data) != before, "it works as soon as the disk can be written to"


def test_a_run_ends_with_a_sentence_and_keeps_its_last_checkpoint(data):
    run = data / "runs" / "one"
    good = {n: (run / n).read_bytes() for n in ("model.safetensors", "state.safetensors")}
    with full_disk(5_000):
        status = train(run, resume=True)
    assert status.state == "failed" and "disk is full" in status.message
    assert {n: (run / n).read_bytes() for n in good} == good
    assert not list(run.rglob("*.unfinished")) and read_status(run).state == "failed"
    assert train(run, resume=True).state == "finished"

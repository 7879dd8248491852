"""What happens meanwhile: a run deleted under a viewer, by another server, or a clock set back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_run import CONFIG, MODEL, train
from soak import share
from streamlit.testing.v1 import AppTest

from vae.runs import manager
from vae.runs.config import RunError
from vae.runs.control import Control
from vae.runs.folder import write_json
from vae.runs.manager import delete_run, list_runs, resume_run
from vae.runs.metrics import read_metrics
from vae.runs.status import read_status

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
STILL, WORKED = 300, 240  # seconds in which nothing changes; seconds of a processor


# One dimension needs no t-SNE, which takes twenty times as long as all the rest.
NO_MAP = replace(CONFIG, model=MODEL | {"latent_dim": 1})


@pytest.fixture
def run(tmp_path, monkeypatch, request) -> Path:
    """A run that was stopped."""
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data" / "runs" / "one"
    config = getattr(request, "param", CONFIG)
    train(folder, config, control=lambda step: Control("stop" if step > 9 else "run"))
    return folder


def test_a_run_may_be_deleted_under_whoever_watches_it_or_explores_it(run):
    for page, state in (("train.py", {"run": "one", "train-view": "watch"}),
                        ("train.py", {"train-view": "compare"}),
                        ("map.py", {"model": "one"}),
                        ("library.py", {"shelf": "runs"})):  # fmt: skip
        shutil.copytree(run, run.parent / "kept", dirs_exist_ok=True)
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=60)
        at.switch_page(page)
        for key, value in state.items():
            at.session_state[key] = value
        assert not at.run().exception
        shutil.rmtree(run)
        assert not at.run().exception, page
        shutil.copytree(run.parent / "kept", run)
        shutil.rmtree(run.parent / "kept")


@share("rounds", 3, 100)
def test_two_servers_resume_and_delete_the_same_run(run, monkeypatch, rounds, record_property):
    """Whoever is first: the run is there as a whole, or it is gone as a whole."""
    monkeypatch.setattr(manager, "_start", _Process)
    shutil.copytree(run, run.parents[1] / "copy")
    ends = set()
    for number in range(rounds):
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(run.parents[1] / "copy", run)
        said: list[str] = []

        def act(function, wait: float) -> None:
            time.sleep(wait)  # each round begins in another order
            try:
                function(run)
            except RunError as refusal:
                said.append(str(refusal))  # noqa: B023

        late = (0.0, 0.002, 0.01)[number % 3]
        threads = [
            threading.Thread(target=act, args=(resume_run, 0.01 - late)),
            threading.Thread(target=act, args=(delete_run, late)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        listed = [found.name for found in list_runs()]
        ends.add(bool(listed))
        if listed:
            assert (run / "state.safetensors").exists() and (run / "config.json").read_bytes()
        else:
            assert not run.exists() or not {f.name for f in run.iterdir()} - {"run.lock"}, said
            shutil.rmtree(run, ignore_errors=True)
    assert ends
    record_property("rounds", rounds)


SERVER = """
import sys, time
from pathlib import Path
from vae.runs import manager
from vae.runs.config import RunError
act, run, go = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
Path(sys.argv[4]).touch()
while not go.exists():
    time.sleep(0.001)
try:
    getattr(manager, act + "_run")(run)
    print("done")
except RunError as refusal:
    print(f"refused: {refusal}")
"""


def at_once(run: Path, *acts: str) -> list[str]:
    """What each of several processes says that do something with a run at the same moment."""
    go = run.parents[1] / "go"
    ready = [run.parents[1] / f"ready{k}" for k in range(len(acts))]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SERVER, act, str(run), str(go), str(there)],
            stdout=subprocess.PIPE, text=True,
        )
        for act, there in zip(acts, ready, strict=True)
    ]  # fmt: skip
    while not all(there.exists() for there in ready):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    go.touch()
    said = [process.communicate()[0].strip() for process in processes]
    for file in (go, *ready):
        file.unlink()
    return said


def at_rest(run: Path) -> str:
    """How a run ends; it may take as long as a busy machine makes it, while it goes on.

    The heartbeat alone is no sign that it goes on.
    """
    seen, since = None, time.monotonic()
    while (state := read_status(run)).live:
        now = (replace(state, heartbeat=0.0), int(worked(state.pid)))
        if now != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() < since + STILL and worked(state.pid) < WORKED, state
        time.sleep(0.2)
    return state.state


def worked(process: int | None) -> float:
    """How many seconds of a processor a process has had, where the system tells."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return 0.0


@pytest.mark.parametrize("run", [NO_MAP], indirect=True, ids=[""])
@share("rounds", 1, 12)
def test_two_servers_train_one_run_once(run, rounds, record_property):
    """Real servers' processes and real training: it starts once, and ends as if alone."""
    kept = run.parents[1] / "copy"
    shutil.copytree(run, kept)
    for number in range(rounds):
        said = at_once(run, "resume", "resume")
        assert sorted(word == "done" for word in said) == [False, True], said
        assert at_rest(run) == "finished"
        steps = [row["step"] for row in read_metrics(run)[0]]
        assert steps == sorted(set(steps)), "two processes wrote"
        shutil.rmtree(run)
        shutil.copytree(kept, run)
        said = at_once(run, *(("resume", "delete"), ("delete", "resume"))[number % 2])
        if list_runs():
            assert at_rest(run) == "finished"
        else:
            assert not run.exists() or not {f.name for f in run.iterdir()} - {"run.lock"}, said
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(kept, run)
    record_property("rounds", rounds)


class _Process:
    """In place of one that would train."""

    def __init__(self, *command, **how) -> None: ...

    def poll(self) -> int:
        return 0


def test_a_clock_that_is_set_back_stops_nothing(tmp_path, monkeypatch):
    """By an hour during a run, whose heartbeat goes on."""
    real, back = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() - back[0])

    def heartbeat_after(since: float, before: float) -> None:
        until = time.monotonic() + 20
        while not since < read_status(tmp_path / "one").heartbeat < before:
            assert time.monotonic() < until, "no heartbeat by the new clock"
            time.sleep(0.05)

    def look(step: int) -> Control:
        if step == 4:  # and nothing but the clock changes
            heartbeat_after(real(), real() + 60)
            back[0] = 3600.0
            heartbeat_after(0, real() - 1800)
        return Control()

    status = train(tmp_path / "one", CONFIG, control=look)
    assert status.state == "finished"
    assert 0 < read_status(tmp_path / "one").heartbeat < real() - 1800


def test_a_run_that_died_before_the_clock_was_set_back_is_interrupted(tmp_path):
    write_json(tmp_path / "config.json", CONFIG.to_dict())
    write_json(tmp_path / "status.json", {"state": "starting"})
    assert read_status(tmp_path).state == "starting"  # for a moment, until its process has begun
    ahead = time.time() + 3600
    os.utime(tmp_path / "config.json", (ahead, ahead))
    assert read_status(tmp_path).state == "interrupted"

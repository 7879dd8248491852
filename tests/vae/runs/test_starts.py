"""Runs that nobody has named and that begin in one second: each has a name of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from small_run import CONFIG

from vae.runs.folder import write_json
from vae.runs.manager import list_runs

ROOT = Path(__file__).resolve().parents[3]
SERVERS, SECONDS = 3, 15
# Servers that start runs at the same moment, by clocks that agree.
RACE = r"""
import multiprocessing, sys, time
from pathlib import Path
from types import SimpleNamespace
from vae.runs import manager
from vae.runs.config import RunError, read_config

config, servers, seconds = read_config(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
manager._start = lambda *command, **how: SimpleNamespace(poll=lambda: 0)  # nothing trains
make = Path.mkdir

def slowly(folder, *how, **named):
    time.sleep(0.005)  # as on a slow disk: others look and make meanwhile
    make(folder, *how, **named)

Path.mkdir = slowly
context = multiprocessing.get_context("fork")
gate = context.Barrier(servers)

def serve():
    for second in range(seconds):
        time.strftime = lambda _: f"1127-{second:06}"
        gate.wait(60)
        try:
            said = manager.start_run(config).name
        except RunError as refusal:
            said = f"refused: {refusal}"
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()

children = [context.Process(target=serve) for _ in range(servers)]
[child.start() for child in children]
[child.join() for child in children]
sys.exit(any(child.exitcode for child in children))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Its processes start at once by forking.")
def test_runs_that_begin_in_one_second_have_different_names(data_folder, tmp_path):
    write_json(tmp_path / "config.json", CONFIG.to_dict())
    command = [sys.executable, "-c", RACE, str(tmp_path), str(SERVERS), str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    names = Counter(done.stdout.splitlines())
    assert names.total() == SERVERS * SECONDS and set(names.values()) == {1}, names
    assert set(names) == {run.name for run in list_runs()}
    assert Counter(name.rstrip("b") for name in names) == {
        f"digits-1127-{second:06}": SERVERS for second in range(SECONDS)
    }

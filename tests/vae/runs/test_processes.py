"""Runs as processes: killed, queued, watched, several at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_run import CONFIG, MODEL, same_weights, tensors, train

from vae import load_checkpoint
from vae.__main__ import main
from vae.checkpoint import load_card
from vae.runs import process
from vae.runs.config import RunError
from vae.runs.control import control
from vae.runs.folder import is_alive, lock, write_json
from vae.runs.manager import delete_run, list_runs, start_run
from vae.runs.metrics import read_metrics
from vae.runs.snapshots import list_snapshots
from vae.runs.status import read_status
from vae.training.config import TrainingConfig


def test_a_killed_run_ends_with_the_same_weights(tmp_path):
    config = replace(CONFIG, training=TrainingConfig(epochs=12, batch_size=200))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    write_json(killed / "config.json", config.to_dict())
    command = [sys.executable, "-c", KILLABLE, str(killed)]
    child = subprocess.Popen(command)
    until(lambda: child.poll() is not None or read_status(killed).step >= 60)
    assert child.poll() is None
    child.kill()  # without warning
    child.wait()
    assert read_status(killed).state == "interrupted"
    assert train(killed, resume=True).state == "finished"
    assert train(whole, config).state == "finished"
    assert same_weights(whole, killed)
    rows = [read_metrics(folder)[0] for folder in (whole, killed)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    assert rows[0][-1]["heldout_elbo"] == rows[1][-1]["heldout_elbo"]


def test_a_run_killed_at_any_write_ends_with_the_same_weights(tmp_path):
    """Again and again, before and after files take their names, with a line of metrics torn."""
    config = replace(CONFIG, training=TrainingConfig(epochs=5, batch_size=1125))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(whole, config).state == "finished"
    write_json(killed / "config.json", config.to_dict())
    command = [sys.executable, "-c", DYING, str(killed), "1 -2 25 -26 11 -33"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    steps = [int(step) for step in done.stdout.split()]
    assert steps == sorted(steps) and len(set(steps)) > 3 and 20 < steps[-1] < 40
    assert train(killed, resume=True).state == "finished"
    assert same_weights(whole, killed)
    rows = [read_metrics(folder)[0] for folder in (whole, killed)]
    assert [row["elbo"] for row in rows[0]] == [row["elbo"] for row in rows[1]]
    assert list_snapshots(killed) == [0, 1, 2, 3, 4, 5]


# Runs in processes that die when the trainer has renamed so many files, or, where the number is
# negative, just before; prints the step that is saved then.
DYING = """
import os, pathlib, signal, sys, threading
from vae.tensors import read_tensors
from vae.runs import process
from vae.runs.options import RunOptions
folder = pathlib.Path(sys.argv[1])
state = folder / "state.safetensors"

def run_until(count, after):
    real, own, seen = os.replace, threading.get_ident(), []
    def die():
        with (folder / "metrics.jsonl").open("a") as stream:
            stream.write('{"step": 7, "elb')
        os.kill(os.getpid(), signal.SIGKILL)
    def rename(*files):
        if threading.get_ident() == own:  # not the heartbeat
            seen.append(files)
        if len(seen) == count and not after:
            die()
        real(*files)
        if len(seen) == count:
            die()
    os.replace = rename
    options = RunOptions(save_every=0.0, tsne=False)
    process.run(folder, resume=True, device="cpu", options=options)

for count in map(int, sys.argv[2].split()):
    child = os.fork()
    if not child:
        run_until(abs(count), count > 0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    print(read_tensors(state)[1]["step"] if state.exists() else 0)
"""


@pytest.mark.soak
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(tmp_path, record_property):
    kills = 50
    config = replace(CONFIG, training=TrainingConfig(epochs=5 * kills, batch_size=1125))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(whole, config).state == "finished"
    write_json(killed / "config.json", config.to_dict())
    command = [sys.executable, "-c", MORTAL, str(killed), str(kills)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    steps = [int(step) for step in done.stdout.split()]
    assert len(steps) == kills and steps == sorted(steps)
    record_property("kills", kills)
    assert train(killed, resume=True).state == "finished"
    assert same_weights(whole, killed)
    rows = [read_metrics(folder)[0] for folder in (whole, killed)]
    assert [row["elbo"] for row in rows[0]] == [row["elbo"] for row in rows[1]]
    assert list_snapshots(killed) == list_snapshots(whole)


# Runs in processes that are killed at moments that nobody chose: loading, training, writing.
# Each step takes so long that five epochs of eight steps outlast a process.
MORTAL = """
import os, pathlib, random, signal, sys, time
from vae.tensors import read_tensors
from vae.runs import process
from vae.runs.control import Control
from vae.runs.options import RunOptions
folder = pathlib.Path(sys.argv[1])
state = folder / "state.safetensors"
def slowly(step):
    time.sleep(0.02)
    return Control()
options = RunOptions(save_every=0.05, tsne=False, control=slowly)
moments = random.Random(0)
for number in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        process.run(folder, resume=True, device="cpu", options=options)
        os._exit(0)
    time.sleep(moments.uniform(0.0, 0.8))  # the moment is what is tested
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it ended before it was killed"
    print(read_tensors(state)[1]["step"] if state.exists() else 0)
"""


KILLABLE = """
import sys
from vae.runs import process
from vae.runs.options import RunOptions
from vae.training.distributed import end
options = RunOptions(save_every=0.5, tsne=False)
end(process.run(sys.argv[1], resume=True, device="cpu", options=options).state != "finished")
"""


def test_a_run_gives_way_to_processes_of_other_sessions():
    group = Path("/proc/self/autogroup")
    if not group.exists():
        pytest.skip("Only Linux has groups of sessions.")
    before = group.read_text()  # empty for a process of the system's first session
    asked = """
import os
from pathlib import Path
from vae.runs.process import give_way
give_way()
print(os.nice(0), Path("/proc/self/autogroup").read_text())
"""

    def told(own_session: bool) -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", asked],
            start_new_session=own_session,
            env={name: value for name, value in os.environ.items() if name != "LATENT_NICE"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

    mine, group_of_mine, *_, nice = told(own_session=True)
    assert (mine, nice) == ("10", "10")
    assert group_of_mine not in before.split()
    told(own_session=False)
    assert group.read_text() == before, "a terminal keeps what it had"


@pytest.mark.parametrize("text", ["", "-5", "20", "many", "²"])
def test_a_niceness_that_is_none_is_named(monkeypatch, text):
    monkeypatch.setenv("LATENT_NICE", text)
    with pytest.raises(RunError, match="LATENT_NICE"):
        process.give_way()


def test_runs_queue_pause_step_and_stop(data_folder):
    """Real processes, as the app starts them; the second waits for the first."""
    config = replace(CONFIG, training=TrainingConfig(epochs=100_000, batch_size=1125))
    first = start_run(config, "first")
    until(lambda: read_status(first.folder).step > 0)
    second = start_run(config)
    control(first.folder, "pause")
    until(lambda: read_status(first.folder).state == "paused")
    step = read_status(first.folder).step
    until(lambda: load_checkpoint(first.folder) is not None)
    control(first.folder, single=True)
    until(lambda: read_status(first.folder).step == step + 1)
    until(lambda: read_status(second.folder).state == "waiting")
    assert read_status(first.folder).step == step + 1
    assert is_alive(first.folder) and {run.name for run in list_runs()} == {"first", second.name}
    with pytest.raises(RunError, match="stop it first"):
        delete_run(first.folder)
    assert main(["train", "--out", str(first.folder), "--resume"]) == 2  # it is at work
    control(first.folder, "stop")
    until(lambda: read_status(first.folder).state == "stopped")
    until(lambda: read_status(second.folder).step > 0)
    os.kill(read_status(second.folder).pid, signal.SIGTERM)
    until(lambda: read_status(second.folder).state == "stopped")
    assert read_status(second.folder).step <= load_card(second.folder)["step"]
    until(lambda: not is_alive(first.folder))
    delete_run(first.folder)
    assert [run.name for run in list_runs()] == [second.name]


def until(condition, seconds: float = 240) -> None:
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, [(run.name, read_status(run.folder)) for run in list_runs()]
        time.sleep(0.05)


SLOW_THREADS = """
import os, torch
from vae.training.distributed import end, join, leave
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
group = join("cpu")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
for task in os.listdir("/proc/self/task"):
    if "gloo" in open(f"/proc/self/task/{task}/comm").read():
        os.sched_setscheduler(int(task), os.SCHED_IDLE, os.sched_param(0))
for _ in range(3):
    group.from_first(torch.ones(3)).tolist()
leave(group)
os.write(1, b"said %d " % group.rank)  # in one piece: both write to the same pipe
end(0)
"""


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="Slows single threads down, as Linux can.")
def test_processes_end_well_however_slow_the_threads_between_them(tmp_path):
    """A thread that still held a tensor aborted the process, and with it the others."""
    script = tmp_path / "script.py"
    script.write_text(SLOW_THREADS)
    done = torchrun(script)
    assert done.returncode == 0, done.stderr
    assert "said 0" in done.stdout and "said 1" in done.stdout


def torchrun(script: Path, *arguments: str) -> subprocess.CompletedProcess:
    here = str(Path(__file__).resolve().parents[3])
    distributed = "-m torch.distributed.run --standalone --nproc-per-node 2".split()
    return subprocess.run(
        [sys.executable, *distributed, str(script), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("precision", ["float32", pytest.param("auto", marks=pytest.mark.soak)])
def test_two_processes_reach_what_one_does(tmp_path, precision):
    """The same curve; in 32 bits, where sums of parts are those of the whole, the same weights."""
    training = TrainingConfig(
        epochs=1, batch_size=1127, free_bits=0.5, augmentation=0.3, precision=precision
    )
    config = replace(CONFIG, training=training, model=MODEL | {"channels": [4]})
    one, two = tmp_path / "one", tmp_path / "two"
    assert train(one, config).state == "finished"
    write_json(two / "config.json", config.to_dict())
    script = tmp_path / "killable.py"
    script.write_text(KILLABLE)
    done = torchrun(script, str(two))
    assert done.returncode == 0, done.stderr
    for a, b in zip(read_metrics(one)[0], read_metrics(two)[0], strict=True):
        assert a["elbo"] == pytest.approx(b["elbo"], abs=0.02)
    for name, value in tensors(one).items() if precision == "float32" else ():
        # Sums in another order: to a thousandth, of moments that are far above 1 of their size.
        limit = 1e-3 * max(1.0, np.abs(value).max())
        assert np.abs(value - tensors(two)[name]).max() < limit, name


def test_the_process_holds_its_folder(finished):
    with lock(finished / "run.lock") as held:
        assert held and is_alive(finished)
        with pytest.raises(RunError, match="Another process"):
            process.run(finished, resume=True)
    assert not is_alive(finished)

"""The queue: few processes hold torch, few wait without it, and all others are refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from small_run import CONFIG

from vae.__main__ import main
from vae.runs import manager
from vae.runs.config import RunError
from vae.runs.control import control
from vae.runs.folder import is_alive, write_json
from vae.runs.manager import Run, list_runs, measure, resume_run, start_run
from vae.runs.queue import ESTIMATE, TRAIN, take_ticket, wait_for_turn
from vae.runs.status import read_status
from vae.training.config import TrainingConfig

ROOT = Path(__file__).resolve().parents[3]
LONG = replace(CONFIG, training=TrainingConfig(epochs=100_000, batch_size=1125))
linux = pytest.mark.skipif(sys.platform != "linux", reason="Reads /proc.")


@pytest.fixture
def stopped(data_folder) -> Iterator[None]:
    """Ends all runs of the test, however it ended."""
    yield
    for run in list_runs():
        control(run.folder, "stop")
    until(lambda: not any(is_alive(run.folder) for run in list_runs()))


def until(condition: Callable[[], object], seconds: float = 240) -> None:
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, [(run.name, read_status(run.folder)) for run in list_runs()]
        time.sleep(0.05)


def states() -> dict[str, str]:
    return {run.name: read_status(run.folder).state for run in list_runs()}


def holds_torch(pid: int) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def megabytes(pid: int) -> float:
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in x]
    return int(line.split()[1]) / 1024


def test_the_oldest_is_at_work_four_wait_and_the_next_is_refused(data_folder):
    tickets = [take_ticket(TRAIN) for _ in range(5)]
    assert [ticket.ahead for ticket in tickets] == [0, 1, 2, 3, 4]
    with pytest.raises(RunError, match="The queue is full: 4 processes are waiting"):
        take_ticket(TRAIN)
    measuring = take_ticket(ESTIMATE)  # need not wait, as no other measurement is at work
    assert measuring.ahead == 0
    with pytest.raises(RunError, match="full"):
        take_ticket(ESTIMATE)
    tickets[2].close()  # one that waits may give up
    assert [ticket.ahead for ticket in tickets if ticket is not tickets[2]] == [0, 1, 2, 3]
    tickets[0].close()
    assert tickets[1].ahead == 0 and tickets[3].ahead == 1
    last = take_ticket(TRAIN)
    assert last.ahead == 3
    for ticket in (*tickets[1:2], *tickets[3:], measuring, last):
        ticket.close()
    first = take_ticket(TRAIN)
    assert [file.name for file in (data_folder / "queue").glob("0*")] == ["00000001-train"]
    first.close()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", ""])
def test_a_strange_number_of_runs_is_named(data_folder, monkeypatch, text):
    monkeypatch.setenv("LATENT_RUNS", text)
    with pytest.raises(RunError, match="LATENT_RUNS"):
        take_ticket(TRAIN)


def test_as_many_are_at_work_as_the_server_allows(data_folder, monkeypatch):
    monkeypatch.setenv("LATENT_RUNS", "3")
    tickets = [take_ticket(TRAIN) for _ in range(7)]
    assert [ticket.ahead for ticket in tickets] == [0, 0, 0, 1, 2, 3, 4]
    for ticket in tickets:
        ticket.close()


def test_who_waits_says_so_and_may_give_up(data_folder):
    said = []
    with wait_for_turn(TRAIN, said.append, lambda: False) as first:
        assert first and not said
        with wait_for_turn(TRAIN, said.append, lambda: bool(said)) as second:
            assert not second and "Waiting for its turn: 1 comes first." in said
    with wait_for_turn(TRAIN, said.append, lambda: False) as third:
        assert third


HOLDER = """
import sys, time
from vae.runs.queue import TRAIN, take_ticket
tickets = [take_ticket(TRAIN) for _ in range(int(sys.argv[1]))]
print("holds", flush=True)
time.sleep(600)
"""


def test_several_servers_share_the_queue_and_a_killed_one_leaves_it(data_folder):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, "2"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "holds\n"
    ticket = take_ticket(TRAIN)
    assert ticket.ahead == 2
    other.kill()
    other.wait()
    other.stdout.close()
    assert ticket.ahead == 0
    ticket.close()


@linux
def test_twelve_starts_keep_one_process_with_torch_and_four_without(data_folder, stopped):
    started, refused = [], 0
    for seed in range(12):
        training = replace(LONG.training, seed=seed)
        try:
            started.append(start_run(replace(LONG, training=training), f"run-{seed}"))
        except RunError as problem:
            refused += 1
            assert "queue is full" in str(problem)
    assert (len(started), refused) == (5, 7)
    assert set(states()) == {run.name for run in started}  # those that were refused left nothing
    until(lambda: sorted(states().values()) == ["running", *4 * ["waiting"]])
    pids = {run.name: read_status(run.folder).pid for run in started}
    assert [holds_torch(pids[run.name]) for run in started] == [True, *4 * [False]]
    assert all(megabytes(pids[run.name]) < 40 for run in started[1:])
    os.kill(pids["run-1"], signal.SIGKILL)  # one that waits; the others move up
    control(started[0].folder, "stop")
    until(lambda: states()["run-2"] == "running")
    assert states()["run-1"] == "interrupted"
    assert [states()[f"run-{k}"] for k in (3, 4)] == 2 * ["waiting"]


def test_a_process_that_cannot_inherit_its_ticket_queues_up_itself(
    data_folder, stopped, monkeypatch
):
    monkeypatch.setattr(manager, "_INHERITS_LOCKS", False)  # as on Windows
    holder = take_ticket(TRAIN)
    run = start_run(LONG, "alone")
    until(lambda: "1 comes first" in read_status(run.folder).message)
    holder.close()
    until(lambda: states() == {"alone": "running"})


SERVER = """
import json, sys
from pathlib import Path
from vae.runs.config import RunConfig
from vae.runs.manager import start_run
config = RunConfig.from_dict(json.loads(Path(sys.argv[1]).read_text()))
for name in sys.argv[2:]:
    start_run(config, name)
"""


def test_runs_outlive_the_server_that_started_them(data_folder, tmp_path, stopped):
    write_json(tmp_path / "config.json", LONG.to_dict())
    command = [sys.executable, "-c", SERVER, str(tmp_path / "config.json"), "first", "second"]
    subprocess.run(command, cwd=ROOT, check=True)  # it ends, and its runs go on
    until(lambda: states() == {"first": "running", "second": "waiting"})
    third = start_run(LONG, "third")  # of another server
    until(lambda: states()["third"] == "waiting")
    assert "2 come first" in read_status(third.folder).message
    control(third.folder, "stop")
    until(lambda: states()["third"] == "stopped")
    resume_run(third.folder)
    until(lambda: states()["third"] == "waiting")


def test_the_command_waits_in_the_same_queue(data_folder, tmp_path, capsys):
    out = tmp_path / "elsewhere"
    write_json(out / "config.json", CONFIG.to_dict())
    tickets = [take_ticket(TRAIN) for _ in range(5)]
    command = ["train", "--resume", "--out", str(out), "--queue", "--device", "cpu"]
    assert main(command) == 2 and "queue is full" in capsys.readouterr().err
    tickets.pop().close()
    control(out, "stop")  # it looks before it waits
    assert main(command) == 0 and "while it was waiting" in capsys.readouterr().out
    for ticket in tickets:
        ticket.close()


def test_a_measurement_has_its_turn_and_ends_with_the_block(data_folder):
    with measure(CONFIG) as measurement:
        with measure(CONFIG) as second:
            assert second.ticket.ahead == 1
            until(lambda: measurement.ended)
        assert second.process.poll() is not None
        assert measurement.result()["images"] == 9_000
    with measure(replace(CONFIG, dataset="nonsense")) as measurement:
        until(lambda: measurement.ended)
        with pytest.raises(RunError, match="no dataset 'nonsense'"):
            measurement.result()
    ticket = take_ticket(ESTIMATE)
    assert ticket.ahead == 0
    ticket.close()


def test_a_run_that_cannot_be_launched_leaves_no_ticket(data_folder, finished):
    (finished / "log.txt").unlink(missing_ok=True)
    (finished / "log.txt").mkdir()
    with pytest.raises(RunError, match=r"log\.txt"):
        resume_run(Run("one", finished).folder)
    ticket = take_ticket(TRAIN)
    assert ticket.number == 1
    ticket.close()


def test_who_waits_imports_neither_torch_nor_numpy():
    code = "import sys, vae.__main__; print(*({'torch', 'numpy', 'streamlit'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")

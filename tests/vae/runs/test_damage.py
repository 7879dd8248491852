"""Whatever happens to a file of a run, it is named, and costs that run alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import pytest
from damage import TEXTS, damages, restore
from small_run import train
from soak import product, sample, share

from vae import CheckpointError, list_checkpoints, load_checkpoint
from vae.__main__ import main
from vae.checkpoint import load_card, load_codes
from vae.files import OutputError
from vae.runs.config import RunError, read_config
from vae.runs.control import control, read_changes, read_control
from vae.runs.folder import is_alive, is_run
from vae.runs.manager import delete_run, export_run, list_runs, resume_run, save_run
from vae.runs.metrics import Position, read_metrics
from vae.runs.snapshots import list_snapshots, read_pictures, read_shared
from vae.runs.status import read_status
from vae.schema import Number, SchemaError, convert, decode

FILES = (
    *("config.json", "status.json", "metrics.jsonl", "control.json", "changes.jsonl", "card.json"),
    *("model.safetensors", "codes.safetensors", "log.txt", "run.lock"),
    *("snapshots/shared.safetensors", "snapshots/000002.safetensors"),
)


@pytest.fixture
def run(finished) -> Path:
    """A finished run with every file that a run can have."""
    control(finished, "run", beta=2.0)
    (finished / "changes.jsonl").write_text('{"step": 9, "beta": 2.5, "learning_rate": null}\n')
    (finished / "log.txt").write_text("a line\n")
    return finished


def readers(run: Path) -> list[Callable[[], Any]]:
    """Everything that pages and commands read of a run."""
    return [
        *(lambda reader=reader: reader(run) for reader in (read_config, read_changes, load_card)),
        *(lambda reader=reader: reader(run) for reader in (load_codes, load_checkpoint)),
        lambda: read_metrics(run),
        lambda: [read_pictures(run, epoch) for epoch in list_snapshots(run)],
    ]


def check_readers(run: Path, name: str, what: object) -> None:
    """Asserts that every reader names the damaged file or does without it."""
    file = run / name
    for read in readers(run):
        try:
            read()
        except (RunError, CheckpointError) as error:
            assert Path(name).name in str(error), (what, error)
    assert read_status(run).state in ("finished", "interrupted", "failed"), what
    for row in read_metrics(run)[0] if name != "metrics.jsonl" or file.is_file() else ():
        values = [v for value in row.values() for v in (value if type(value) is list else [value])]
        assert all(v is None or math.isfinite(v) for v in values), what
    assert read_control(run).action == "run" and not is_alive(run), what
    assert isinstance(read_shared(run), dict)
    assert [other.name for other in list_runs()] == ["one"], what
    assert isinstance(export_run(run), bytes)


@pytest.mark.parametrize("name", FILES)
@share("count", 6)
def test_readers_name_the_file_or_leave_out_what_is_damaged(run, name, count):
    content = (run / name).read_bytes()
    ways = list(damages(run / name))
    for k in sample(range(len(ways)), count, name):
        what, damage = ways[k]
        damage(run / name)
        check_readers(run, name, what)
        restore(run / name, content)


@pytest.mark.parametrize("name", FILES)
@share("count", 5)
def test_readers_name_a_file_that_is_cut_anywhere(run, name, count, record_property):
    content = (run / name).read_bytes()
    cuts = sample(range(len(content)), count, name)
    for cut in cuts:
        (run / name).write_bytes(content[:cut])
        check_readers(run, name, cut)
    record_property("cuts", len(cuts))


@product(16, name=FILES, what=["a folder", "empty", "binary", "all fields a nested list"])
def test_commands_end_with_a_sentence(run, name, what, capsys):
    """Whatever was damaged: what cannot go on says so, and no traceback is shown."""
    damage = dict(damages(run / name, fields=False)).get(what)
    if damage is None:
        return  # tensors have no fields
    damage(run / name)
    for command in (
        ["train", "--resume", "--device", "cpu", "--no-tsne", "--no-fit-codes", "--out", str(run)],
        ["encode", str(run), "--dataset", "digits", "--out", str(run.parent / "c.safetensors")],
    ):
        status = main(command)
        output = capsys.readouterr()
        said = output.out + output.err
        assert "Traceback" not in said and "unexpectedly" not in said
        assert status == 0 or Path(name).name in said, (command, said)


def test_a_damaged_state_is_named_and_nothing_is_lost(run, capsys):
    file = run / "state.safetensors"
    whole, weights = file.read_bytes(), (run / "model.safetensors").read_bytes()
    for what, damage in damages(file, fields=False):
        if what.endswith((" zero", " -1", "e+38", "null")):  # as it might be
            continue
        damage(file)
        assert main(
            [
                "train",
                "--resume",
                "--device",
                "cpu",
                "--no-tsne",
                "--no-fit-codes",
                "--out",
                str(run),
            ]
        ) in (
            1,
            2,
        ), what
        assert "state.safetensors" in capsys.readouterr().err, what
        assert (run / "model.safetensors").read_bytes() == weights
        restore(file, whole)


def test_a_damaged_status_is_named_and_the_run_can_be_resumed(run):
    for text in TEXTS.values():
        (run / "status.json").write_bytes(text)
        status = read_status(run)
        assert status.state == "interrupted" and "Resume" in status.message
        assert "status.json cannot be read" in status.message
    assert train(run, resume=True).state == "finished"
    assert read_status(run).state == "finished"


@pytest.mark.parametrize("threads", [0, -1, 10**9])
def test_a_run_needs_a_thread(tmp_path, capsys, threads):
    command = ["train", "--dataset", "digits", "--threads", str(threads)]
    assert main([*command, "--out", str(tmp_path / "run")]) == 2
    assert f"threads is {threads}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_damaged_lines_are_counted_once(run):
    rows, position, _ = read_metrics(run)
    assert position.damaged == 0
    with (run / "metrics.jsonl").open("ab") as stream:
        stream.write(b"\n\x00\xff\n" + b'{"step": -1}\n{"step": 3, "epoch": NaN}\n{"step": 40')
    new, position, _ = read_metrics(run, position)
    assert new == [] and position.damaged == 4
    with (run / "metrics.jsonl").open("ab") as stream:
        stream.write(b"}\n")
    new, position, _ = read_metrics(run, position)
    assert [row["step"] for row in new] == [40] and position.damaged == 4
    again, whole, _ = read_metrics(run, Position())
    assert len(again) == len(rows) + 1 and whole.damaged == 4


def test_what_is_damaged_can_still_be_deleted_and_saved_elsewhere(run):
    for name in ("status.json", "config.json", "card.json", "metrics.jsonl"):
        (run / name).write_text("{")
    with pytest.raises(RunError, match=r"config\.json"):
        resume_run(run)
    assert "one" in [checkpoint.name for checkpoint in list_checkpoints()]
    assert load_checkpoint(save_run(run, "mine"))
    assert is_run(run) and delete_run(run) == [] and not run.exists()


def test_a_folder_in_place_of_a_file_is_named_before_a_run_goes_on(run):
    for name in ("run.lock", "log.txt", "metrics.jsonl", "control.json"):
        (run / name).unlink()
        (run / name).mkdir()
        with pytest.raises((RunError, OutputError), match=name):
            train(run, resume=True)
        with pytest.raises((RunError, OutputError)):
            resume_run(run)
        (run / name).rmdir()
        (run / name).write_text("")


@pytest.mark.parametrize("text", [*TEXTS.values(), b"NaN", b"[1e400]", b"-Infinity", b"9" * 5_000])
def test_json_is_strict(text):
    try:
        value = decode(text)
    except SchemaError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value


class Fields(TypedDict):
    a: int
    b: Number | None
    c: list[str]


def test_fields_are_of_their_kinds():
    whole = {"a": 1, "b": None, "c": ["x"]}
    for wrong, message in (
        ({"a": True}, "a: expected int, got bool"),
        ({"b": "1"}, "b: expected float | null, got str"),
        ({"b": 1e39}, "b: expected float <= "),
        ({"b": float("nan")}, "b: nan is not finite"),
        ({"c": ["x", 1]}, r"c\[1\]: expected str, got int"),
    ):
        with pytest.raises(SchemaError, match=message):
            convert(whole | wrong, Fields)
    assert convert(whole | {"unknown": {}}, Fields) == whole
    assert decode(json.dumps(whole | {"unknown": {}}), Fields) == whole
    with pytest.raises(SchemaError, match="missing required field c"):
        convert({"a": 1, "b": 2}, Fields)

"""What commands show while they work: bars, lines or nothing, and what an interruption leaves."""

from __future__ import annotations

import argparse
import io
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vae.__main__ import main
from vae.arguments import build_parser
from vae.checkpoint import load_codes, save_codes
from vae.codes import BOUNDS, add_bounds
from vae.datasets import load_dataset
from vae.runs.status import Status
from vae.terminal import Display

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--dataset", "digits", "--hidden", "8", "--channels", "none", "--device", "cpu"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch, stream: io.StringIO, quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with Display(quiet) as display:
        display.log("Encoding.")
        for done in range(0, 1_001, 10):
            display.progress(done, 1_000)
    return stream.getvalue()


def test_a_bar_on_a_terminal_plain_lines_elsewhere_and_nothing_when_quiet(monkeypatch):
    bar = shown(monkeypatch, Terminal())
    assert "\r" in bar and "image/s" in bar and "<" in bar.split("|")[-1]  # the time left
    lines = shown(monkeypatch, io.StringIO())
    assert "\r" not in lines and lines.count("\n") == 11
    assert "500 of 1,000 images" in lines
    assert shown(monkeypatch, Terminal(), quiet=True) == ""


def test_units_are_written_as_in_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with Display() as display:
        display.progress(3, 3, "pass")
    with Display() as display:
        display.fraction(0.5)
    assert [line.rpartition(",")[0] for line in stream.getvalue().splitlines()] == [
        "3 of 3 passes", "50 %",
    ]  # fmt: skip


def test_a_run_that_goes_on_counts_from_where_it_was(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with Display() as display:
        for step in (800, 900, 1_000):
            display.status(Status("running", "Training.", step=step, steps=1_000))
        display.status(Status("finishing", "Drawing the map of codes."))
    assert "1,000 of 1,000 steps" in stream.getvalue() and "Drawing" in stream.getvalue()


def test_commands_say_what_they_do_unless_quiet(tmp_path, capsys):
    command = ["train", *SMALL, "--epochs", "1", "--no-tsne", "--no-fit-codes"]
    assert main([*command, "--out", str(tmp_path / "loud")]) == 0
    loud = capsys.readouterr()
    assert "Loading the images" in loud.err and "steps" in loud.err
    assert main([*command, "--quiet", "--out", str(tmp_path / "quiet")]) == 0
    quiet = capsys.readouterr()
    assert quiet.err == "" and "Finished" in quiet.out
    codes = ["encode", str(tmp_path / "loud"), "--dataset", "digits"]
    assert main([*codes, "--out", str(tmp_path / "codes.safetensors")]) == 0
    assert "Encoding 1,000 images" in capsys.readouterr().err


def options() -> list[tuple[str, argparse.Action]]:
    def nothing(_: argparse.Namespace) -> int:
        return 0

    parser = build_parser(*[nothing] * 9)
    (commands,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return [
        (name, action)
        for name, command in commands.choices.items()
        for action in command._actions
        if not isinstance(action, argparse._HelpAction)
    ]


def test_every_option_has_a_sentence_and_an_example_that_is_accepted():
    def nothing(_: argparse.Namespace) -> int:
        return 0

    parser = build_parser(*[nothing] * 9)
    needed = {"encode": ["digits", "--dataset", "digits", "--out", "x"]}
    needed |= {"datasets": [], "import-model": []}
    found = options()
    assert len(found) > 40
    for name, action in found:
        sentence, _, example = action.help.replace("%%", "%").partition("; for example: ")
        assert len(sentence.split()) > 2, (name, action.dest)
        if action.option_strings:
            assert example.split()[0] in action.option_strings, (name, action.dest)
            given = [name, *needed.get(name, ["digits"]), *example.split()]
        else:
            given = example.split()
        parser.parse_args(given)


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A copy of a shipped model without bounds."""
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "checkpoints" / "lab" / "digits-beta-1", folder)
    codes = load_codes(folder)
    save_codes(folder, {name: codes[name] for name in codes.keys() - {*BOUNDS}})
    return folder


def test_an_interrupted_estimate_keeps_what_it_has(checkpoint):
    from vae import load_checkpoint

    def interrupt(done: int, count: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    model, data = load_checkpoint(checkpoint), load_dataset("digits")
    with pytest.raises(KeyboardInterrupt):
        add_bounds(model, checkpoint, data, decodes=20, evidence=False, tell=interrupt)
    assert np.flatnonzero(load_codes(checkpoint)["elbo_error"] >= 0).tolist() == [0, 1, 2]


@pytest.mark.parametrize("command", ["bounds", "encode", "evaluate"])
def test_an_interruption_ends_with_a_sentence(command, checkpoint, tmp_path, monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vae.checkpoint.load_checkpoint", interrupt)
    monkeypatch.setattr("vae.evaluation.load_checkpoint", interrupt)
    more = ["--dataset", "digits", "--out", str(tmp_path / "out")] if command == "encode" else []
    before = {f: f.read_bytes() for f in checkpoint.iterdir()}
    assert main([command, str(checkpoint), *more]) == 130
    assert capsys.readouterr().err.startswith("Interrupted: ")
    assert {f: f.read_bytes() for f in checkpoint.iterdir()} == before
    assert not (tmp_path / "out").exists()


def test_control_c_ends_a_training_in_order(tmp_path):
    """On a real terminal: a bar, then one Ctrl-C, and a run that can be resumed."""
    outer, inner = pty.openpty()
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "vae", "train", *SMALL, "--epochs", "500", "--out", str(out)],
        cwd=ROOT,
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    said = b""
    try:
        while b"step/s" not in said:
            said += os.read(outer, 4096)
        process.send_signal(signal.SIGINT)
        while True:
            try:
                part = os.read(outer, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            said += part
    finally:
        if process.poll() is None:
            process.wait(60)
        os.close(outer)
    assert process.returncode == 0 and b"can be resumed" in said
    assert (out / "state.safetensors").exists()
    assert not list(out.glob("*.part*"))

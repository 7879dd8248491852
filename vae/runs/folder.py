"""The folder of a training run, the only link between the training process and the app.

- `config.json`: the configuration of the run.
- `control.json`: the latest control from the app: pause, stop, beta, learning rate.
- `changes.jsonl`: the controls that took effect, each with its step.
- `status.json`: the state of the run, with a heartbeat.
- `metrics.jsonl`: one report in each line.
- `snapshots/`: samples, reconstructions and codes of some epochs.
- `best.safetensors`: the weights of the best epoch, of runs that stop early.
- `note.txt`: what a visitor noted about the run.
- `state.safetensors`: the state from which training resumes exactly.
- The files of a checkpoint.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from ..files import open_regular, read_file, refusals_as, write_file
from ..locations import FILES as CHECKPOINT_FILES
from ..schema import decode
from .config import MOST, RunConfig, RunError

__all__ = [
    "FILES",
    "LONGEST_NOTE",
    "check_files",
    "is_alive",
    "is_locked",
    "is_run",
    "lock",
    "read_note",
    "write_json",
    "write_note",
]

LONGEST_NOTE = 2_000  # characters

_PROBE = threading.Lock()  # a reader must not mistake the probe of another for the holder
FILES = (  # the last one marks the folder as that of a run
    *("status.json", "metrics.jsonl", "control.json", "changes.jsonl", "state.safetensors"),
    *("best.safetensors", "note.txt"),
    *(*CHECKPOINT_FILES, "log.txt", "run.lock"),
    "config.json",
)


def is_alive(folder: str | Path) -> bool:
    """Whether a process on this machine works on a run or waits to do so."""
    return is_locked(Path(folder) / "run.lock")


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock of a file; False if there is no such file."""
    try:
        with _PROBE, open_regular(file) as stream:
            return not lock_descriptor(stream.fileno(), blocking=False)
    except OSError:  # no such file, or a folder in its place
        return False


@contextmanager
def lock(file: Path) -> Iterator[bool]:
    """Holds the lock of a file, which the system releases when the process ends.

    Yields:
        Whether the lock was acquired; False if this or another process holds it already.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(20):  # `is_locked` in another process holds the lock for a moment
        with file.open("a") as stream:  # closing the file releases the lock
            if lock_descriptor(stream.fileno(), blocking=False):
                yield True
                return
        time.sleep(0.05)
    yield False


def is_run(folder: str | Path) -> bool:
    """Whether a folder is that of a run, intact or damaged: it has a lock file or a config."""
    folder = Path(folder)
    if (folder / "run.lock").is_file():
        return True
    try:
        RunConfig.from_dict(decode(read_file(folder / "config.json", MOST)))
    except (OSError, ValueError):
        return False
    return True


def check_files(folder: str | Path) -> None:
    """Checks that no folder has the name of a file of the run.

    Raises:
        RunError: if there is such a folder, which the message names.
    """
    for name in FILES:
        if (Path(folder) / name).is_dir():
            raise RunError(f"{folder}/{name} is a folder; a run keeps a file there. Remove it.")


def read_note(folder: str | Path) -> str:
    """Reads what a visitor noted about a run; empty if there is nothing."""
    try:
        return read_file(Path(folder) / "note.txt", MOST).decode(errors="replace")
    except OSError:
        return ""


def write_note(folder: str | Path, text: str) -> None:
    """Writes a note about a run, at most `LONGEST_NOTE` characters of it.

    Args:
        folder: folder of the run.
        text: text of the note; empty to remove it.

    Raises:
        RunError: if the folder holds no run, or the note cannot be written.
    """
    if not is_run(folder):
        raise RunError(f"{folder} holds no run, or no longer one. Choose another run.")
    file = Path(folder) / "note.txt"
    with refusals_as(RunError):
        if text.strip():
            write_file(file, text.strip()[:LONGEST_NOTE].encode(errors="replace"))
        else:
            file.unlink(missing_ok=True)


def write_json(file: Path, value: Any) -> None:
    """Writes a JSON file under a temporary name and renames it."""
    write_file(file, json.dumps(value, indent=1, allow_nan=False).encode() + b"\n")

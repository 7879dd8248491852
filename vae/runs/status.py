"""The status of a run: what its process reports, and what is left if that ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..files import read_file
from ..locations import data_folder
from ..schema import Count, Positive, SchemaError, decode
from .config import MOST, reason_of
from .folder import is_alive

__all__ = ["LIVE", "State", "Status", "is_starting", "not_fitted", "read_status"]

_SOON = 90.0  # seconds in which a process that was started has begun
LIVE = ("waiting", "starting", "running", "paused", "finishing", "fitting")
State = Literal[
    "waiting",
    "starting",
    "running",
    "paused",
    "finishing",
    "fitting",
    "finished",
    "stopped",
    "failed",
    "diverged",
    "interrupted",
]


@dataclass(frozen=True)
class Status:
    """The status of a run.

    Args:
        state: `waiting`, `starting`, `running`, `paused`, `finishing`, `fitting` (the distribution
            of the codes), `finished`, `stopped`, `failed`, `diverged` if its objective grew
            without bound, or `interrupted` if its process ended unexpectedly.
        message: message for visitors.
        step: number of steps taken.
        steps: total number of steps.
        epoch: fractional number of epochs completed.
        epochs: total number of epochs.
        images_per_second: recent throughput.
        seconds_left: estimated seconds to the end, or None while unknown.
        beta: current weight of the KL.
        learning_rate: current learning rate.
        parameters: number of parameters of the network.
        fitted: fraction done of the fit of the codes' distribution, 0…1.
        heartbeat: time of the last update, in seconds since 1970.
        pid: id of the process.
    """

    state: State
    message: str = ""
    step: Count = 0
    steps: Count = 0
    epoch: Positive = 0.0
    epochs: Count = 0
    images_per_second: Positive = 0.0
    seconds_left: Positive | None = None
    beta: Positive | None = None
    learning_rate: Positive | None = None
    parameters: Count = 0
    fitted: Positive = 0.0
    heartbeat: Positive = 0.0
    pid: Count = 0

    @property
    def live(self) -> bool:
        """Whether a process works on the run or waits to do so."""
        return self.state in LIVE


def read_status(folder: str | Path) -> Status:
    """Reads the status of a run; if the file is damaged, the message of the status says so."""
    folder, damage = Path(folder), ""
    file = folder / "status.json"
    try:
        status = decode(read_file(file, MOST), Status)
    except FileNotFoundError:
        status = Status("starting")
    except (OSError, SchemaError) as error:
        damage = f"{file} cannot be read ({reason_of(error)})."
        status = Status("starting", f"{damage} The run continues, and writes it again.")
    if status.live and not is_alive(folder):
        if not damage and status.state == "starting" and _is_new(folder):
            return status
        if status.state == "fitting":  # nothing of the run itself is lost
            message = f"Finished. {not_fitted(folder)}"
            return replace(status, state="finished", message=message, seconds_left=0.0)
        reason = damage or "The training process stopped unexpectedly."
        message = f"{reason} Resume to continue from the last checkpoint."
        return replace(status, state="interrupted", message=message)
    return status


def is_starting(folder: Path) -> bool:
    """Whether a process was started for a run a moment ago, and has not begun to work on it.

    Unlike in `read_status`, whoever asks may hold the run's lock.
    """
    try:
        status = decode(read_file(folder / "status.json", MOST), Status)
    except (OSError, SchemaError):
        return False
    return status.state == "starting" and _is_new(folder)


def _is_new(folder: Path) -> bool:
    return _age(folder / "config.json") < _SOON


def not_fitted(folder: Path, why: str = "") -> str:
    """A message that a run has no distribution of its codes, and how to fit one.

    Args:
        folder: folder of the run.
        why: message with the reason.
    """
    run = folder.resolve()
    known = run.parent == (data_folder() / "runs").resolve()
    return (
        f"{why or 'The fit of its distribution of codes was ended early.'} "
        f"python -m vae fit-codes {run.name if known else folder} fits it."
    )


def _age(file: Path) -> float:
    try:
        return abs(time.time() - file.stat().st_mtime)  # the clock may have been set back
    except OSError:
        return float("inf")

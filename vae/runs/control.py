"""The control of a run: pause, stop, beta, learning rate, and the log of what took effect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

from ..files import read_file, refusals_as
from ..schema import Count, Number, SchemaError, decode
from .config import MOST, RunError, reason_of
from .folder import is_run, write_json

__all__ = ["Control", "control", "read_changes", "read_control"]


class _Change(TypedDict):
    step: Count
    beta: Number | None
    learning_rate: Number | None


@dataclass(frozen=True)
class Control:
    """The latest control of a run.

    Args:
        action: `run`, `pause` or `stop`.
        single: number of single steps requested while paused, counted from the start of the run.
        beta: weight of the KL from now on, or None to follow the schedule.
        learning_rate: peak learning rate from now on, or None to keep the configured one.
    """

    action: str = "run"
    single: Count = 0
    beta: Number | None = None
    learning_rate: Number | None = None


def read_control(folder: str | Path) -> Control:
    """Reads the latest control; invalid values count as absent."""
    try:
        stored = decode(read_file(Path(folder) / "control.json", MOST), Control)
    except (OSError, SchemaError):
        return Control()
    beta, rate = stored.beta, stored.learning_rate
    return Control(
        stored.action if stored.action in ("run", "pause", "stop") else "run",
        stored.single,
        beta if beta is not None and 0 <= beta <= 1_000 else None,
        rate if rate is not None and 0 < rate <= 1 else None,
    )


def read_changes(folder: str | Path) -> list[dict[str, Any]]:
    """Reads the changes made during training: `step`, `beta` and `learning_rate`.

    Raises:
        RunError: if the log is damaged, without which the run cannot be resumed exactly.
    """
    file = Path(folder) / "changes.jsonl"
    try:
        lines = read_file(file).splitlines()
        return [decode(line, _Change) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, SchemaError) as error:
        raise RunError(
            f"{file} cannot be read ({reason_of(error)}). Without it the run cannot be resumed "
            "exactly: put the file back, or remove it to resume without the changes."
        ) from error


def control(
    folder: str | Path,
    action: str | None = None,
    *,
    single: bool = False,
    beta: float | None = None,
    learning_rate: float | None = None,
) -> None:
    """Changes the control of a run, which the run reads between two steps.

    Args:
        folder: folder of the run.
        action: `run`, `pause` or `stop`; unchanged by default.
        single: whether to pause after one more step.
        beta: weight of the KL from now on.
        learning_rate: peak learning rate from now on.

    Raises:
        RunError: if the folder holds no run, for example because it was deleted, or the control
            cannot be written.
    """
    if not is_run(folder):
        raise RunError(f"{folder} holds no run, or no longer one. Choose another run.")
    now = read_control(folder)
    updated = Control(
        "pause" if single else action or now.action,
        now.single + single,
        now.beta if beta is None else beta,
        now.learning_rate if learning_rate is None else learning_rate,
    )
    with refusals_as(RunError):
        write_json(Path(folder) / "control.json", asdict(updated))

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
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Required, TypedDict, get_type_hints

from filelock import lock_descriptor

from ..config import ConfigError, Fields, VAEConfig
from ..files import open_regular, read_file, refusals_as, write_file
from ..locations import FILES as CHECKPOINT_FILES
from ..locations import data_folder
from ..schema import Count, Number, Positive, SchemaError, convert, decode
from ..training.config import TrainingConfig

__all__ = [
    "FILES",
    "LONGEST_NOTE",
    "Control",
    "Position",
    "RunConfig",
    "RunError",
    "State",
    "Status",
    "check_files",
    "control",
    "is_alive",
    "is_locked",
    "is_run",
    "lock",
    "not_fitted",
    "read_changes",
    "read_config",
    "read_control",
    "read_metrics",
    "read_note",
    "read_status",
    "write_json",
    "write_note",
]

LONGEST_NOTE = 2_000  # characters
_MOST = 1_000_000  # bytes of a file that holds one object
_MOST_METRICS = 100_000_000  # bytes that are read at once

_PROBE = threading.Lock()  # a reader must not mistake the probe of another for the holder
LIVE = ("waiting", "starting", "running", "paused", "finishing", "fitting")
FILES = (  # the last one marks the folder as that of a run
    *("status.json", "metrics.jsonl", "control.json", "changes.jsonl", "state.safetensors"),
    *("best.safetensors", "note.txt"),
    *(*CHECKPOINT_FILES, "log.txt", "run.lock"),
    "config.json",
)
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
_MODEL = TypedDict("_MODEL", get_type_hints(VAEConfig), total=False)  # type: ignore[misc]


class _Change(TypedDict):
    step: Count
    beta: Number | None
    learning_rate: Number | None


class _Row(TypedDict, total=False):
    step: Required[Count]
    epoch: Number
    seconds: Number
    images_per_second: Number
    beta: Number
    learning_rate: Number
    active_units: Count | None
    kl_per_dimension: list[Number] | None
    reconstruction: Number | None
    kl: Number | None
    elbo: Number | None
    heldout_reconstruction: Number | None
    heldout_kl: Number | None
    heldout_elbo: Number | None
    heldout_squared_error: Number | None


class RunError(ValueError):
    """An operation on a run failed; the message gives the reason and the remedy."""


@dataclass(frozen=True)
class RunConfig(Fields):
    """The configuration of a run.

    Args:
        dataset: name or path of a dataset, as for `load_dataset`.
        model: fields of `VAEConfig`, without `image_shape`, which depends on the data.
        training: hyperparameters of training.
        start: name or folder of the checkpoint from whose weights training starts.
        preset: name of the preset that the run uses.
        threads: number of processor threads; by default half of the cores, at most 8.
        fit_codes: whether to fit the distribution of the codes at the end.

    Raises:
        ConfigError: if a value is invalid; the message names the field, what was found and what
            was expected.
    """

    dataset: str
    model: dict[str, Any] = field(default_factory=dict)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    start: str | None = None
    preset: str | None = None
    threads: int = field(default_factory=lambda: max(1, min(8, (os.cpu_count() or 1) // 2)))
    fit_codes: bool = True

    def __post_init__(self) -> None:
        for name, kind, expected in (
            ("dataset", str, "the name or path of a dataset"),
            ("model", dict, "an object with fields of VAEConfig"),
            ("start", str | None, "the name or folder of a checkpoint"),
            ("preset", str | None, "the name of a preset"),
            ("fit_codes", bool, "true or false"),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ConfigError(f"{name} is {value!r}; expected {expected}.")
        if unknown := sorted(set(self.model) - set(VAEConfig.__dataclass_fields__)):
            raise ConfigError(f"model has unknown fields {unknown}; expected those of VAEConfig.")
        try:
            convert(self.model, _MODEL)
        except SchemaError as error:
            raise ConfigError(f"model: {error}.") from error
        self._number("threads", 1, 1024, whole=True)

    @classmethod
    def from_dict(cls, fields: Any) -> RunConfig:
        """Creates a configuration from the output of `to_dict`.

        Raises:
            ConfigError: if `fields` is not an object with known fields and valid values.
        """
        if isinstance(fields, dict) and "training" in fields:
            fields = fields | {"training": TrainingConfig.from_dict(fields["training"])}
        return super().from_dict(fields)


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


@dataclass(frozen=True)
class Position:
    """The position of a reader in `metrics.jsonl`.

    Args:
        file: identity of the file, which changes when the run is resumed.
        offset: number of bytes read.
        damaged: number of invalid lines that were skipped so far.
    """

    file: int = 0
    offset: int = 0
    damaged: int = 0


def read_config(source: str | Path) -> RunConfig:
    """Reads the configuration of a run.

    Args:
        source: folder of the run, or a file of settings such as its `config.json`.

    Raises:
        RunError: if the folder holds no run, or the file is missing or damaged.
    """
    file = Path(source)
    if not file.is_file():
        file /= "config.json"
    try:
        return RunConfig.from_dict(decode(read_file(file, _MOST)))
    except (FileNotFoundError, NotADirectoryError):
        if Path(source).is_dir():
            raise RunError(f"{source} holds no run: {file.name} is missing.") from None
        raise RunError(
            f"{source}: no such file; expected a file of settings or the folder of a run."
        ) from None
    except (OSError, ValueError) as error:
        remedy = "Put the file back as it was"
        if file != Path(source):
            remedy += ", or delete the run"
        raise RunError(f"{file} cannot be read ({_what(error)}). {remedy}.") from error


def read_status(folder: str | Path) -> Status:
    """Reads the status of a run; if the file is damaged, the message of the status says so."""
    folder, damage = Path(folder), ""
    file = folder / "status.json"
    try:
        status = decode(read_file(file, _MOST), Status)
    except FileNotFoundError:
        status = Status("starting")
    except (OSError, SchemaError) as error:
        damage = f"{file} cannot be read ({_what(error)})."
        status = Status("starting", f"{damage} The run continues, and writes it again.")
    if status.live and not is_alive(folder):
        if not damage and status.state == "starting" and _age(folder / "config.json") < 90:
            return status
        if status.state == "fitting":  # nothing of the run itself is lost
            message = f"Finished. {not_fitted(folder)}"
            return replace(status, state="finished", message=message, seconds_left=0.0)
        reason = damage or "The training process stopped unexpectedly."
        message = f"{reason} Resume to continue from the last checkpoint."
        return replace(status, state="interrupted", message=message)
    return status


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
        read_config(folder)
    except RunError:
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


def read_metrics(
    folder: str | Path, after: Position | None = None
) -> tuple[list[dict[str, Any]], Position, bool]:
    """Reads the lines that were added since the last call, except incomplete and damaged ones.

    Args:
        folder: folder of the run.
        after: position that the last call returned.

    Raises:
        RunError: if the file cannot be read.

    Returns:
        The new rows, the new position, and whether the reader must discard earlier rows, because
        the run was resumed from an earlier step.
    """
    after = after or Position()
    try:
        with open_regular(Path(folder) / "metrics.jsonl") as stream:
            file_status = os.fstat(stream.fileno())
            fresh = file_status.st_ino != after.file or file_status.st_size < after.offset
            offset = 0 if fresh else after.offset
            stream.seek(offset)
            text = stream.read(_MOST_METRICS)
    except FileNotFoundError:
        return [], Position(), after.offset > 0
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be read ({_what(error)}). Remove it; a resumed run writes "
            "it again from its last checkpoint on."
        ) from error
    whole = text[: text.rfind(b"\n") + 1]
    rows, damaged = [], 0 if fresh else after.damaged
    for line in whole.split(b"\n")[:-1]:
        try:
            rows.append(_check_row(decode(line, _Row)))
        except SchemaError:
            damaged += 1
    position = Position(file_status.st_ino, offset + len(whole), damaged)
    return rows, position, fresh and after.offset > 0


def read_control(folder: str | Path) -> Control:
    """Reads the latest control; invalid values count as absent."""
    try:
        stored = decode(read_file(Path(folder) / "control.json", _MOST), Control)
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
            f"{file} cannot be read ({_what(error)}). Without it the run cannot be resumed "
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


def read_note(folder: str | Path) -> str:
    """Reads what a visitor noted about a run; empty if there is nothing."""
    try:
        return read_file(Path(folder) / "note.txt", _MOST).decode(errors="replace")
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


def _check_row(row: dict[str, Any]) -> dict[str, Any]:
    if row["step"] < 1:
        raise SchemaError(f"step is {row['step']}; expected a number from 1 on")
    terms = [row.get(f"heldout_{term}") for term in ("reconstruction", "kl", "elbo")]
    measured = "heldout_elbo" in row or terms != [None] * 3  # None for an autoencoder
    if measured and not (
        len({term is None for term in terms}) == 1
        and row.get("heldout_squared_error") is not None
        and "active_units" in row
    ):
        raise SchemaError("some held-out metrics are missing; expected all or none")
    return row


def _what(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _age(file: Path) -> float:
    try:
        return abs(time.time() - file.stat().st_mtime)  # the clock may have been set back
    except OSError:
        return float("inf")

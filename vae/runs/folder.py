"""The files of a training run: its folder is all that trainer and watchers share.

`config.json` what was asked for; `status.json` where it is, with a heartbeat; `metrics.jsonl` one
line a report; `control.json` what watchers want of it; `changes.jsonl` what of that took effect,
and at which step; `snapshots/` samples, reconstructions and codes of some epochs;
`state.safetensors` all that is needed to go on exactly; and a checkpoint's own files.
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
from ..files import write_file
from ..locations import FILES as CHECKPOINT_FILES
from ..locations import data_folder
from ..schema import Count, Number, Positive, SchemaError, convert, decode
from ..training.config import TrainingConfig

__all__ = [
    "FILES",
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
    "read_status",
    "write_json",
]

_PROBE = threading.Lock()  # two watchers must not take each other for the holder
LIVE = ("waiting", "starting", "running", "paused", "finishing", "fitting")
FILES = (  # the last one marks the folder as a run's
    *("status.json", "metrics.jsonl", "control.json", "changes.jsonl", "state.safetensors"),
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
    """Something that cannot be done with a run; the message says why and what to do."""


@dataclass(frozen=True)
class RunConfig(Fields):
    """What a run was asked to do.

    Args:
        dataset: a name or path that `load_dataset` knows.
        model: fields of `VAEConfig`; `image_shape` follows from the data.
        training: how.
        start: folder of the checkpoint whose weights to start from.
        preset: name of the preset it came from.
        threads: of the processor; half of the cores, at most 8, by default.
        fit_codes: whether the distribution of the codes is fitted at the end.

    Raises:
        ConfigError: no thread, or more than any machine has.
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
        """Reads what `to_dict` wrote.

        Raises:
            ConfigError: for anything but an object with known fields and valid values.
        """
        if isinstance(fields, dict) and "training" in fields:
            fields = fields | {"training": TrainingConfig.from_dict(fields["training"])}
        return super().from_dict(fields)


@dataclass(frozen=True)
class Status:
    """Where a run is.

    Args:
        state: `waiting`, `starting`, `running`, `paused`, `finishing`, `fitting` (the distribution
            of the codes), `finished`, `stopped`, `failed`, or `interrupted` if its process is gone
            without a word.
        message: a sentence for visitors.
        step: steps taken.
        steps: in all.
        epoch: passes over the images, fractional.
        epochs: in all.
        images_per_second: lately.
        seconds_left: to the end, or None while unknown.
        beta: weight of the KL in force.
        learning_rate: in force.
        parameters: of the network.
        fitted: share of the fit of the codes' distribution that is done, 0…1.
        heartbeat: when the process last wrote this, in seconds since 1970.
        pid: of the process.
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
        """Whether a process is at work on it, or waits to be."""
        return self.state in LIVE


@dataclass(frozen=True)
class Control:
    """What watchers want of a run.

    Args:
        action: `run`, `pause` or `stop`.
        single: single steps asked for while it is paused, counted from its beginning.
        beta: weight of the KL from now on, or None to leave the schedule alone.
        learning_rate: highest one from now on, or None.
    """

    action: str = "run"
    single: Count = 0
    beta: Number | None = None
    learning_rate: Number | None = None


@dataclass(frozen=True)
class Position:
    """How far a reader of `metrics.jsonl` has come.

    Args:
        file: tells a file from the one that took its place when the run was resumed.
        offset: bytes read.
        damaged: lines so far that were left out, because they are no report of a run.
    """

    file: int = 0
    offset: int = 0
    damaged: int = 0


def read_config(source: str | Path) -> RunConfig:
    """Reads what a run was asked to do.

    Args:
        source: the run's folder, or a file of settings such as its `config.json`.

    Raises:
        RunError: there is no run in the folder, no such file, or it is damaged.
    """
    file = Path(source)
    if not file.is_file():
        file /= "config.json"
    try:
        return RunConfig.from_dict(decode(file.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        if Path(source).is_dir():
            raise RunError(f"{source} holds no run: {file.name} is missing.") from None
        raise RunError(f"{source}: no such file of settings, nor a run's folder.") from None
    except (OSError, ValueError) as error:
        remedy = "Put the file back as it was"
        if file != Path(source):
            remedy += ", or delete the run"
        raise RunError(f"{file} cannot be read ({_what(error)}). {remedy}.") from error


def read_status(folder: str | Path) -> Status:
    """Reads where a run is; never fails: a damaged status says so in its message."""
    folder, damage = Path(folder), ""
    file = folder / "status.json"
    try:
        status = decode(file.read_bytes(), Status)
    except FileNotFoundError:
        status = Status("starting")
    except (OSError, SchemaError) as error:
        damage = f"{file} cannot be read ({_what(error)})."
        status = Status("starting", f"{damage} The run goes on, and writes it again.")
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
    """Says that a run has no distribution of its codes, and how to come by one.

    Args:
        folder: the run's.
        why: a sentence.
    """
    run = folder.resolve()
    known = run.parent == (data_folder() / "runs").resolve()
    return (
        f"{why or 'The fit of its distribution of codes was ended early.'} "
        f"python -m vae fit-codes {run.name if known else folder} fits it."
    )


def is_alive(folder: str | Path) -> bool:
    """Whether a process on this machine works on a run, or waits to."""
    return is_locked(Path(folder) / "run.lock")


def is_locked(file: Path) -> bool:
    """Whether a process holds a file's lock; False where there is no such file."""
    try:
        with _PROBE, file.open("rb") as stream:
            return not lock_descriptor(stream.fileno(), blocking=False)
    except OSError:  # no such file, or a folder in its place
        return False


@contextmanager
def lock(file: Path) -> Iterator[bool]:
    """Holds a file's lock, which ends with the process however it ends.

    Yields:
        False if it is held already, by this process or another one.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(20):  # a watcher that looks whether it is held holds it for a moment
        with file.open("a") as stream:  # closing it gives the lock back
            if lock_descriptor(stream.fileno(), blocking=False):
                yield True
                return
        time.sleep(0.05)
    yield False


def is_run(folder: str | Path) -> bool:
    """Whether a folder is a run's, whole or damaged: a process marked it, or it has a config."""
    folder = Path(folder)
    if (folder / "run.lock").is_file():
        return True
    try:
        read_config(folder)
    except RunError:
        return False
    return True


def check_files(folder: str | Path) -> None:
    """Refuses a run in which a folder lies where it keeps a file.

    Raises:
        RunError: says where.
    """
    for name in FILES:
        if (Path(folder) / name).is_dir():
            raise RunError(f"{folder}/{name} is a folder; a run keeps a file there. Remove it.")


def read_metrics(
    folder: str | Path, after: Position | None = None
) -> tuple[list[dict[str, Any]], Position, bool]:
    """Reads the lines that were added since, leaving out a torn last one and damaged ones.

    Args:
        folder: the run's.
        after: where the last call ended.

    Raises:
        RunError: something else lies in the file's place.

    Returns:
        The new rows, where to go on, and whether the reader must forget what it has, because the
        run was resumed from an earlier step.
    """
    after = after or Position()
    try:
        with (Path(folder) / "metrics.jsonl").open("rb") as stream:
            file_status = os.fstat(stream.fileno())
            fresh = file_status.st_ino != after.file or file_status.st_size < after.offset
            offset = 0 if fresh else after.offset
            stream.seek(offset)
            text = stream.read()
    except FileNotFoundError:
        return [], Position(), after.offset > 0
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be read ({_what(error)}). Remove it; a resumed run writes "
            "it again from where it goes on."
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
    """Reads what watchers want; anything unusable counts as nothing wanted."""
    try:
        stored = decode((Path(folder) / "control.json").read_bytes(), Control)
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
    """Reads what visitors changed while it trained: `step`, `beta` and `learning_rate`.

    Raises:
        RunError: the log is damaged; without it the run could not go on as it was.
    """
    file = Path(folder) / "changes.jsonl"
    try:
        lines = file.read_bytes().splitlines()
        return [decode(line, _Change) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, SchemaError) as error:
        raise RunError(
            f"{file} cannot be read ({_what(error)}). Without it the run could not go on as it "
            "was: put the file back, or remove it to go on without the changes."
        ) from error


def control(
    folder: str | Path,
    action: str | None = None,
    *,
    single: bool = False,
    beta: float | None = None,
    learning_rate: float | None = None,
) -> None:
    """Tells a run what to do; it looks between two steps.

    Args:
        folder: the run's.
        action: `run`, `pause` or `stop`; as it was by default.
        single: pause, but take one more step.
        beta: weight of the KL from now on.
        learning_rate: highest one from now on.

    Raises:
        RunError: there is no run in the folder, perhaps because it was deleted meanwhile.
    """
    if not is_run(folder):
        raise RunError(f"{folder} holds no run (any more), so there is nothing to control.")
    now = read_control(folder)
    updated = Control(
        "pause" if single else action or now.action,
        now.single + single,
        now.beta if beta is None else beta,
        now.learning_rate if learning_rate is None else learning_rate,
    )
    write_json(Path(folder) / "control.json", asdict(updated))


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
        raise SchemaError("some held-out figures are missing; expected all or none")
    return row


def _what(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _age(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return float("inf")

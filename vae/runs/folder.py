"""The files of a training run: its folder is all that trainer and watchers share.

`config.json` what was asked for; `status.json` where it is, with a heartbeat; `metrics.jsonl` one
line a report; `control.json` what watchers want of it; `changes.jsonl` what of that took effect,
and at which step; `snapshots/` samples, reconstructions and codes of some epochs;
`state.safetensors` all that is needed to go on exactly; and a checkpoint's own files.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from ..config import ConfigError, Fields, VAEConfig
from ..files import check_output_folder, is_unfinished, write_file
from ..training.config import TrainingConfig

__all__ = [
    "Control",
    "Position",
    "RunConfig",
    "RunError",
    "Status",
    "check_run_folder",
    "control",
    "is_alive",
    "is_locked",
    "is_run",
    "lock",
    "read_changes",
    "read_config",
    "read_control",
    "read_metrics",
    "read_status",
    "remove_run_files",
    "write_json",
]

_PROBE = threading.Lock()  # two watchers must not take each other for the holder
LIVE = ("waiting", "starting", "running", "paused", "finishing")
_FILES = (  # the last one marks the folder as a run's
    *("status.json", "metrics.jsonl", "control.json", "changes.jsonl", "state.safetensors"),
    *("model.safetensors", "codes.safetensors", "card.json", "log.txt", "run.lock"),
    "config.json",
)
_SNAPSHOT = re.compile(r"(shared|\d{6,})\.safetensors")


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
    """

    dataset: str
    model: dict[str, Any] = field(default_factory=dict)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    start: str | None = None
    preset: str | None = None
    threads: int = field(default_factory=lambda: max(1, min(8, (os.cpu_count() or 1) // 2)))

    def __post_init__(self) -> None:
        for name, kind, expected in (
            ("dataset", str, "the name or path of a dataset"),
            ("model", dict, "an object with fields of VAEConfig"),
            ("start", str | None, "the name or folder of a checkpoint"),
            ("preset", str | None, "the name of a preset"),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ConfigError(f"{name} is {value!r}; expected {expected}.")
        if unknown := sorted(set(self.model) - set(VAEConfig.__dataclass_fields__)):
            raise ConfigError(f"model has unknown fields {unknown}; expected those of VAEConfig.")
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
        state: `waiting`, `starting`, `running`, `paused`, `finishing`, `finished`, `stopped`,
            `failed`, or `interrupted` if its process is gone without a word.
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
        heartbeat: when the process last wrote this, in seconds since 1970.
        pid: of the process.
    """

    state: str = "starting"
    message: str = ""
    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    epochs: int = 0
    images_per_second: float = 0.0
    seconds_left: float | None = None
    beta: float | None = None
    learning_rate: float | None = None
    parameters: int = 0
    heartbeat: float = 0.0
    pid: int = 0

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
    single: int = 0
    beta: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True)
class Position:
    """How far a reader of `metrics.jsonl` has come.

    Args:
        file: tells a file from the one that took its place when the run was resumed.
        offset: bytes read.
    """

    file: int = 0
    offset: int = 0


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
        return RunConfig.from_dict(json.loads(file.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        if Path(source).is_dir():
            raise RunError(f"{source} holds no run: {file.name} is missing.") from None
        raise RunError(f"{source}: no such file of settings, nor a run's folder.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read ({error}).") from error


def read_status(folder: str | Path) -> Status:
    """Reads where a run is; never fails."""
    folder = Path(folder)
    try:
        fields = json.loads((folder / "status.json").read_bytes())
        status = Status(**{k: v for k, v in fields.items() if k in Status.__dataclass_fields__})
    except (OSError, ValueError, TypeError, AttributeError):
        status = Status()
    if status.live and not is_alive(folder):
        started = _age(folder / "config.json") < 90 and status.state == "starting"
        if not started:
            message = "The process ended without a word. Resume it: it goes on where it was saved."
            return Status(**{**asdict(status), "state": "interrupted", "message": message})
    return status


def is_alive(folder: str | Path) -> bool:
    """Whether a process on this machine works on a run, or waits to."""
    return is_locked(Path(folder) / "run.lock")


def is_locked(file: Path) -> bool:
    """Whether a process holds a file's lock; False where there is no such file."""
    try:
        with _PROBE, file.open("rb") as stream:
            return not lock_descriptor(stream.fileno(), blocking=False)
    except FileNotFoundError:
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


def check_run_folder(folder: str | Path) -> Path:
    """Refuses a folder that a run must not write to: neither new, nor empty, nor a run's.

    Raises:
        OutputError: says what is there.
    """

    def own(folder: Path) -> bool:
        others = [f for f in folder.iterdir() if f.name != "run.lock" and not is_unfinished(f)]
        return not others or ((folder / "config.json").is_file() and is_run(folder))

    return check_output_folder(folder, own)


def remove_run_files(folder: Path) -> list[str]:
    """Removes the files that a run wrote, and its folder if nothing else is left.

    Returns:
        Names of what is left, because no run writes such files.
    """
    snapshots = folder / "snapshots"
    if snapshots.is_dir():
        for file in snapshots.iterdir():
            if _SNAPSHOT.fullmatch(file.name) or is_unfinished(file):
                _remove(file)
        _remove(snapshots)
    for file in folder.iterdir():
        if is_unfinished(file):
            _remove(file)
    for name in _FILES:
        _remove(folder / name)
    _remove(folder)
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> None:
    """Removes a file or an empty folder; leaves a folder that holds something."""
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)


def read_metrics(
    folder: str | Path, after: Position | None = None
) -> tuple[list[dict[str, Any]], Position, bool]:
    """Reads the lines that were added since, leaving out a torn last one.

    Args:
        folder: the run's.
        after: where the last call ended.

    Returns:
        The new rows, where to go on, and whether the reader must forget what it has, because the
        run was resumed from an earlier step.
    """
    after = after or Position()
    try:
        with (Path(folder) / "metrics.jsonl").open("rb") as stream:
            found = os.fstat(stream.fileno())
            fresh = found.st_ino != after.file or found.st_size < after.offset
            offset = 0 if fresh else after.offset
            stream.seek(offset)
            text = stream.read()
    except OSError:
        return [], Position(), after.offset > 0
    whole = text[: text.rfind(b"\n") + 1]
    rows = []
    for line in whole.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows, Position(found.st_ino, offset + len(whole)), fresh and after.offset > 0


def read_control(folder: str | Path) -> Control:
    """Reads what watchers want; anything unusable counts as nothing wanted."""
    try:
        fields = json.loads((Path(folder) / "control.json").read_bytes())
        wanted = Control(**{k: v for k, v in fields.items() if k in Control.__dataclass_fields__})
    except (OSError, ValueError, TypeError, AttributeError):
        return Control()
    beta, rate = wanted.beta, wanted.learning_rate
    return Control(
        wanted.action if wanted.action in ("run", "pause", "stop") else "run",
        wanted.single if type(wanted.single) is int else 0,
        beta if isinstance(beta, int | float) and 0 <= beta <= 1_000 else None,
        rate if isinstance(rate, int | float) and 0 < rate <= 1 else None,
    )


def read_changes(folder: str | Path) -> list[dict[str, Any]]:
    """Reads what visitors changed while it trained: `step`, `beta` and `learning_rate`.

    Raises:
        RunError: the log is damaged; without it the run could not go on as it was.
    """
    file = Path(folder) / "changes.jsonl"
    try:
        found = [json.loads(line) for line in file.read_text().splitlines()]
        return [{name: c[name] for name in ("step", "beta", "learning_rate")} for c in found]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{file} cannot be read ({error}).") from error


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
    wanted = Control(
        "pause" if single else action or now.action,
        now.single + single,
        now.beta if beta is None else beta,
        now.learning_rate if learning_rate is None else learning_rate,
    )
    write_json(Path(folder) / "control.json", asdict(wanted))


def write_json(file: Path, value: Any) -> None:
    """Writes a JSON file under a temporary name and renames it."""
    write_file(file, json.dumps(value, indent=1, allow_nan=False).encode() + b"\n")


def _age(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return float("inf")

"""The app's training runs: started in processes of their own, queued, resumed, saved, deleted."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files import remove_unfinished, write_file
from ..locations import NAME, data_folder, list_checkpoints
from .folder import (
    RunConfig,
    RunError,
    Status,
    check_run_folder,
    control,
    is_alive,
    is_run,
    lock,
    read_config,
    read_status,
    remove_run_files,
    write_json,
)

__all__ = [
    "Run",
    "begin",
    "delete_run",
    "export_run",
    "hold",
    "list_runs",
    "plan",
    "resume_run",
    "runs_folder",
    "save_run",
    "start_run",
    "turn",
]

_QUEUE = 4  # runs that may wait; each waits in a process of its own
_children: list[subprocess.Popen] = []  # kept, so that those that ended are waited for
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """A run in the data folder.

    Args:
        name: of its folder.
        folder: where it lies.
    """

    name: str
    folder: Path


def runs_folder() -> Path:
    """Where the app keeps its runs."""
    return data_folder() / "runs"


def list_runs() -> list[Run]:
    """Names all runs of the app, the latest first."""
    files = [f for f in runs_folder().glob("*/config.json") if NAME.fullmatch(f.parent.name)]
    files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
    return [Run(file.parent.name, file.parent) for file in files]


def start_run(config: RunConfig, name: str | None = None) -> Run:
    """Starts a run in a process of its own, or in the queue if others are at work.

    Args:
        config: what to do.
        name: of its folder; made of the preset or the dataset and the time by default.

    Raises:
        RunError: the queue is full, or the name is taken or not allowed.
    """
    waiting = sum(read_status(run.folder).state == "waiting" for run in list_runs())
    if waiting >= _QUEUE:
        raise RunError(f"{waiting} runs are waiting already. Try again when one has ended.")
    if name is None:
        stem = config.preset or Path(config.dataset).stem
        stem = re.sub(r"[^A-Za-z0-9-]+", "-", stem).strip("-") or "run"
        name = f"{stem[:30]}-{time.strftime('%m%d-%H%M%S')}"
        while (runs_folder() / name).exists():
            name += "b"
    folder = _new_folder(runs_folder(), name)
    write_json(folder / "config.json", config.to_dict())
    _launch(folder)
    return Run(name, folder)


def resume_run(folder: str | Path) -> None:
    """Lets a run that was stopped, failed or was interrupted go on where it was saved.

    Raises:
        RunError: it is at work already.
    """
    if is_alive(folder):
        raise RunError("This run is at work already.")
    write_json(Path(folder) / "config.json", read_config(folder).to_dict())  # it is the latest now
    _launch(Path(folder))


def delete_run(folder: str | Path) -> list[str]:
    """Removes a run for good, and nothing that a run does not write.

    Returns:
        Names of files of somebody else's that are left in the folder.

    Raises:
        RunError: it is at work, or the folder is none of the app's runs.
    """
    folder = Path(folder)
    if folder.resolve().parent != runs_folder().resolve() or not folder.is_dir():
        raise RunError(f"{folder} is not a run of this app.")
    if not is_run(folder):
        raise RunError(
            f"{folder / 'config.json'} is no run's, and no run has left its mark in the folder. "
            "Nothing was deleted; remove the folder by hand if you no longer need it."
        )
    with _locked(folder) as free:
        if not free:
            raise RunError("This run is at work; stop it first.")
        return remove_run_files(folder)


def save_run(folder: str | Path, name: str) -> Path:
    """Copies a run's checkpoint to the visitors' own, where it stays when the run is deleted.

    Args:
        folder: the run's.
        name: of the checkpoint: letters, digits, dots, dashes.

    Raises:
        RunError: nothing was saved yet, or the name is taken or not allowed.
    """
    files = [Path(folder) / f for f in ("model.safetensors", "codes.safetensors", "card.json")]
    files = [file for file in files if file.is_file()]
    if not files or files[0].name != "model.safetensors":
        raise RunError("This run has not saved a checkpoint yet; wait for its first epoch.")
    if name in {checkpoint.name for checkpoint in list_checkpoints()}:
        raise RunError(f"There is a checkpoint named {name} already; choose another name.")
    target = _new_folder(data_folder() / "checkpoints", name)
    try:
        for file in reversed(files):  # the weights last: with them it is listed
            write_file(target / file.name, file.read_bytes())
    except OSError as error:
        for file in files:
            (target / file.name).unlink(missing_ok=True)
        target.rmdir()
        raise RunError(f"The checkpoint could not be saved ({error.strerror}).") from error
    return target


def export_run(folder: str | Path) -> bytes:
    """Packs a run's checkpoint, config and metrics into a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (
            "model.safetensors",
            "codes.safetensors",
            "card.json",
            "config.json",
            "metrics.jsonl",
        ):
            file = Path(folder) / name
            if file.is_file():
                archive.write(file, f"{Path(folder).name}/{name}")
    return packed.getvalue()


def plan(folder: str | Path, config: RunConfig | None, resume: bool) -> RunConfig:
    """Decides what a run is to do; writes nothing.

    Args:
        folder: the run's: a new or an empty one, or that of a run.
        config: what to do; may be left out if it is resumed.
        resume: whether to go on with what the folder holds; with an empty one, it begins.

    Raises:
        RunError: the folder holds another run, or none to resume.
        OutputError: the folder must not be written to.
    """
    folder = check_run_folder(folder)
    file, trained = folder / "config.json", (folder / "model.safetensors").exists()
    never = not (folder / "state.safetensors").exists()
    if file.exists() and resume:
        saved = read_config(folder)
        if trained and never and not (folder / "run.lock").exists():  # an export, unpacked
            raise RunError(
                f"{folder} holds a trained model, but not the state.safetensors that training "
                "goes on from: it would start over and lose the model. Name a new folder, and add "
                f"--from {folder} to start from these weights."
            )
        if config is not None and config != saved:
            raise RunError(
                f"{folder} was begun with other settings; a resumed run keeps its own. Leave the "
                "others out, or choose another folder."
            )
        return saved
    failed = never and not trained and read_status(folder).state == "failed"
    if file.exists() and not failed:
        raise RunError(
            f"{folder} holds a run already. Add --resume to go on with it, or choose another "
            "folder."
        )
    if config is None:
        raise RunError(f"{folder} holds no run that could be resumed.")
    return config


def begin(folder: Path, config: RunConfig) -> None:
    """Writes what `plan` decided."""
    file = folder / "config.json"
    if not file.exists() or read_config(folder) != config:
        write_json(file, config.to_dict())


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keeps a run for this process; however it ends, the run is free again.

    Raises:
        RunError: another process works on it.
    """
    with _locked(folder) as held:
        if not held:
            raise RunError(f"Another process works on {folder}. Wait for it, or stop it.")
        remove_unfinished(folder, but="control.json")  # the app may be writing that one now
        remove_unfinished(folder / "snapshots")
        yield


@contextmanager
def turn(folder: Path, say: Callable[[str], None], stopped: Callable[[], bool]) -> Iterator[bool]:
    """Waits until the server allows one more run, and keeps the place while it lasts.

    `$LATENT_RUNS` says how many may train at a time, 1 by default; a place is a file's lock, so
    it is free again however its holder ended.

    Args:
        folder: the run's; the one whose config is older goes first.
        say: told what it waits for.
        stopped: asked whether to give up.

    Yields:
        False if it gave up.
    """
    allowed = max(1, int(os.environ.get("LATENT_RUNS", "1")))
    own = (folder / "config.json").stat().st_mtime
    while not stopped():
        ahead = sum(
            read_status(other.folder).state in ("waiting", "starting")
            and (other.folder / "config.json").stat().st_mtime < own
            for other in list_runs()
        )
        for number in range(0 if ahead else allowed):
            with lock(runs_folder() / f".place-{number}") as held:
                if held:
                    yield True
                    return
        say(f"Waiting for the run at work{f' and {ahead} more' if ahead else ''}.")
        time.sleep(0.5)
    yield False


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    for _ in range(20):  # a watcher that looks whether we are here holds the lock for a moment
        with lock(folder / "run.lock") as held:
            if held:
                yield True
                return
        time.sleep(0.05)
    yield False


def _launch(folder: Path) -> None:
    control(folder, "run")
    write_json(folder / "status.json", asdict(Status(message="Starting.", heartbeat=time.time())))
    out = str(folder.resolve())
    with (folder / "log.txt").open("ab") as log:
        _children[:] = [child for child in _children if child.poll() is None]
        child = subprocess.Popen(
            [sys.executable, "-m", "vae", "train", "--resume", "--queue", "--out", out],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that it outlives the app
        )
        _children.append(child)


def _new_folder(place: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise RunError(
            f"{name!r} cannot be a name; take up to 64 letters, digits, dots and dashes."
        )
    try:
        (place / name).mkdir(parents=True)
    except FileExistsError:
        raise RunError(f"{name} exists already; choose another name.") from None
    return place / name

"""The training runs of the app: starting, queueing, resuming, saving and deleting them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from ..files import explain_refusal, is_unfinished, refusals_as, write_file
from ..in_progress import in_progress
from ..locations import FILES as CHECKPOINT_FILES
from ..locations import NAME, data_folder, list_checkpoints
from ..quota import check_quota
from .config import RunConfig, RunError, read_config
from .control import control
from .epochs import forget_epochs
from .folder import FILES, check_files, is_run, lock, write_json
from .queue import ESTIMATE, TRAIN, Ticket, take_ticket
from .status import Status, is_starting, read_status

__all__ = [
    "Measurement",
    "Run",
    "delete_run",
    "export_run",
    "list_runs",
    "measure",
    "resume_run",
    "runs_folder",
    "save_run",
    "start_run",
]

_SNAPSHOT = re.compile(r"(shared|\d{6})\.safetensors")
_children: list[subprocess.Popen] = []  # kept so that ended processes are reaped
_ROOT = Path(__file__).resolve().parents[2]
_INHERITS_LOCKS = os.name == "posix"  # elsewhere a process that is started queues up by itself


@dataclass(frozen=True)
class Run:
    """A run in the data folder.

    Args:
        name: name of the folder.
        folder: path of the folder.
    """

    name: str
    folder: Path


def runs_folder() -> Path:
    """The folder of the app's runs."""
    return data_folder() / "runs"


def list_runs() -> list[Run]:
    """Lists all runs of the app, the latest first."""
    folders = []
    for file in runs_folder().glob("*/config.json"):
        if NAME.fullmatch(file.parent.name):
            with suppress(OSError):  # deleted meanwhile
                folders.append((file.lstat().st_mtime, file.parent))
    return [Run(folder.name, folder) for _, folder in sorted(folders, reverse=True)]


def start_run(config: RunConfig, name: str | None = None) -> Run:
    """Starts a run in a separate process, which waits in the queue if others are running.

    Args:
        config: configuration of the run.
        name: name of the folder; by default it consists of the preset or the dataset and the
            time.

    Raises:
        RunError: if the queue is full, the name is taken or invalid, or nothing can be written.
    """
    with refusals_as(RunError):
        check_quota()
    with _ticket(TRAIN) as ticket:
        folder = _new_folder(runs_folder(), name) if name else _folder_by_time(config)
        try:
            write_json(folder / "config.json", config.to_dict())
            _launch(folder, ticket)
        except BaseException:
            with suppress(OSError):
                _remove_run_files(folder)
            raise
    return Run(folder.name, folder)


def resume_run(folder: str | Path) -> None:
    """Resumes a run that was stopped, failed or interrupted from its last checkpoint.

    Raises:
        RunError: if the run is running already or damaged, or the queue is full.
    """
    if read_status(folder).live:
        raise RunError("This run is running already. Wait for it, or stop it.")
    folder = Path(folder)
    check_files(folder)
    read_config(folder)
    with _ticket(TRAIN) as ticket, lock(folder / "run.lock") as free:
        if not free:
            raise RunError("Somebody else has just begun to work on this run, or to delete it.")
        if is_starting(folder):  # by somebody who has let go of the lock meanwhile
            raise RunError("This run is running already. Wait for it, or stop it.")
        read_config(folder)  # again, now that nobody can delete it
        os.utime(folder / "config.json")  # makes it the latest run
        _launch(folder, ticket)


@contextmanager
def measure(config: RunConfig) -> Iterator[Measurement]:
    """Measures in a separate process how long a run would take; it ends with the block.

    Args:
        config: configuration of the run.

    Raises:
        RunError: if the queue is full.
    """
    command = ["-", "--quiet", "--estimate", "--json", "--queue"]
    with refusals_as(RunError), TemporaryFile() as out, TemporaryFile() as errors:
        with _ticket(ESTIMATE) as ticket:
            process = _start(command, ticket, stdin=subprocess.PIPE, stdout=out, stderr=errors)
        try:
            assert process.stdin is not None  # it is a pipe
            with suppress(BrokenPipeError), process.stdin as stream:
                stream.write(json.dumps(config.to_dict()).encode())
            yield Measurement(process, ticket, out, errors)
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Measurement:
    """A process that measures how long a run would take.

    Args:
        process: the process.
        ticket: ticket of the process in the queue.
        out: file of its standard output.
        errors: file of its standard error.
    """

    process: subprocess.Popen
    ticket: Ticket
    out: IO[bytes]
    errors: IO[bytes]

    @property
    def ended(self) -> bool:
        """Whether the measurement has ended."""
        return self.process.poll() is not None

    def result(self) -> dict[str, float]:
        """The output of `estimate` in the process.

        Raises:
            RunError: if the measurement failed; the message gives the reason.
        """
        for stream in (self.out, self.errors):
            stream.seek(0)
        try:
            return json.loads(self.out.read())
        except ValueError:
            lines = self.errors.read().decode(errors="replace").strip().splitlines()
            raise RunError(
                lines[-1] if lines else "The measuring process ended unexpectedly. Try again."
            ) from None


@refusals_as(RunError)
def delete_run(folder: str | Path) -> list[str]:
    """Deletes the files that a run has written, and no others.

    Returns:
        Names of other files, which are left in the folder.

    Raises:
        RunError: if the run is running, the folder is not a run of the app, or the system does
            not let it be deleted.
    """
    folder = Path(folder)
    if folder.resolve().parent != runs_folder().resolve() or not folder.is_dir():
        raise RunError(f"{folder} is not a run of this app.")
    if not is_run(folder):
        raise RunError(
            f"{folder / 'config.json'} is no run's, and no run has left its mark in the folder. "
            "Nothing was deleted; remove the folder by hand if you no longer need it."
        )
    with lock(folder / "run.lock") as free:
        if not free or is_starting(folder):
            raise RunError("This run is running; stop it first.")
        return _remove_run_files(folder)


def save_run(folder: str | Path, name: str) -> Path:
    """Copies the checkpoint of a run to the visitors' checkpoints, independent of the run.

    Args:
        folder: folder of the run.
        name: name of the checkpoint: letters, digits, dots, dashes.

    Raises:
        RunError: if the run has no checkpoint yet, the name is taken or invalid, or the
            checkpoint cannot be written.
    """
    files = [Path(folder) / name for name in CHECKPOINT_FILES]
    files = [file for file in files if file.is_file()]
    if not files or files[0].name != "model.safetensors":
        raise RunError("This run has not saved a checkpoint yet; wait for its first epoch.")
    _check_name(name)
    place = data_folder() / "checkpoints"
    if name in {checkpoint.name for checkpoint in list_checkpoints()} or (place / name).exists():
        raise RunError(f"There is a checkpoint named {name} already; choose another name.")
    with refusals_as(RunError):
        check_quota(sum(file.stat().st_size for file in files))
        place.mkdir(parents=True, exist_ok=True)
        with in_progress(place / f".{name}.{uuid.uuid4().hex}.importing") as unfinished:
            unfinished.mkdir()
            for file in files:
                write_file(unfinished / file.name, file.read_bytes())
            unfinished.rename(place / name)
    return place / name


def export_run(folder: str | Path) -> bytes:
    """Packs the checkpoint, the configuration and the metrics of a run into a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*CHECKPOINT_FILES, "config.json", "metrics.jsonl"):
            file = Path(folder) / name
            if file.is_file():
                archive.writestr(f"{Path(folder).name}/{name}", file.read_bytes())
    return packed.getvalue()


@contextmanager
def _ticket(kind: str) -> Iterator[Ticket]:
    """Takes a ticket in the queue for a process that is started in the block.

    Raises:
        RunError: if the queue is full, or the ticket cannot be written.
    """
    try:
        ticket = take_ticket(kind)
        try:
            yield ticket
        finally:
            ticket.close()
    except OSError as error:
        raise RunError(f"Nothing was started. {explain_refusal(error)}") from error


def _launch(folder: Path, ticket: Ticket) -> None:
    control(folder, "run")
    write_json(
        folder / "status.json", asdict(Status("starting", "Starting.", heartbeat=time.time()))
    )
    command = ["--quiet", "--resume", "--queue", "--out", str(folder.resolve())]
    with (folder / "log.txt").open("ab") as log:
        _children[:] = [child for child in _children if child.poll() is None]
        _children.append(
            _start(
                command,
                ticket,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the run outlives the app
            )
        )


def _start(options: list[str], ticket: Ticket, **how: Any) -> subprocess.Popen:
    environment = dict(os.environ)
    if _INHERITS_LOCKS:
        environment |= ticket.environment
        how["pass_fds"] = [ticket.lock]
    command = [sys.executable, "-m", "vae", "train", *options]
    return subprocess.Popen(command, cwd=_ROOT, env=environment, **how)


def _folder_by_time(config: RunConfig) -> Path:
    """Makes a folder for a run that nobody has named, however many begin in one second."""
    stem = config.preset or Path(config.dataset).stem
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", stem).strip("-") or "run"
    folder = runs_folder() / f"{stem[:30]}-{time.strftime('%m%d-%H%M%S')}"
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            folder = folder.with_name(f"{folder.name}b")
        else:
            return folder


def _new_folder(place: Path, name: str) -> Path:
    _check_name(name)
    try:
        (place / name).mkdir(parents=True)
    except FileExistsError:
        raise RunError(f"{name} exists already; choose another name.") from None
    return place / name


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise RunError(
            f"{name!r} cannot be a name; expected up to 64 letters, digits, dots and dashes."
        )


def _remove_run_files(folder: Path) -> list[str]:
    """Removes the files that a run wrote, and its folder if no other files are left.

    Returns:
        Names of the files that are left.
    """
    snapshots = folder / "snapshots"
    if snapshots.is_dir():
        for file in snapshots.iterdir():
            if _SNAPSHOT.fullmatch(file.name) or is_unfinished(file):
                _remove(file)
        _remove(snapshots)
    forget_epochs(folder)
    for file in folder.iterdir():
        if is_unfinished(file):
            _remove(file)
    for name in FILES:
        _remove(folder / name)
    _remove(folder)
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> None:
    """Removes a file or an empty folder."""
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)

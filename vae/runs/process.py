"""The process of a run: locks its folder, waits for its turn, and only then imports torch."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import OutputError, check_output_folder, is_unfinished, read_file, remove_unfinished
from ..locations import data_folder
from ..schema import SchemaError, decode
from .config import RunConfig, RunError, read_config
from .control import read_control
from .folder import check_files, is_run, lock, write_json
from .options import RunOptions
from .queue import TRAIN, wait_for_turn
from .status import State, Status, read_status

if TYPE_CHECKING:
    import torch

__all__ = ["Reporter", "give_way", "hold", "run"]

_NICE = "10"  # about a tenth of what a process with a niceness of 0 gets beside it


def give_way() -> None:
    """Lets the app and other processes go first, by the niceness in `$LATENT_NICE`, 10 by default.

    Linux may share the processors among sessions first, and then nothing that one of them sets
    for its processes counts beside another (sched(7), "The autogroup feature"). So the process
    of a session of its own, as a run of the app is, lowers the whole session.

    Raises:
        RunError: if `$LATENT_NICE` is not from 0 to 19.
    """
    text = os.environ.get("LATENT_NICE", _NICE)
    if text not in map(str, range(20)):
        raise RunError(
            f"$LATENT_NICE is {text!r}; expected a niceness from 0, which gives way to "
            "nothing, to 19."
        )
    if text == "0" or not hasattr(os, "nice"):
        return
    os.nice(int(text))
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # elsewhere there is no such file, or nothing to be set
            Path("/proc/self/autogroup").write_text(text, encoding="ascii")


def run(
    folder: str | Path,
    config: RunConfig | None = None,
    *,
    resume: bool = False,
    queue: bool = False,
    device: str | torch.device = "auto",
    options: RunOptions | None = None,
    watch: Callable[[Status], None] = lambda status: None,
) -> Status:
    """Trains until the end, a stop or a failure, and saves a checkpoint.

    Args:
        folder: folder of the run.
        config: configuration of the run; None reads it from the folder.
        resume: whether to resume the run in the folder.
        queue: whether to wait until the server allows one more run (`$LATENT_RUNS`, 1 by
            default).
        device: `cpu`, `cuda`, `auto`, or another device of torch.
        options: options of the process.
        watch: called with the status whenever it changes.

    Returns:
        The final status.

    Raises:
        RunError: if the folder holds a run already, another process works on it, or the queue is
            full.
        OutputError: if the name of the folder is empty, or names a file or a folder of something
            else.
    """
    options = options or RunOptions()
    if os.environ.get("RANK", "0") != "0":
        from .worker import follow

        return follow(Path(folder), device, options)
    stop = threading.Event()
    try:
        _plan(folder, config, resume)  # errors are raised before a file is written
        with _signals(stop), hold(folder := Path(folder)):
            config = _plan(folder, config, resume)  # again, now that the folder is locked
            if not (folder / "config.json").exists() or read_config(folder) != config:
                write_json(folder / "config.json", config.to_dict())
            reporter = Reporter(
                folder,
                Status("starting", epochs=config.training.epochs, pid=os.getpid()),
                watch,
            )
            with reporter.heartbeat(), _turn(reporter, stop, queue) as begins:
                if begins:
                    from .worker import lead

                    return lead(config, reporter, stop, device, options)
                reporter.say("stopped", "Stopped while it was waiting.")
    except (RunError, OutputError):
        _dismiss(device)
        raise
    _dismiss(device)
    return reporter.status


class Reporter:
    """Maintains the `status.json` of a run, which a thread writes at regular intervals.

    Args:
        folder: folder of the run.
        status: initial status.
        watch: called with the status whenever it changes.
    """

    def __init__(
        self, folder: Path, status: Status, watch: Callable[[Status], None] = lambda status: None
    ) -> None:
        self.folder, self.status, self._watch = folder, status, watch

    def say(self, state: State, message: str, **fields: Any) -> None:
        """Changes the status, which the heartbeat writes."""
        self.status = replace(self.status, state=state, message=message, **fields)
        self._watch(self.status)

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Writes the status regularly during the block, and at its end."""
        done = threading.Event()

        def beat() -> None:
            written, at = None, 0.0
            while not done.wait(0.4):
                if self.status is not written or time.monotonic() - at > 2:
                    written, at = self.status, time.monotonic()
                    self._write()

        thread = threading.Thread(target=beat, daemon=True)
        self._write()
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self._write()

    def _write(self) -> None:
        fields = asdict(replace(self.status, heartbeat=time.time()))
        file = self.folder / "status.json"
        try:
            write_json(file, fields)
        except OSError:  # a full disk: the bytes that the old one takes may still do
            with suppress(OSError):
                file.write_text(json.dumps(fields))


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Locks a run for this process; the system releases the lock when the process ends.

    Raises:
        RunError: if another process works on the run.
    """
    with lock(folder / "run.lock") as held:
        if not held:
            raise RunError(f"Another process works on {folder}. Wait for it, or stop it.")
        remove_unfinished(folder, but="control.json")  # the app may be writing that one now
        remove_unfinished(folder / "snapshots")
        yield


def _check_folder(folder: str | Path) -> Path:
    """Refuses a folder that is neither new, nor empty, nor that of a run."""

    def own(folder: Path) -> bool:
        others = [f for f in folder.iterdir() if f.name != "run.lock" and not is_unfinished(f)]
        return not others or ((folder / "config.json").is_file() and is_run(folder))

    return check_output_folder(folder, own)


def _plan(folder: str | Path, config: RunConfig | None, resume: bool) -> RunConfig:
    """Determines the configuration of a run; writes nothing."""
    folder = _check_folder(folder)
    check_files(folder)
    file, trained = folder / "config.json", (folder / "model.safetensors").exists()
    never = not (folder / "state.safetensors").exists()
    if file.exists() and resume:
        saved = read_config(folder)
        if trained and never and not (folder / "run.lock").exists():  # an export, unpacked
            raise RunError(
                f"{folder} holds a trained model, but not the state.safetensors that training "
                "resumes from: it would start over and lose the model. Name a new folder, and add "
                f"--from {folder} to start from these weights."
            )
        if config is not None and config.training.precision == "auto":  # settled at the start
            training = replace(config.training, precision=saved.training.precision)
            config = replace(config, training=training)
        if config is not None and _is_source(config.dataset, saved.dataset):
            config = replace(config, dataset=saved.dataset)
        if config is not None:  # what comes after training may be wanted or not
            saved = replace(saved, fit_codes=config.fit_codes)
        if config is not None and config != saved:
            raise RunError(
                f"{folder} was begun with other settings; a resumed run keeps its own. Leave the "
                "others out, or choose another folder."
            )
        return saved
    failed = never and not trained and read_status(folder).state in ("failed", "diverged")
    if file.exists() and not failed:
        raise RunError(
            f"{folder} holds a run already. Add --resume to resume it, or choose another folder."
        )
    if config is None:
        raise RunError(f"{folder} holds no run that could be resumed. Leave out --resume.")
    return config


def _is_source(dataset: str, imported: str) -> bool:
    """Whether a name or path led to the version of an import that a run uses."""
    name, _, version = imported.partition("@")
    if not version or dataset in (name, imported):
        return bool(version)
    try:
        file = data_folder() / "datasets" / name / version / "card.json"
        card = decode(read_file(file), dict[str, Any])
    except (OSError, SchemaError):
        return False
    return card.get("source") == os.path.abspath(dataset)


def _turn(reporter: Reporter, stop: threading.Event, queue: bool) -> AbstractContextManager[bool]:
    if not queue:
        return nullcontext(True)
    return wait_for_turn(
        TRAIN,
        lambda message: reporter.say("waiting", message),
        lambda: stop.is_set() or read_control(reporter.folder).action == "stop",
    )


def _dismiss(device: str | torch.device) -> None:
    """Ends the other processes of several."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from .worker import dismiss

        dismiss(device)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Makes the first SIGINT or SIGTERM stop the run in order, and the second end it at once."""

    def handle(number: int, _frame: Any) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

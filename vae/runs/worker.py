"""The training of a run: applies its control, trains, and writes its folder."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import CheckpointError, load_card, load_checkpoint, save_own_checkpoint
from ..code_fitting import fit_checkpoint
from ..codes import write_reference
from ..datasets import Dataset
from ..imports import Cancelled, find_import
from ..model import VAE
from ..training.data import in_memory, steps_per_epoch
from ..training.distributed import Group, join, leave
from ..training.loop import Diverged, Progress, TrainingState, train
from ..training.precision import resolve_precision
from .best import BestEpoch
from .config import RunConfig
from .control import read_control
from .epochs import forget_epochs, keep_epoch
from .folder import write_json
from .metrics import append_row, heldout_of, rewind_metrics, row_of
from .options import RunOptions
from .process import Reporter
from .setup import SHARE, describe_data, explain, prepare, settle_dataset, threads
from .snapshots import Snapshots, list_snapshots, snapshot_file
from .state import has_state, read_state, write_state
from .status import State, Status, not_fitted
from .steering import Steering

__all__ = ["dismiss", "follow", "lead"]

_LINES = 2_000  # of metrics a run leaves, whatever its length


def lead(
    config: RunConfig,
    reporter: Reporter,
    stop: threading.Event,
    device: str | torch.device,
    options: RunOptions,
) -> Status:
    """Trains in the process that writes, and sends the configuration to the other processes.

    Args:
        config: configuration of the run.
        reporter: reporter of the run.
        stop: event that stops training in order.
        device: `cpu`, `cuda`, `auto`, or another device of torch.
        options: options of the process.
    """
    try:
        group = join(device)
    except Exception as error:  # no such device, or not all processes came
        reporter.say("failed", explain(error))
        return reporter.status
    try:
        settled = _settle_dataset(config, reporter, stop, options)
        group.object_from_first(settled)
        if settled is None:
            return reporter.status
        return _Trainer(settled, group, reporter, stop, options).run()
    finally:
        leave(group)


def _settle_dataset(
    config: RunConfig, reporter: Reporter, stop: threading.Event, options: RunOptions
) -> RunConfig | None:
    """Imports the pictures of a new run, unless they are; returns None if it ends with that."""
    folder = reporter.folder
    if has_state(folder):  # of an earlier version, perhaps, with a path
        return config

    def cancelled() -> bool:
        return stop.is_set() or read_control(folder).action == "stop"

    try:
        settled = settle_dataset(
            config,
            progress=lambda share, message: reporter.say("starting", f"{message}."),
            cancelled=cancelled,
            follow_links=options.follow_links,
        )
        if settled != config:
            write_json(folder / "config.json", settled.to_dict())
        return settled
    except Cancelled:
        reporter.say("stopped", "Stopped while the pictures were imported; nothing was kept.")
    except (ValueError, OSError, MemoryError) as error:
        reporter.say("failed", explain(error))
    return None


def follow(folder: Path, device: str | torch.device, options: RunOptions) -> Status:
    """Trains in one of the other processes, once it has received the configuration.

    Args:
        folder: folder of the run.
        device: `cpu`, `cuda`, `auto`, or another device of torch.
        options: options of the process.
    """
    group = join(device)
    try:
        config = group.object_from_first(None)
        if config is None:
            return Status("failed", "The first process did not start; its message says why.")
        reporter = Reporter(folder, Status("starting", epochs=config.training.epochs))
        return _Trainer(config, group, reporter, threading.Event(), options).run()
    finally:
        leave(group)


def dismiss(device: str | torch.device) -> None:
    """Informs the other processes that the first one does not start."""
    group = join(device)
    group.object_from_first(None)
    leave(group)


class _Stopped(Exception):
    pass


class _Trainer:
    """The part of a run that one process computes; the first process alone writes."""

    def __init__(
        self,
        config: RunConfig,
        group: Group,
        reporter: Reporter,
        stop: threading.Event,
        options: RunOptions,
    ) -> None:
        self.folder, self.config, self.group = reporter.folder, config, group
        self.reporter, self.say, self.options = reporter, reporter.say, options
        self.steering = Steering(reporter.folder, stop, options)
        self.state = TrainingState()
        self.seconds = 0.0  # time spent training, over all resumptions
        self._pace = 0.0  # seconds per step
        self._window: list[Progress] = []
        self._saved = time.monotonic()
        self._card: dict[str, Any] = {}
        self._best: BestEpoch | None = None
        self._stalled = False

    def run(self) -> Status:
        try:
            with threads(self.config.threads):
                self._train()
        except _Stopped:
            self.say("stopped", "Stopped. It can be resumed where it was saved.")
        except BaseException as error:
            state: State = "diverged" if isinstance(error, Diverged) else "failed"
            self.say(state, explain(error) + self._kept_notice())
            if not isinstance(error, ValueError | OSError | MemoryError):
                with (
                    contextlib.suppress(OSError),
                    (self.folder / "log.txt").open("a") as log,
                ):
                    traceback.print_exc(file=log)
        return self.status

    @property
    def status(self) -> Status:
        """The current status of the run."""
        return self.reporter.status

    def _train(self) -> None:
        self._settle_precision()
        config, group, training = self.config, self.group, self.config.training
        self.say("starting", "Loading the images.")
        data, heldout, model = prepare(config)
        workers = min(4, max(1, (os.cpu_count() or 1) // group.size))
        images = in_memory(data.images, workers)
        model.to(group.device)
        self._restore(model)
        per_epoch = steps_per_epoch(len(images), training.batch_size)
        steps = per_epoch * training.epochs
        self.say(
            "running",
            "Training.",
            steps=steps,
            step=self.state.step,
            epoch=self.state.step / per_epoch,
            parameters=model.config.parameter_count(),
        )
        self._card = {
            "dataset": config.dataset,
            "split": heldout.split,
            "licence": data.licence,
            "images": len(data),
            "training": training.to_dict(),
            "started_from": config.start,
            "parameters": model.config.parameter_count(),
        }
        before = self._read_card() if self.state.step else {}
        self._card |= describe_data(data, before)
        if (imported := find_import(config.dataset)) is not None:
            self._card["import"] = imported.origin()
        if metrics := before.get("metrics"):
            self._card["metrics"] = metrics
        snapshots = None
        if group.writes:
            snapshots = Snapshots(self.folder, heldout, training)
            self._rewind(self.state.step, per_epoch)
            if self.state.step == 0:
                snapshots.take(model, 0)
                keep_epoch(self.folder, model, 0, self._full_card())
            if training.patience:
                self._best = BestEpoch(self.folder, training, self.state.step // per_epoch)
        progress_of = train(
            model,
            images,
            training,
            heldout=heldout.images[: self.options.heldout] if group.writes else None,
            state=self.state,
            group=group,
            workers=workers,
        )
        every = -(-steps // _LINES)
        last = time.perf_counter()
        while True:
            paused = self._apply_control(model)
            if self._stalled:
                progress_of.close()
                model.eval()
                break
            progress = next(progress_of, None)
            if progress is None:
                break
            now = time.perf_counter()
            self.seconds += now - last - paused
            self._report(progress, now - last - paused)
            last = now
            if group.writes:
                self._window.append(progress)
                ended = progress.step % per_epoch == 0
                if ended and snapshots is not None:  # before the state from which it is resumed
                    self._check_weights(model)
                    snapshots.take(model, progress.step // per_epoch)
                    keep_epoch(self.folder, model, progress.step // per_epoch, self._full_card())
                if ended or progress.step % every == 0:
                    row = self._write_row(progress)
                    if ended and self._best is not None:
                        self._save(model)  # the best epoch is never ahead of the state
                        self._best.consider(model, progress, row)
                    first = ended and not has_state(self.folder)
                    if first or time.monotonic() - self._saved > self.options.save_every:
                        self._save(model)
        kept = ""
        if group.writes:
            self._save(model)
            if self._best is not None and (kept := self._best.restore(model)):
                self._card |= {"metrics": self._best.metrics, "epoch": self._best.epoch}
                save_own_checkpoint(model, self.folder, self._full_card())
            self.say("finishing", "Drawing the map of codes.", seconds_left=None)
            write_reference(load_checkpoint(self.folder), self.folder, heldout, self.options.tsne)
        unfitted = self._fit_codes(data) if group.writes and config.fit_codes else ""
        reason = self._read_card().get("no_tsne", "")
        sentences = [
            "Finished.",
            *filter(None, [kept]),
            *self._card["notices"],
            *filter(None, [reason, unfitted]),
        ]
        self.say("finished", " ".join(sentences), seconds_left=0.0)

    def _fit_codes(self, data: Dataset) -> str:
        """Fits the distribution of codes; returns a message if it ends without one."""
        since: tuple[float, float] | None = None  # time and fraction at the start of the step

        def log(sentence: str) -> None:
            nonlocal since
            since = None
            self.say("fitting", sentence, seconds_left=None)

        def tell(share: float) -> None:
            nonlocal since
            if self.steering.stopped(self.state.step):
                raise _Stopped
            now, left = time.monotonic(), None
            began, before = since = since or (now, share)
            if now > began + 1 and share > before:
                left = (now - began) * (1 - share) / (share - before)
            self.say("fitting", self.status.message, fitted=share, seconds_left=left)

        try:
            fit_checkpoint(
                self.folder,
                budget=SHARE * self.seconds,
                data=data,
                log=log,
                progress=tell,
            )
        except _Stopped:
            return not_fitted(self.folder)
        except (ValueError, OSError, MemoryError) as error:
            return not_fitted(self.folder, f"No distribution of its codes: {explain(error)}")
        return ""

    def _settle_precision(self) -> None:
        """Stores the resolved precision, so that a resumed run computes the same anywhere."""
        training = self.config.training
        precision = resolve_precision(training.precision, self.group.device)
        if precision != training.precision:
            self.config = replace(self.config, training=replace(training, precision=precision))
            if self.group.writes:
                write_json(self.folder / "config.json", self.config.to_dict())

    def _read_card(self) -> dict[str, Any]:
        try:
            return load_card(self.folder)
        except CheckpointError:  # the next checkpoint brings a new one
            return {}

    def _report(self, progress: Progress, seconds: float) -> None:
        before = self.status.images_per_second
        speed = progress.images_per_second
        self._pace = 0.98 * self._pace + 0.02 * seconds if self._pace else seconds
        self.say(
            "running",
            "Training.",
            step=progress.step,
            epoch=progress.epoch,
            images_per_second=0.9 * before + 0.1 * speed if before else speed,
            seconds_left=(progress.steps - progress.step) * self._pace,
            beta=progress.beta,
            learning_rate=progress.learning_rate,
        )

    def _write_row(self, progress: Progress) -> dict[str, Any]:
        variational = self.config.model.get("variational", True)
        row = row_of(self._window, self.seconds, variational)
        self._window = []
        if progress.heldout:
            self._card["metrics"] = heldout_of(row)
        append_row(self.folder, row)
        return row

    def _apply_control(self, model: VAE) -> float:
        """Applies the latest control: pause, stop, beta, learning rate.

        Returns:
            Seconds spent paused.
        """
        began = time.perf_counter()
        while True:
            # Broadcast from rank 0, so that it takes effect at the same step in all processes.
            action, beta, rate = self.group.object_from_first(self._wanted())
            if beta is not None:
                self.state.beta = beta
            if rate is not None:
                self.state.learning_rate = rate
            if action == "stop":
                self._save(model)
                raise _Stopped
            if action in ("run", "end"):
                self._stalled = action == "end"
                return time.perf_counter() - began
            if self.status.state != "paused":
                self.say("paused", "Paused.", seconds_left=None)
                self._save(model)
            time.sleep(0.1)

    def _wanted(self) -> tuple[str, float | None, float | None]:
        if not self.group.writes:
            return "run", None, None
        action, beta, rate = self.steering.before(self.state.step)
        if action == "run" and self._best is not None and self._best.stalled:
            action = "end"
        return action, beta, rate

    def _save(self, model: VAE) -> None:
        if not self.group.writes:
            return
        self._check_weights(model)
        write_state(self.folder, model, self.state, self.seconds)
        save_own_checkpoint(model, self.folder, self._full_card())
        self._saved = time.monotonic()

    def _check_weights(self, model: VAE) -> None:
        """Refuses weights that no file can hold, before the last good ones are replaced."""
        if not all(torch.isfinite(p.detach().half()).all() for p in model.parameters()):
            raise Diverged(
                f"Training diverged at step {self.state.step}: weights no longer fit 16 bits. "
                "Train again with a lower learning rate."
            )

    def _full_card(self) -> dict[str, Any]:
        return self._card | {"step": self.state.step, "seconds": round(self.seconds, 1)}

    def _restore(self, model: VAE) -> None:
        """Restores what was saved; the other processes get it from the first."""
        if self.group.writes:
            self.steering.resume()
        if (restored := read_state(self.folder, model, self.group)) is not None:
            self.state, self.seconds = restored

    def _rewind(self, step: int, per_epoch: int) -> None:
        """Removes the reports after the step from which training resumes."""
        rewind_metrics(self.folder, step)
        for epoch in list_snapshots(self.folder):
            if epoch * per_epoch > step:
                snapshot_file(self.folder, epoch).unlink(missing_ok=True)
        forget_epochs(self.folder, after=step // per_epoch)

    def _kept_notice(self) -> str:
        if has_state(self.folder):
            return " The last good checkpoint is kept."
        return ""

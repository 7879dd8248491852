"""The progress display of a command: a bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from .runs.status import Status

__all__ = ["Display"]

_LINES = 10  # largest number for each step of a command, without a terminal


class Display:
    """Shows the progress of a command on the error stream, with rate and remaining time.

    Args:
        quiet: whether to show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: tqdm | None = None
        self._message = ""
        self._began = 0.0
        self._reported = 0  # fraction of the step already reported, in 1/_LINES

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def log(self, message: str) -> None:
        """Begins a step of the command.

        Args:
            message: description of the step.
        """
        self._close()
        self._message = message
        if not self.quiet:
            print(message, file=sys.stderr, flush=True)

    def progress(self, done: int, count: int, unit: str = "image") -> None:
        """Shows the progress of the current step.

        Args:
            done: number of units done.
            count: total number of units.
            unit: name of a unit, in the singular; "%" where `done` is a percentage.
        """
        if self.quiet or count <= 0:
            return
        if sys.stderr.isatty():
            if self._bar is None:
                columns, rows = shutil.get_terminal_size()  # tqdm takes an unknown size for none
                self._bar = tqdm(
                    total=count, initial=done, unit=unit, leave=False, ncols=columns, nrows=rows
                )
            self._bar.update(done - self._bar.n)
            return
        now = time.monotonic()
        self._began = self._began or now
        part = done * _LINES // count
        if part > self._reported:
            self._reported = part
            units = "passes" if unit == "pass" else f"{unit}s"
            said = f"{done} %" if unit == "%" else f"{done:,} of {count:,} {units}"
            print(f"{said}, {now - self._began:,.0f} s", file=sys.stderr, flush=True)

    def fraction(self, done: float) -> None:
        """Shows the progress of the current step by the fraction done, 0…1."""
        self.progress(round(100 * done), 100, "%")

    def share(self, done: float, message: str) -> None:
        """Shows the progress of `load_dataset`, as its `progress` argument.

        Args:
            done: fraction done, 0…1.
            message: description of the step.
        """
        if message != self._message:
            self.log(message)
        self.fraction(done)

    def status(self, status: Status) -> None:
        """Shows the status of a run.

        Args:
            status: status of the run.
        """
        if status.state == "running" and status.steps:
            self._message = status.message
            self.progress(status.step, status.steps, "step")
        elif status.state in ("waiting", "starting", "paused", "finishing", "fitting"):
            if status.message and status.message != self._message:
                self.log(status.message)
            if status.state == "fitting":
                self.fraction(status.fitted)
        else:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._began, self._reported = None, 0.0, 0

"""What a command shows while it works: a bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from .runs.folder import Status

__all__ = ["Display"]

_LINES = 10  # at most for each step of a command, where there is no terminal


class Display:
    """Shows on the error stream what is being done; a bar has its rate and the time left.

    Args:
        quiet: shows nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: tqdm | None = None
        self._sentence = ""
        self._began = 0.0
        self._told = 0  # parts of the step that lines were written about

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def log(self, sentence: str) -> None:
        """Begins a step of the command.

        Args:
            sentence: what is being done.
        """
        self._close()
        self._sentence = sentence
        if not self.quiet:
            print(sentence, file=sys.stderr, flush=True)

    def progress(self, done: int, count: int, unit: str = "image") -> None:
        """Shows how far the step is.

        Args:
            done: how many are done.
            count: of how many.
            unit: of what, one of them.
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
        if part > self._told:
            self._told = part
            line = f"{done:,} of {count:,} {unit}s, {now - self._began:,.0f} s"
            print(line, file=sys.stderr, flush=True)

    def share(self, done: float, sentence: str) -> None:
        """Shows how far loading a dataset is, as `load_dataset` tells it.

        Args:
            done: 0…1.
            sentence: what is being done.
        """
        if sentence != self._sentence:
            self.log(sentence)
        self.progress(round(100 * done), 100, "percent")

    def status(self, status: Status) -> None:
        """Shows where a run is, as its reporter tells it.

        Args:
            status: of the run.
        """
        if status.state == "running" and status.steps:
            self._sentence = status.message
            self.progress(status.step, status.steps, "step")
        elif status.state in ("waiting", "starting", "paused", "finishing"):
            if status.message and status.message != self._sentence:
                self.log(status.message)
        else:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._began, self._told = None, 0.0, 0

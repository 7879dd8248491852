"""A bounded line for heavy work in this process: few at a time, few that wait, the rest refused.

It is for what a click asks for and what holds the processor for long, such as the evidence of a
picture. What needs a process of its own waits in `vae.runs.queue`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["EVIDENCE", "BusyError", "WaitingLine"]


class BusyError(Exception):
    """So many wait that nobody else may; the message says so to a visitor."""


class WaitingLine:
    """Lets a few threads work at a time, in the order in which they came.

    Args:
        at_once: threads that may work.
        waiting: threads that may wait.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_once, self._waiting = at_once, waiting
        self._line: list[object] = []
        self._moved = threading.Condition()

    @contextmanager
    def turn(self, waits: Callable[[int], None] = lambda ahead: None) -> Iterator[None]:
        """Waits for the turn of this thread, which lasts as long as the block.

        Args:
            waits: called regularly with the number of threads that must finish first. An exception
                in it leaves the line, as when Streamlit stops a run that is out of date.

        Raises:
            BusyError: if the line is full.
        """
        own = object()
        with self._moved:
            if len(self._line) >= self._at_once + self._waiting:
                raise BusyError(
                    f"{self._waiting} visitors are already waiting for such a computation. Try "
                    "again in a moment."
                )
            self._line.append(own)
        try:
            while ahead := self._ahead(own):
                waits(ahead)
            yield
        finally:
            with self._moved:
                self._line.remove(own)
                self._moved.notify_all()

    def _ahead(self, own: object) -> int:
        """How many must end before this one may begin, after a moment's patience."""
        with self._moved:
            self._moved.wait_for(lambda: self._line.index(own) < self._at_once, timeout=0.2)
            return max(0, self._line.index(own) - self._at_once + 1)


EVIDENCE = WaitingLine(at_once=max(1, (os.cpu_count() or 1) // 2), waiting=20)

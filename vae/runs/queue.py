"""The queue of processes that need torch: a few run, a few wait, and all others are refused.

Each process holds a ticket, a file whose lock the system releases when the process ends: a crash
leaves nothing to clean up, and several servers with one data folder share one queue. Numbers
increase, so that the oldest tickets of each kind run and the next ones wait.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import lock_descriptor

from ..locations import data_folder
from .config import RunError
from .folder import is_locked

__all__ = ["ESTIMATE", "TRAIN", "Ticket", "inherit_ticket", "take_ticket", "wait_for_turn"]

TRAIN, ESTIMATE = "train", "estimate"
_WAITING = 4  # processes of all kinds that may wait; each takes a few megabytes
_NAME = re.compile(rf"(\d{{8}})-({TRAIN}|{ESTIMATE})")
_VARIABLE = "LATENT_TICKET"


@dataclass(frozen=True)
class Ticket:
    """A ticket in the queue.

    Args:
        number: number of the ticket; lower ones run first.
        kind: `TRAIN` or `ESTIMATE`.
        lock: descriptor of the locked file; closing all its copies releases the lock.
    """

    number: int
    kind: str
    lock: int

    @property
    def ahead(self) -> int:
        """The number of processes of this kind that must end before this one may start."""
        before = sum(
            kind == self.kind and number < self.number for number, kind, _ in _tickets(alive=True)
        )
        return max(0, before - _at_work(self.kind) + 1)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that identify the ticket to a process that inherits `lock`."""
        return {_VARIABLE: f"{self.lock}:{self.number}:{self.kind}"}

    def close(self) -> None:
        """Closes this process's copy of the lock."""
        os.close(self.lock)


def take_ticket(kind: str) -> Ticket:
    """Joins the end of the queue.

    Args:
        kind: `TRAIN`, of which `$LATENT_RUNS` may run at a time, or `ESTIMATE`, of which one may.

    Raises:
        RunError: if the queue is full.
    """
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as order:
        lock_descriptor(order.fileno())
        for _, _, file in _tickets(alive=False):
            file.unlink(missing_ok=True)
        held = [(number, other) for number, other, _ in _tickets(alive=True)]
        counts = {k: sum(other == k for _, other in held) for k in (TRAIN, ESTIMATE)}
        waiting = sum(max(0, count - _at_work(k)) for k, count in counts.items())
        if counts[kind] >= _at_work(kind) and waiting >= _WAITING:
            raise RunError(
                f"The queue is full: {waiting} processes are waiting already. Try again when one "
                "of them has started."
            )
        number = 1 + max((number for number, _ in held), default=0)
        descriptor = os.open(folder / f"{number:08d}-{kind}", os.O_CREAT | os.O_RDWR, 0o644)
        lock_descriptor(descriptor)
    return Ticket(number, kind, descriptor)


def inherit_ticket() -> Ticket | None:
    """Takes over the ticket that this process has inherited from its parent, if any."""
    text = os.environ.pop(_VARIABLE, "")
    if not text:
        return None
    descriptor, number, kind = text.split(":")
    os.set_inheritable(int(descriptor), False)
    return Ticket(int(number), kind, int(descriptor))


@contextmanager
def wait_for_turn(
    kind: str, say: Callable[[str], None], stopped: Callable[[], bool]
) -> Iterator[bool]:
    """Waits for the turn of this process, and occupies its place during the block.

    Args:
        kind: `TRAIN` or `ESTIMATE`.
        say: called with a message while waiting.
        stopped: function that returns whether to stop waiting.

    Yields:
        Whether it is this process's turn; False if `stopped` ended the wait.

    Raises:
        RunError: if the queue is full.
    """
    ticket = inherit_ticket() or take_ticket(kind)
    try:
        begins = False
        while not stopped():
            ahead = ticket.ahead
            if begins := not ahead:
                break
            say(f"Waiting for its turn: {ahead} {'comes' if ahead == 1 else 'come'} first.")
            time.sleep(0.5)
        yield begins
    finally:
        ticket.close()


def _at_work(kind: str) -> int:
    if kind == ESTIMATE:
        return 1
    text = os.environ.get("LATENT_RUNS", "1")
    if not text.strip().isdecimal() or int(text) < 1:
        raise RunError(
            f"$LATENT_RUNS is {text!r}; expected the number of runs that may train at a time."
        )
    return int(text)


def _folder() -> Path:
    return data_folder() / "queue"


def _tickets(alive: bool) -> list[tuple[int, str, Path]]:
    """The tickets of live processes, or those of processes that have ended."""
    tickets = []
    for file in sorted(_folder().glob("*-*")):
        match = _NAME.fullmatch(file.name)
        if match and is_locked(file) == alive:
            tickets.append((int(match[1]), match[2], file))
    return tickets

"""The queue of processes that need torch: few are at work, few wait, and all others are refused.

Each holds a ticket, a file whose lock ends with its process however that ends: nothing is left to
be tidied up after a crash, and several servers on one data folder share one queue. Numbers rise,
so that of each kind the oldest tickets are at work and the next ones wait.
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
from .folder import RunError, is_locked

__all__ = ["ESTIMATE", "TRAIN", "Ticket", "inherit_ticket", "take_ticket", "wait_for_turn"]

TRAIN, ESTIMATE = "train", "estimate"
_WAITING = 4  # processes that may wait, whatever for; each takes a few megabytes
_NAME = re.compile(rf"(\d{{8}})-({TRAIN}|{ESTIMATE})")
_VARIABLE = "LATENT_TICKET"


@dataclass(frozen=True)
class Ticket:
    """A place in the queue.

    Args:
        number: lower ones go first.
        kind: `TRAIN` or `ESTIMATE`.
        lock: descriptor of the locked file; the lock ends when all its copies are closed.
    """

    number: int
    kind: str
    lock: int

    @property
    def ahead(self) -> int:
        """How many of its kind must end before this one may begin, 0 if it may."""
        before = sum(
            kind == self.kind and number < self.number for number, kind, _ in _tickets(alive=True)
        )
        return max(0, before - _at_work(self.kind) + 1)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process that was given `lock` which ticket it holds."""
        return {_VARIABLE: f"{self.lock}:{self.number}:{self.kind}"}

    def close(self) -> None:
        """Gives up this process's hold on the ticket."""
        os.close(self.lock)


def take_ticket(kind: str) -> Ticket:
    """Joins the end of the queue.

    Args:
        kind: `TRAIN`, of which `$LATENT_RUNS` may be at work at a time, or `ESTIMATE`, of which
            one may.

    Raises:
        RunError: it would have to wait, and as many wait already as may.
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
                f"The queue is full: {waiting} wait already, behind what is at work. Try again "
                "when one of them has begun."
            )
        number = 1 + max((number for number, _ in held), default=0)
        descriptor = os.open(folder / f"{number:08d}-{kind}", os.O_CREAT | os.O_RDWR, 0o644)
        lock_descriptor(descriptor)
    return Ticket(number, kind, descriptor)


def inherit_ticket() -> Ticket | None:
    """Takes over the ticket that the process which started this one has given it, if any."""
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
    """Waits until one more of a kind may be at work, and counts as at work while it lasts.

    Args:
        kind: `TRAIN` or `ESTIMATE`.
        say: told what it waits for.
        stopped: asked whether to give up.

    Yields:
        False if it gave up.

    Raises:
        RunError: the queue is full.
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
        raise RunError(f"$LATENT_RUNS is {text!r}; expected how many runs may train at a time.")
    return int(text)


def _folder() -> Path:
    return data_folder() / "queue"


def _tickets(alive: bool) -> list[tuple[int, str, Path]]:
    """The tickets that a process holds, or those of processes that have ended."""
    tickets = []
    for file in sorted(_folder().glob("*-*")):
        match = _NAME.fullmatch(file.name)
        if match and is_locked(file) == alive:
            tickets.append((int(match[1]), match[2], file))
    return tickets

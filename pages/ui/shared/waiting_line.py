"""A bounded line for heavy work in this process: few at a time, few that wait, the rest refused.

It is for what a click asks for and what holds the processor for long, such as the evidence of a
picture. What needs a process of its own waits in `vae.runs.queue`.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["ESTIMATES", "EVIDENCE", "BusyError", "WaitingLine", "Wishes"]

_log = logging.getLogger(__name__)


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


class _MovedOnError(Exception):
    """Nobody wants it any more."""


@dataclass(eq=False)
class _Wish:
    key: Hashable
    work: Callable[[Callable[[], None]], None]
    seen: float


class Wishes:
    """Does in one thread what visitors want, one thing of each, first come, first served.

    What a visitor wanted before is dropped, and so is what nobody asks about again for a while.
    The thread rests while others use the app, who would wait for Python's interpreter; but where
    they never pause, only so long for each wish, and then half of the time. What takes `w` seconds
    of work is done `longest + 2 * w` seconds after its turn came, at the latest.

    Args:
        most: visitors who may wait.
        patience: seconds after which somebody who has not asked again has gone.
        rest: seconds that it rests after each sign of others.
        longest: seconds that it rests so for one wish, all rests together; after that, for each
            part of the work as long as that part took.
    """

    def __init__(
        self, most: int, patience: float = 6.0, rest: float = 0.5, longest: float = 2.0
    ) -> None:
        self._most, self._patience = most, patience
        self._rest, self._longest = rest, longest
        self._disturbed = -math.inf
        self._lock = threading.Lock()
        self._wishes: dict[Hashable, _Wish] = {}
        self._working = False

    def want(
        self, visitor: Hashable, key: Hashable, work: Callable[[Callable[[], None]], None]
    ) -> bool:
        """Says what a visitor wants now; to be called again as long as that is so.

        Args:
            visitor: who wants it.
            key: tells it from what the same visitor wants else.
            work: does it, and calls its argument now and then, which ends what nobody wants.

        Returns:
            Whether it is done in its turn; False where too many wait.
        """
        now = time.monotonic()
        with self._lock:
            self._wishes = {
                who: wish for who, wish in self._wishes.items() if not self._gone(wish, now)
            }
            known = self._wishes.get(visitor)
            if known is not None and known.key == key:
                known.seen = now
                return True
            self._wishes.pop(visitor, None)
            if len(self._wishes) >= self._most:
                return False
            self._wishes[visitor] = _Wish(key, work, now)
            if not self._working:
                self._working = True
                threading.Thread(target=self._work, name="wishes", daemon=True).start()
            return True

    def disturb(self) -> None:
        """Says that somebody uses the app."""
        self._disturbed = time.monotonic()

    def _gone(self, wish: _Wish, now: float) -> bool:
        return now - wish.seen > self._patience

    def _work(self) -> None:
        while True:
            with self._lock:
                visitor, wish = next(iter(self._wishes.items()), (None, None))
                if wish is None:
                    self._working = False
                    return
            try:
                self._fulfil(visitor, wish)
            except _MovedOnError:
                pass
            except Exception:
                _log.exception("What a visitor waited for failed")
            finally:
                with self._lock:
                    if self._wishes.get(visitor) is wish:
                        del self._wishes[visitor]

    def _fulfil(self, visitor: Hashable, wish: _Wish) -> None:
        rested, worked_since = 0.0, time.monotonic()

        def go_on() -> None:
            nonlocal rested, worked_since
            since = time.monotonic()
            part = since - worked_since
            while True:
                now = time.monotonic()
                pause = now - since
                if self._wishes.get(visitor) is not wish or self._gone(wish, now):
                    raise _MovedOnError
                quiet = now - self._disturbed >= self._rest
                if quiet or (pause >= part and rested + pause >= self._longest):
                    break
                time.sleep(min(self._rest, 0.01))
            rested, worked_since = rested + pause, now

        go_on()
        wish.work(go_on)


ESTIMATES = Wishes(most=8)
EVIDENCE = WaitingLine(at_once=max(1, (os.cpu_count() or 1) // 2), waiting=20)

"""A bounded line for heavy work in this process: few at a time, few that wait, the rest refused.

It is for what a click asks for and what holds the processor for long, such as the evidence of a
picture, and for what the server decodes. What needs a process of its own waits in
`vae.runs.queue`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

__all__ = [
    "DECODES",
    "ESTIMATES",
    "EVIDENCE",
    "BusyError",
    "LeftError",
    "WaitingLine",
    "Wishes",
]

_log = logging.getLogger(__name__)
_LOOK = 0.2  # seconds between two looks whether whoever waits has gone


class BusyError(Exception):
    """So many wait that nobody else may; the message says so to a visitor."""


class LeftError(Exception):
    """Whoever waited has gone."""


@dataclass(eq=False)
class _Place:
    wake: Callable[[], object]
    begun: bool = False


class WaitingLine:
    """Lets a few work at a time, the visitors in turn, and each visitor's in their order.

    Args:
        at_once: how many may work.
        waiting: how many may wait.
        each: how many of one visitor may work or wait, all together.
    """

    def __init__(self, at_once: int, waiting: int, each: int) -> None:
        self._at_once, self._waiting, self._each = at_once, waiting, each
        self._lines: dict[Hashable, list[_Place]] = {}  # who wait, those whose turn is next first
        self._working: list[Hashable] = []
        self._lock = threading.Lock()

    @contextmanager
    def turn(
        self, visitor: Hashable, waits: Callable[[int], None] = lambda ahead: None
    ) -> Iterator[None]:
        """Waits for the turn of this thread, which lasts as long as the block.

        Args:
            visitor: for whom.
            waits: called regularly with the number of those that must finish first. An exception
                in it leaves the line, as when Streamlit stops a run that is out of date.

        Raises:
            BusyError: if the line is full, or this visitor waits for enough already.
        """
        begun = threading.Event()
        own = self._join(visitor, begun.set)
        try:
            while not begun.wait(_LOOK):
                waits(self._ahead(visitor, own))
            yield
        finally:
            self._leave(visitor, own)

    @asynccontextmanager
    async def turn_of_request(
        self, visitor: Hashable, gone: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[None]:
        """As `turn`, for a request, which holds no thread while it waits.

        Args:
            visitor: for whom.
            gone: whether nobody waits for the answer any more; asked regularly until the turn
                comes, and then once more.

        Raises:
            BusyError: if the line is full, or this visitor waits for enough already.
            LeftError: nobody waits for the answer any more.
        """
        begun, loop = asyncio.Event(), asyncio.get_running_loop()
        own = self._join(visitor, lambda: loop.call_soon_threadsafe(begun.set))
        try:
            while True:
                if await gone():
                    raise LeftError
                if own.begun:
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(begun.wait(), _LOOK)
            yield
        finally:
            self._leave(visitor, own)

    def _join(self, visitor: Hashable, wake: Callable[[], object]) -> _Place:
        with self._lock:
            waiting = sum(map(len, self._lines.values()))
            if len(self._working) + waiting >= self._at_once + self._waiting:
                raise BusyError(
                    f"{self._waiting} computations of this kind are already waiting. Try again "
                    "in a moment."
                )
            if self._working.count(visitor) + len(self._lines.get(visitor, ())) >= self._each:
                raise BusyError(
                    "You are waiting for as many such computations already as one visitor may: "
                    f"{self._each}. Try again when one of them is done."
                )
            self._lines.setdefault(visitor, []).append(own := _Place(wake))
            self._begin()
            return own

    def _leave(self, visitor: Hashable, own: _Place) -> None:
        with self._lock:
            if own.begun:
                self._working.remove(visitor)
            else:
                self._take(visitor, own)
            self._begin()

    def _take(self, visitor: Hashable, place: _Place) -> None:
        self._lines[visitor].remove(place)
        if not self._lines[visitor]:
            del self._lines[visitor]

    def _begin(self) -> None:
        """Begins what may begin; the visitor whose turn it was is the last one then."""
        while self._lines and len(self._working) < self._at_once:
            visitor, (place, *_) = next(iter(self._lines.items()))
            self._take(visitor, place)
            if visitor in self._lines:
                self._lines[visitor] = self._lines.pop(visitor)
            self._working.append(visitor)
            place.begun = True
            place.wake()

    def _ahead(self, visitor: Hashable, own: _Place) -> int:
        with self._lock:
            if own.begun:
                return 0
            turns = self._lines[visitor].index(own) + 1  # that this visitor needs
            visitors = list(self._lines)
            before = visitors.index(visitor)
            return sum(
                min(len(self._lines[other]), turns if at <= before else turns - 1)
                for at, other in enumerate(visitors)
            )


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
_HALF = max(1, (os.cpu_count() or 1) // 2)  # of the processors
EVIDENCE = WaitingLine(at_once=_HALF, waiting=20, each=4)  # one at work, others giving it up
DECODES = WaitingLine(at_once=_HALF, waiting=80, each=8)  # a browser asks for two of each model

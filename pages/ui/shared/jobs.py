"""Long steps of this process: each runs in a thread, tells how far it is, and stops when asked.

A job belongs to no visitor: whoever comes back, after a reload too, finds it by its key.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Cancelled", "Job", "find", "forget", "start"]

_log = logging.getLogger(__name__)
_MOST = 2  # at a time; the others wait
_KEPT = 40  # jobs that ended
_jobs: dict[str, Job] = {}
_turns = threading.BoundedSemaphore(_MOST)


class Cancelled(Exception):
    """Somebody stopped the job."""


@dataclass(eq=False)
class Job:
    """A long step.

    Args:
        key: what it is found by.
        title: what it does, for visitors.
        errors: exceptions whose message is for visitors.
    """

    key: str
    title: str
    errors: tuple[type[Exception], ...] = ()
    fraction: float = 0.0
    words: str = ""
    state: str = "waiting"  # then "running"; at last "done", "failed" or "stopped"
    problem: str = ""
    result: Any = field(default=None, repr=False)
    since: float = field(default_factory=time.monotonic)
    seconds: float = 0.0  # that it took, when it has ended
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def live(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    def stop(self) -> None:
        """Asks it to stop, which it does at its next step."""
        self._stop.set()

    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def tell(self, fraction: float, words: str = "") -> None:
        """Says how far it is.

        Raises:
            Cancelled: it was asked to stop.
        """
        if self.cancelled():
            raise Cancelled
        self.fraction, self.words = min(max(fraction, 0.0), 1.0), words or self.words

    def _run(self, work: Callable[[Job], Any]) -> None:
        try:
            while not _turns.acquire(timeout=0.2):
                self.tell(0.0)
            try:
                self.state, self.since = "running", time.monotonic()
                self.result = work(self)
                self.seconds = time.monotonic() - self.since
            finally:
                _turns.release()
            self.state = "done"
        except Cancelled:
            self.state = "stopped"
        except Exception as error:
            if self.cancelled():
                self.state = "stopped"
            elif isinstance(error, self.errors):
                self.problem, self.state = str(error), "failed"
            else:
                _log.exception("%s failed", self.title)
                self.problem = (
                    "Something went wrong that the app did not expect; its log says what."
                )
                self.state = "failed"


def start(
    key: str, title: str, work: Callable[[Job], Any], errors: tuple[type[Exception], ...] = ()
) -> Job:
    """Starts a job, unless one with this key is live: then that one is returned.

    Args:
        key: what it is found by.
        title: what it does, for visitors.
        work: does it, tells `job.tell` how far it is, and looks at `job.cancelled`.
        errors: exceptions whose message is for visitors.
    """
    known = _jobs.get(key)
    if known is not None and known.live:
        return known
    for old in [k for k, job in _jobs.items() if not job.live][:-_KEPT]:
        _jobs.pop(old, None)
    job = _jobs[key] = Job(key, title, errors)
    threading.Thread(target=job._run, args=(work,), name=key, daemon=True).start()
    return job


def find(key: str) -> Job | None:
    """The job with a key; None if there is none, or it was forgotten."""
    return _jobs.get(key)


def forget(key: str) -> None:
    """Forgets a job that has ended, so that it can be started anew."""
    job = _jobs.get(key)
    if job is not None and not job.live:
        del _jobs[key]

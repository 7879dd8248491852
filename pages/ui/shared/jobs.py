"""Long steps of this process: each runs in a thread, tells how far it is, and stops when asked.

A job belongs to no visitor: whoever comes back, after a reload too, finds it by its key. While it
runs there is a locked file of its key; where that is left behind and locked by nobody, the app was
stopped in the middle, and the job is found as one that failed.

A job that is simply begun again, such as a first look at pictures, stops where nobody looks at it
any more; all others, such as an import, end.

A job has the rights of whoever started it, and is stopped by nobody else but the presenter.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.shared import permissions
from pages.ui.shared.waiting_line import BusyError, WaitingLine
from vae.files import explain_refusal
from vae.locations import data_folder

__all__ = ["Cancelled", "Job", "find", "forget", "start"]

_log = logging.getLogger(__name__)
_PATIENCE = 10.0  # seconds after which nobody looks at a job any more
_KEPT = 40  # jobs that ended
_REMEMBERED = 7 * 24 * 3600.0  # seconds that a job is remembered which the app's end interrupted
_INTERRUPTED = (
    "The app was restarted in the middle of this, and what was half done is not kept. Start it "
    "again."
)
_jobs: dict[str, Job] = {}
_LINE = WaitingLine(at_once=2, waiting=20, each=10)  # by session


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
    owner: str | None = None  # the session that started it
    remembered: bool = True  # and done though nobody looks at it
    left: bool = False  # it stopped because nobody looked at it
    _seen: float = field(default_factory=time.monotonic, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _mark: FileLock | None = field(default=None, repr=False)

    @property
    def live(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    def may_stop(self) -> bool:
        """Whether whoever runs this may stop it: its starter, and whoever may change things."""
        own = self.owner is not None and self.owner == _session()
        return own or permissions.may_change()

    def stop(self) -> None:
        """Asks it to stop, which it does at its next step.

        Raises:
            NotAllowedError: it is somebody else's.
        """
        if not self.may_stop():
            permissions.check()
        self._stop.set()

    def cancelled(self) -> bool:
        """Whether it was asked to stop, or nobody looks at it any more."""
        if not self.remembered and time.monotonic() - self._seen > _PATIENCE:
            self.left = True
            self._stop.set()
        return self._stop.is_set()

    def look(self) -> None:
        """Says that somebody looks at it; to be called again as long as that is so."""
        self._seen = time.monotonic()

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
            with _LINE.turn(self.owner, lambda ahead: self.tell(0.0)):
                self.state, self.since = "running", time.monotonic()
                self.result = work(self)
                self.seconds = time.monotonic() - self.since
            self.state = "done"
        except Cancelled:
            self.state = "stopped"
        except Exception as error:
            if self.cancelled():
                self.state = "stopped"
            elif isinstance(error, (*self.errors, permissions.NotAllowedError, BusyError)):
                self.problem, self.state = str(error), "failed"
            elif isinstance(error, OSError):
                self.problem, self.state = explain_refusal(error), "failed"
            else:
                _log.exception("%s failed", self.title)
                self.problem = (
                    "Something went wrong that the app did not expect; its log says what."
                )
                self.state = "failed"
        finally:
            if self._mark is not None and self._mark.is_locked:
                Path(self._mark.lock_file).unlink(missing_ok=True)
                self._mark.release()


def start(
    key: str,
    title: str,
    work: Callable[[Job], Any],
    errors: tuple[type[Exception], ...] = (),
    *,
    remembered: bool = True,
) -> Job:
    """Starts a job, unless one with this key is live: then that one is returned.

    Args:
        key: what it is found by.
        title: what it does, for visitors.
        work: does it, tells `job.tell` how far it is, and looks at `job.cancelled`.
        errors: exceptions whose message is for visitors.
        remembered: whether it goes on though nobody looks at it, and is told after a restart of
            the app that it was interrupted; False for what is simply begun again.
    """
    known = _jobs.get(key)
    if known is not None and known.live:
        return known
    for old in [k for k, job in _jobs.items() if not job.live][:-_KEPT]:
        _jobs.pop(old, None)
    job = _jobs[key] = Job(key, title, errors, owner=_session(), remembered=remembered)
    if remembered:
        job._mark = FileLock(_mark_of(key), thread_local=False)  # another thread releases it
        with contextlib.suppress(OSError, Timeout):  # without a disk, it is not remembered
            _forget_old_marks()
            job._mark.acquire(timeout=0)
    allowed = permissions.may_change()

    def run() -> None:
        with permissions.acting_for(allowed):
            job._run(work)

    threading.Thread(target=run, name=key, daemon=True).start()
    return job


def find(key: str) -> Job | None:
    """The job with a key, at which somebody looks; None if there is none, or it was forgotten."""
    if key not in _jobs and _was_interrupted(key):
        _jobs[key] = Job(key, "", state="failed", problem=_INTERRUPTED)
    job = _jobs.get(key)
    if job is None:
        return None
    if job.left and not job.live:  # it is begun again for whoever has come back
        forget(key)
        return None
    job.look()
    return job


def forget(key: str) -> None:
    """Forgets a job that has ended, so that it can be started anew."""
    job = _jobs.get(key)
    if job is not None and not job.live:
        del _jobs[key]


def _session() -> str | None:
    """The session whose page this thread runs; None elsewhere."""
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_id


def _mark_of(key: str) -> Path:
    name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return data_folder() / "jobs" / f"{name}.lock"


def _was_interrupted(key: str) -> bool:
    """Whether the process that ran a job ended in the middle; tells it once."""
    file = _mark_of(key)
    if not file.is_file():
        return False
    try:
        with FileLock(file, timeout=0):
            file.unlink(missing_ok=True)
            return True
    except (OSError, Timeout):  # another process of the app is at work on it
        return False


def _forget_old_marks() -> None:
    folder = data_folder() / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.lock"):
        if time.time() - file.stat().st_mtime > _REMEMBERED:
            file.unlink(missing_ok=True)

"""What the control of a run changes at which step, so that a resumed run repeats it there."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from ..files import write_file
from .control import Control, read_changes, read_control
from .options import RunOptions

__all__ = ["Steering"]


class Steering:
    """Follows the control of a run in the process that writes.

    Args:
        folder: folder of the run.
        stop: event that stops training in order.
        options: options of the process; its `control` stands in for `control.json`.
    """

    def __init__(self, folder: Path, stop: threading.Event, options: RunOptions) -> None:
        self._folder, self._stop, self._options = folder, stop, options
        self._changes: list[dict[str, Any]] = []
        self._seen: tuple[int, Control] = (0, Control())
        self._singles = 0

    def resume(self) -> None:
        """Reads what took effect before the run was interrupted.

        Raises:
            RunError: if the log of changes is damaged.
        """
        self._changes = read_changes(self._folder)
        self._singles = read_control(self._folder).single

    def stopped(self, step: int) -> bool:
        """Whether the run is to stop."""
        return self._stop.is_set() or self._control(step).action == "stop"

    def before(self, step: int) -> tuple[str, float | None, float | None]:
        """The action before a step, and the beta and learning rate that change at it.

        Args:
            step: number of steps taken.

        Returns:
            `run`, `pause` or `stop`; beta and learning rate, None where they do not change.
        """
        control = self._control(step)
        self._log_change(control, step)
        action = "stop" if self._stop.is_set() else control.action
        if action == "pause" and control.single > self._singles:
            self._singles += 1
            action = "run"
        changes = [c for c in self._changes if c["step"] == step]
        beta, rate = (
            next((c[name] for c in reversed(changes) if c[name] is not None), None)
            for name in ("beta", "learning_rate")
        )
        return action, beta, rate

    def _control(self, step: int) -> Control:
        if self._options.control:
            return self._options.control(step)
        try:
            changed = (self._folder / "control.json").stat().st_mtime_ns
        except OSError:
            return Control()
        if changed != self._seen[0]:
            self._seen = changed, read_control(self._folder)
        return self._seen[1]

    def _log_change(self, control: Control, step: int) -> None:
        for name in ("beta", "learning_rate"):
            value = getattr(control, name)
            logged = [c[name] for c in self._changes if c[name] is not None]
            if value is not None and (not logged or logged[-1] != value):
                self._changes = [c for c in self._changes if c["step"] <= step]
                self._changes.append({"step": step, "beta": None, "learning_rate": None})
                self._changes[-1][name] = float(value)
                lines = "".join(json.dumps(change) + "\n" for change in self._changes)
                write_file(self._folder / "changes.jsonl", lines.encode())

"""The metrics of runs, of which each new line is read once for all who watch."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pages.ui.shared import cache
from vae.runs.metrics import Position, read_metrics

__all__ = ["metrics_of", "read_so_far"]


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """All rows of a run's metrics, of which only the new ones are read each time.

    Raises:
        RunError: something else lies in the file's place.
    """
    return read_so_far(folder)[0]


@dataclass
class _Metrics:
    """What has been read of a run's metrics, for all who watch it.

    Args:
        rows: rows that can be drawn.
        position: up to which the file has been read.
        lost: rows that cannot be drawn.
        lock: held by whoever reads on.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    position: Position | None = None
    lost: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@cache.shared(64)
def _metrics_read(folder: str) -> _Metrics:
    return _Metrics()


def read_so_far(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """As `metrics_of`, and how many damaged lines were left out.

    Raises:
        RunError: something else lies in the file's place.
    """
    kept = _metrics_read(str(folder))
    with kept.lock:
        new, position, again = read_metrics(folder, kept.position)
        drawn = [row for row in new if "epoch" in row and "seconds" in row]
        kept.lost = len(new) - len(drawn) + (0 if again else kept.lost)
        kept.rows = drawn if again else kept.rows + drawn  # others may still go through the old
        kept.position = position
        return kept.rows, kept.lost + position.damaged

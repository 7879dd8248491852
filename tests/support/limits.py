"""What reading one file may take: seconds of a processor, and megabytes beyond what was there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["MEGABYTES", "SECONDS", "Limits"]

SECONDS, MEGABYTES = 5.0, 500.0


class Limits:
    """Measures from where it is made, children's seconds included; not their memory."""

    def __init__(self) -> None:
        if sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
        self._seconds, self._megabytes = sum(os.times()[:4]), _peak()

    def exceeded(self) -> str:
        """What was too much, in words; "" where nothing was."""
        seconds = sum(os.times()[:4]) - self._seconds  # the machine may be busy
        megabytes = _peak() - self._megabytes
        fine = seconds < SECONDS and megabytes < MEGABYTES
        return "" if fine else f"took {seconds:.1f} s and {megabytes:.0f} MB"


def _peak() -> float:
    """Most megabytes of this process since it was last reset; 0 where nobody tells."""
    if sys.platform != "linux":
        return 0.0
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3

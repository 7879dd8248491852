"""Memory allocation of a training process; nothing here needs torch."""

from __future__ import annotations

import os
import sys

__all__ = ["keep_memory"]

_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest value that glibc accepts
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}


def keep_memory() -> None:
    """Restarts this process with settings under which the C library keeps freed memory.

    Every training step allocates the same arrays. By default glibc returns large ones to the
    kernel, which clears every page before it is used again. With these settings a step of the
    large network of `benchmarks/training.py` takes 0.90 of the processor time and 10 page faults
    instead of 3,000; a step of the small network takes 0.92 of the processor time.

    Call this first, because the process starts from the beginning. It does nothing if the
    settings are already in place, or on systems other than Linux.
    """
    if sys.platform == "linux" and not _SETTINGS.keys() & os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | _SETTINGS)

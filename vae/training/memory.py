"""The environment of a process that trains; nothing here needs torch."""

from __future__ import annotations

import os
import sys

__all__ = ["keep_memory"]

_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # its highest
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}


def keep_memory() -> None:
    """Starts this process again so that its C library keeps freed memory.

    Every training step asks for the same arrays again. By default glibc returns large ones to the
    kernel, which clears every page before it gives it out: with these settings a step of the
    large network of `benchmarks/training.py` takes 0.90 of the processor time and 10 page faults
    instead of 3,000, one of the small network 0.92.

    To be called first of all: what the process did so far is lost. Does nothing where the
    settings are there already, nor on other systems than Linux.
    """
    if sys.platform == "linux" and not _SETTINGS.keys() & os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | _SETTINGS)

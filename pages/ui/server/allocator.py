"""Memory that is the server's without need: what glibc and oneDNN keep, pages of mapped files."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import threading

from vae.mapped import release

__all__ = ["bound_arenas", "bound_primitives", "give_back"]

_M_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2
_PRIMITIVES = 128
_EVERY = 20.0  # seconds
_RARELY = 3  # times of these: collecting stops all for a tenth of a second on a busy machine


def bound_arenas() -> None:
    """Makes threads share two arenas; glibc would give them up to eight for each core.

    Each run of a page has a thread of its own, and what it frees would stay in its arena, of no
    use to the next one.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def bound_primitives() -> None:
    """Lets oneDNN, which computes torch's convolutions, keep code for fewer shapes of batches.

    It keeps 1,024 pieces, each for one layer and one size of batch, of which visitors ask for
    many: of the faces' decoder the sizes 1 to 64 alone take 94 MB, and 42 MB with this bound.
    Training, whose sizes are few, is left as it is: runs get the environment that Python knows.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).setenv(b"ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_PRIMITIVES).encode(), 0)


def give_back(ended: threading.Event, every: float = _EVERY) -> None:
    """Gives the system back, now and then, what is free between other blocks, and mapped files.

    Garbage is collected before: Python does so when many objects have been made, however large a
    few are that refer to each other, such as what a run held that was ended by an exception. With
    another C library than glibc, it keeps what it keeps.
    """
    for turn in itertools.count():
        if ended.wait(every):
            return
        if turn % _RARELY == _RARELY - 1:
            gc.collect()
        release()
        with contextlib.suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)

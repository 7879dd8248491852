"""How long something takes, as people say it."""

from __future__ import annotations

__all__ = ["time_words"]


def time_words(seconds: float) -> str:
    """A duration as people say it.

    Args:
        seconds: duration in seconds.
    """
    if seconds < 90:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3_600:.1f} hours"

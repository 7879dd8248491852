"""How much of the disk all that is kept may take: models, datasets and runs together."""

from __future__ import annotations

import math
import os
from pathlib import Path

from .files import QuotaError
from .locations import data_folder

__all__ = ["VARIABLE", "check_quota", "kept_bytes", "quota"]

VARIABLE = "LATENT_QUOTA"  # environment variable, in GB
_KEPT = ("checkpoints", "datasets", "runs")


def quota() -> float:
    """Bytes that may be kept; infinity where nothing is set.

    Raises:
        QuotaError: if `$LATENT_QUOTA` is no number of gigabytes.
    """
    text = os.environ.get(VARIABLE, "").strip()
    try:
        most = float(text or "inf") * 1e9
    except ValueError:
        most = math.nan
    if not most >= 0:
        raise QuotaError(f"${VARIABLE} is {text!r}; expected gigabytes, such as 100.")
    return most


def kept_bytes() -> int:
    """Bytes of all models, datasets and runs in the data folder."""
    return sum(_bytes_in(data_folder() / name) for name in _KEPT)


def check_quota(size: int = 0) -> None:
    """Refuses to keep more than the quota allows.

    Args:
        size: bytes that are to be added, as far as that is known.

    Raises:
        QuotaError: if there is no room for them.
    """
    most = quota()
    if most == math.inf:
        return
    kept = kept_bytes()
    if kept + max(size, 1) > most:
        raise QuotaError(
            f"Models, datasets and runs take {kept / 1e9:.3g} GB of the {most / 1e9:.3g} GB that "
            f"may be kept, and {size / 1e9:.3g} GB would be added. Delete some of them first, or "
            f"have whoever runs the app raise ${VARIABLE}."
        )


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name), follow_symlinks=False).st_size
            except OSError:  # removed meanwhile
                continue
    return total

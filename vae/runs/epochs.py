"""The weights of some epochs of a run, each a checkpoint of its own; nothing here needs torch."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import remove_unfinished
from ..locations import FILES, epoch_folder, list_epochs

if TYPE_CHECKING:
    from ..model import VAE

__all__ = ["forget_epochs", "keep_epoch"]


def keep_epoch(run: Path, model: VAE, epoch: int, card: dict[str, Any]) -> None:
    """Keeps the weights of epochs 0, 1, 2, 4, 8, …; others are not kept.

    Args:
        run: folder of the run.
        model: model at the end of the epoch.
        epoch: 0 before training.
        card: what the card says of the run.

    Raises:
        CheckpointError: if a weight is not finite in 16 bits.
    """
    from ..checkpoint import save_own_checkpoint

    if epoch & (epoch - 1):
        return
    place = epoch_folder(run, epoch)
    place.mkdir(parents=True, exist_ok=True)
    remove_unfinished(place)
    save_own_checkpoint(model, place, card | {"epoch": epoch})


def forget_epochs(run: Path, after: int = -1) -> None:
    """Removes what was kept of all epochs after one; a folder in which more lies stays."""
    for epoch in list_epochs(run):
        if epoch <= after:
            continue
        place = epoch_folder(run, epoch)
        remove_unfinished(place)
        for name in FILES:
            (place / name).unlink(missing_ok=True)
        for empty in (place, place.parent):
            with contextlib.suppress(OSError):
                empty.rmdir()

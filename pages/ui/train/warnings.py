"""What a run's curves warn of: codes that carry nothing, images learned by heart."""

from __future__ import annotations

from typing import Any

from vae.runs.best import objective_of
from vae.runs.config import RunConfig

__all__ = ["collapsed", "warnings_of"]


def collapsed(rows: list[dict[str, Any]], config: RunConfig) -> float | None:
    """The held-out KL of a run whose posterior has collapsed, else None."""
    last = next((row for row in reversed(rows) if row.get("heldout_kl") is not None), None)
    if last is None or last["epoch"] < max(2, config.training.beta_warmup):
        return None
    return last["heldout_kl"] if last["heldout_kl"] < 1 or last["active_units"] == 0 else None


def warnings_of(rows: list[dict[str, Any]], config: RunConfig) -> list[tuple[str, str]]:
    """All that the curves warn of: each a sentence and its icon."""
    return [*_of_collapse(rows, config), *_of_memorising(rows, config)]


def _of_collapse(rows: list[dict[str, Any]], config: RunConfig) -> list[tuple[str, str]]:
    kl = collapsed(rows, config)
    if kl is None:
        return []
    return [
        (
            f"The KL is {kl:.1f} nats: the codes carry almost no information about the images, "
            "and all reconstructions look alike. This is posterior collapse. Lower beta, or "
            "warm it up over more epochs.",
            ":material/trending_flat:",
        )
    ]


def _fallen(rows: list[dict[str, Any]], config: RunConfig) -> tuple[int, float] | None:
    """The best epoch on held-out images and how far the objective has fallen since, if it has."""
    ended = [
        (round(row["epoch"]), value)
        for row in rows
        if (value := objective_of(row)) is not None and row["epoch"] >= config.training.beta_warmup
    ]
    if not ended:
        return None
    best, high = max(ended, key=lambda point: point[1])
    last, low = ended[-1]
    variational = config.model.get("variational", True)
    least = 0.5 + 0.003 * abs(high) if variational else 0.03 * abs(high)
    if last - best < max(3, 0.15 * last) or high - low < least:
        return None
    return best, high - low


def _of_memorising(rows: list[dict[str, Any]], config: RunConfig) -> list[tuple[str, str]]:
    fallen = _fallen(rows, config)
    if fallen is None:
        return []
    best, fall = fallen
    how = f"by {fall:.1f} nats" if config.model.get("variational", True) else "off"
    return [
        (
            f"On held-out images epoch {best} was the best; since then they have fallen {how}, "
            "while the training images gain: the model learns these by heart. Early stopping "
            "keeps the best epoch (Again, with changes → Details); more images or a smaller "
            "network help as well.",
            ":material/trending_down:",
        )
    ]

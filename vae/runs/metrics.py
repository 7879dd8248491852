"""The metrics of a run: a line for each report, appended while it trains."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Required, TypedDict

from ..files import open_regular, write_file
from ..schema import Count, Number, SchemaError, decode
from .config import RunError, reason_of

if TYPE_CHECKING:  # who waits for a turn imports no torch
    from ..training.loop import Progress

__all__ = ["Position", "append_row", "heldout_of", "read_metrics", "rewind_metrics", "row_of"]

_FILE = "metrics.jsonl"
_MOST_METRICS = 100_000_000  # bytes that are read at once
_MOST_ROWS = 500_000  # rows in them, each of 200 bytes at least


class _Row(TypedDict, total=False):
    step: Required[Count]
    epoch: Number
    seconds: Number
    images_per_second: Number
    beta: Number
    learning_rate: Number
    active_units: Count | None
    kl_per_dimension: list[Number] | None
    reconstruction: Number | None
    kl: Number | None
    elbo: Number | None
    heldout_reconstruction: Number | None
    heldout_kl: Number | None
    heldout_elbo: Number | None
    heldout_squared_error: Number | None


@dataclass(frozen=True)
class Position:
    """The position of a reader in `metrics.jsonl`.

    Args:
        file: identity of the file, which changes when the run is resumed.
        offset: number of bytes read.
        damaged: number of invalid lines that were skipped so far.
    """

    file: int = 0
    offset: int = 0
    damaged: int = 0


def read_metrics(
    folder: str | Path, after: Position | None = None
) -> tuple[list[dict[str, Any]], Position, bool]:
    """Reads the lines that were added since the last call, except incomplete and damaged ones.

    Args:
        folder: folder of the run.
        after: position that the last call returned.

    Raises:
        RunError: if the file cannot be read.

    Returns:
        The new rows, the new position, and whether the reader must discard earlier rows, because
        the run was resumed from an earlier step.
    """
    after = after or Position()
    try:
        with open_regular(Path(folder) / _FILE) as stream:
            file_status = os.fstat(stream.fileno())
            fresh = file_status.st_ino != after.file or file_status.st_size < after.offset
            offset = 0 if fresh else after.offset
            stream.seek(offset)
            text = stream.read(_MOST_METRICS)
    except FileNotFoundError:
        return [], Position(), after.offset > 0
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be read ({reason_of(error)}). Remove it; a resumed run "
            "writes it again from its last checkpoint on."
        ) from error
    whole = text[: text.rfind(b"\n") + 1]
    rows, damaged = [], 0 if fresh else after.damaged
    if not whole and len(text) == _MOST_METRICS:  # too long for a line: passed over
        whole, damaged = text, damaged + 1
    *lines, rest = whole.split(b"\n", _MOST_ROWS)
    damaged += rest.count(b"\n")
    for line in lines:
        try:
            rows.append(_check_row(decode(line, _Row)))
        except SchemaError:
            damaged += 1
    position = Position(file_status.st_ino, offset + len(whole), damaged)
    return rows, position, fresh and after.offset > 0


def row_of(window: list[Progress], seconds: float, variational: bool) -> dict[str, Any]:
    """Summarises the steps since the last report.

    Args:
        window: progress of these steps, at least one; the last one has the held-out metrics.
        seconds: seconds spent training so far.
        variational: whether the model has a KL.

    Returns:
        A row of `metrics.jsonl`: means over the steps, in nats per image.
    """
    last = window[-1]
    row: dict[str, Any] = {
        "step": last.step,
        "epoch": round(last.epoch, 4),
        "reconstruction": sum(p.reconstruction for p in window) / len(window),
        "kl": sum(p.kl for p in window) / len(window) if variational else None,
        "beta": last.beta,
        "learning_rate": last.learning_rate,
        "images_per_second": round(sum(p.images_per_second for p in window) / len(window), 1),
        "seconds": round(seconds, 2),
    }
    row["elbo"] = row["reconstruction"] - row["kl"] if variational else None
    if last.heldout:
        heldout = asdict(last.heldout)
        row["kl_per_dimension"] = list(heldout.pop("kl_per_dimension"))
        row["active_units"] = heldout.pop("active_units")
        row |= {f"heldout_{name}": value for name, value in heldout.items()}
        row["heldout_elbo"] = last.heldout.elbo
    return row


def heldout_of(row: dict[str, Any]) -> dict[str, Any]:
    """The held-out metrics of a row, with the number of active dimensions."""
    return {k: v for k, v in row.items() if k.startswith("heldout") or k == "active_units"}


def append_row(folder: Path, row: dict[str, Any]) -> None:
    """Appends a row to the metrics of a run."""
    with (folder / _FILE).open("a") as stream:
        stream.write(json.dumps(row, allow_nan=False) + "\n")


def rewind_metrics(folder: Path, step: int) -> None:
    """Removes the rows after the step from which a run is resumed.

    Raises:
        RunError: if the file cannot be read.
    """
    rows = [row for row in read_metrics(folder)[0] if row["step"] <= step]
    write_file(folder / _FILE, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _check_row(row: dict[str, Any]) -> dict[str, Any]:
    if row["step"] < 1:
        raise SchemaError(f"step is {row['step']}; expected a number from 1 on")
    terms = [row.get(f"heldout_{term}") for term in ("reconstruction", "kl", "elbo")]
    measured = "heldout_elbo" in row or terms != [None] * 3  # None for an autoencoder
    if measured and not (
        len({term is None for term in terms}) == 1
        and row.get("heldout_squared_error") is not None
        and "active_units" in row
    ):
        raise SchemaError("some held-out metrics are missing; expected all or none")
    return row

"""Writing an import: into a folder beside the others, which becomes a version at once."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from ..files import write_file
from ..in_progress import in_progress, remove_leftovers
from ..quota import check_quota
from ..tensors import write_tensors
from .source import Column
from .store import FORMAT, datasets_folder, list_versions

__all__ = ["unfinished", "write_rows"]

_SHOWN = 1_000  # files left out that a card names


def write_rows(
    folder: Path,
    card: dict[str, Any],
    names: Sequence[str],
    checksums: np.ndarray,
    labels: np.ndarray | None,
    columns: Sequence[Column],
) -> None:
    """Writes all files of an import but its pixels.

    Args:
        folder: unfinished folder of the import.
        card: card, without what is said of columns and files left out.
        names: names of the pictures.
        checksums: checksums of the pictures, `(N,)`.
        labels: class of each picture, `(N,)`, -1 where missing, or None.
        columns: columns of the pictures.
    """
    tensors = {"checksum": torch.from_numpy(np.asarray(checksums, np.int64))}
    if labels is not None:
        tensors["label"] = torch.from_numpy(np.asarray(labels, np.int64))
    for i, column in enumerate(columns):  # numbers of a file are finite, so NaN has its own array
        missing = column.missing
        values = np.where(missing, -1, column.values)
        kind = np.float32 if column.kind == "number" else np.int64
        tensors[f"column.{i:03d}"] = torch.from_numpy(values.astype(kind))
        if column.kind == "number":
            tensors[f"missing.{i:03d}"] = torch.from_numpy(missing.astype(np.uint8))
    write_tensors(folder / "rows.safetensors", tensors, {})
    write_file(folder / "names.json", json.dumps(list(names), ensure_ascii=False).encode())
    described = [
        {"name": c.name, "kind": c.kind, "categories": list(c.categories)} for c in columns
    ]
    card = card | {"format": FORMAT, "columns": described}
    left_out = card["left_out"]
    card |= {"left_out": left_out[:_SHOWN], "left_out_count": len(left_out)}
    write_file(folder / "card.json", json.dumps(card, ensure_ascii=False, indent=1).encode())


@contextmanager
def unfinished(name: str, size: int = 0) -> Iterator[tuple[Path, Any]]:
    """A new folder beside the imports, and a function that makes it the next version.

    The folder is removed at the end unless it was kept; if the process is killed, the next import
    removes it.

    Args:
        name: name of the import.
        size: bytes that it will have, as far as that is known.

    Raises:
        QuotaError: if no more may be kept.
    """
    check_quota(size)
    place = datasets_folder()
    place.mkdir(parents=True, exist_ok=True)
    remove_leftovers()
    with in_progress(place / f".{name}.{uuid.uuid4().hex}.importing") as folder:
        folder.mkdir()

        def keep() -> int:
            with FileLock(place / ".versions.lock"):
                version = (list_versions(name) or [0])[-1] + 1
                (place / name).mkdir(exist_ok=True)
                os.replace(folder, place / name / str(version))
            return version

        yield folder, keep

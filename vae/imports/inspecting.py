"""Looking at pictures before they are imported."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.base import SPLITS, Progress
from ..in_progress import temporary_folder
from .exporting import check_options, is_exported, unpack_exported
from .observing import check_enough, constant_columns, observations
from .opening import open_source
from .planning import Options, label_column, plan_images
from .reading import read_pictures
from .source import Column, natural, shown
from .splits import split_rows
from .store import all_columns, all_images, all_names, open_import

__all__ = ["Summary", "inspect_source"]

_LOOKED_AT = 2_000  # pictures that a summary of a larger source reads
_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Summary:
    """What an import of a source would be like.

    Args:
        source: description of the source.
        count: number of pictures that would be imported, as far as they were looked at.
        total: number of pictures that the source names.
        checked: number of pictures that were decoded for this summary; the import decodes all.
        sizes: number of pictures of each width and height, the most frequent first.
        image_shape: proposed shape `(C, H, W)`.
        own_size: whether the pictures keep their size.
        counts: number of pictures of each split.
        classes: number of pictures of each class, in natural order; empty without classes.
        columns: columns: `name`, `kind` and, by kind, `categories` or `range`, and `missing`.
        broken: names of pictures that cannot be read, each with the reason.
        left_out: names of other files that are not used, each with the reason.
        notices: what is to be known before: copies, cut parts, 16 bits, unused tables and rows.
        pictures: up to twelve images as the model will see them, `(n, C, H, W)` uint8.
        names: their names.
    """

    source: str
    count: int
    total: int
    checked: int
    sizes: dict[tuple[int, int], int]
    image_shape: tuple[int, int, int]
    own_size: bool
    counts: dict[str, int]
    classes: dict[str, int]
    columns: tuple[dict[str, Any], ...]
    broken: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    pictures: np.ndarray
    names: tuple[str, ...]


def inspect_source(
    source: str | Path,
    *,
    image_size: int | tuple[int, int] | None = None,
    colour: str | None = None,
    fit: str = "crop",
    labels: str | Path | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    follow_links: bool = False,
) -> Summary:
    """Looks at pictures before they are imported; writes nothing.

    Args:
        source: as for `import_source`.
        image_size: as for `import_source`.
        colour: as for `import_source`.
        fit: as for `import_source`.
        labels: as for `import_source`.
        skip_broken: as for `import_source`; broken pictures are listed in either case.
        progress: as for `import_source`.
        cancelled: as for `import_source`.
        follow_links: as for `import_source`.

    Returns:
        A summary of what is read and left out. Of more than 2,000 pictures, a part is decoded.

    Raises:
        DatasetError: if the source cannot be used.
    """
    options = Options(image_size, colour, fit, skip_broken)
    if is_exported(Path(source)):
        check_options(Path(source), options, labels)
        return _look_at_exported(Path(source), progress, cancelled)
    opened = open_source(Path(source), labels, follow_links)
    total = len(opened.names)
    rows = np.unique(np.linspace(0, total - 1, min(total, _LOOKED_AT)).astype(int)).tolist()
    plan, notices = plan_images(opened, options, rows)
    held: list[np.ndarray] = []
    reading = read_pictures(
        opened.pictures, rows, plan, held.append, held.__setitem__,
        progress=progress, cancelled=cancelled,
    )  # fmt: skip
    grey = colour is None and not reading.coloured
    shape = (1, *plan.shape[1:]) if grey else plan.shape
    which = np.unique(np.linspace(0, len(held) - 1, min(_SHOWN, len(held))).astype(int))
    shown = np.stack([held[i] for i in which]) if held else np.zeros((0, *plan.shape), np.uint8)
    broken = {row for row, _ in reading.broken}
    kept = [i for i in range(total) if i not in broken]
    check_enough(opened, len(kept), reading)
    names = [opened.names[i] for i in kept]
    checksums = reading.checksums if len(reading.rows) == len(kept) else None
    splits, copies = split_rows(names, [opened.splits[i] for i in kept], checksums)
    columns = [column.take(np.array(kept)) for column in opened.columns]
    folders = [opened.folders[i] for i in kept]
    classes = Counter(f for f in (folders if any(folders) else label_column(columns)) if f)
    notices += [*opened.notices, *observations(reading, plan), *copies, *constant_columns(columns)]
    return Summary(
        source=opened.label,
        count=len(kept),
        total=total,
        checked=len(rows),
        sizes=dict(reading.sizes.most_common(20)),
        image_shape=shape,
        own_size=plan.own,
        counts={split: splits.count(split) for split in SPLITS if split in splits},
        classes={name: classes[name] for name in sorted(classes, key=natural)},
        columns=tuple(map(_describe, columns)),
        broken=tuple((opened.names[row], why) for row, why in reading.broken),
        left_out=tuple(opened.left_out),
        notices=tuple(notices),
        pictures=shown[:, :1] if grey else shown,
        names=tuple(opened.names[reading.rows[i]] for i in which),
    )


def _look_at_exported(
    path: Path, progress: Progress | None, cancelled: Callable[[], bool] | None
) -> Summary:
    """The summary of an exported dataset, which is imported as it is."""
    with temporary_folder() as folder:
        found = unpack_exported(path, folder, path.stem, progress, cancelled)
        count, *shape = found.shape
        which = np.unique(np.linspace(0, count - 1, min(_SHOWN, count)).astype(int))
        names = all_names(found)
        classes: Counter[str] = Counter()
        for split in found.counts:
            part = open_import(found, split)
            if part.labels is not None and part.classes is not None:
                classes.update(part.classes[k] for k in part.labels.tolist())
        return Summary(
            source=shown(os.path.abspath(path)),
            count=count,
            total=count,
            checked=count,
            sizes={(shape[2], shape[1]): count},
            image_shape=(shape[0], shape[1], shape[2]),
            own_size=True,
            counts=found.counts,
            classes={name: classes[name] for name in found.card["classes"] or () if classes[name]},
            columns=tuple(map(_describe, all_columns(found))),
            broken=(),
            left_out=tuple((entry["name"], entry["why"]) for entry in found.card["left_out"]),
            notices=tuple(found.card["notices"]),
            pictures=all_images(found)[which].numpy().copy(),
            names=tuple(names[i] for i in which),
        )


def _describe(column: Column) -> dict[str, Any]:
    described: dict[str, Any] = {"name": column.name, "kind": column.kind}
    present = column.values[~column.missing]
    if column.kind == "category":
        counts = np.bincount(present, minlength=len(column.categories)).tolist()
        described["categories"] = dict(zip(column.categories, counts, strict=True))
    elif column.kind == "number":
        described["range"] = (float(present.min()), float(present.max())) if len(present) else None
    else:
        described["yes"] = int(present.sum())
    return described | {"missing": int(column.missing.sum())}

"""Importing pictures, once, and what an import would be like."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets.base import SPLITS, DatasetError, Progress
from .exporting import import_exported, is_exported
from .opening import label_of, open_source, source_stamp
from .picture import FITS, Fit
from .reading import BrokenPictures, PixelFile, Reading, read_pictures
from .source import Column, Source, natural, shown
from .splits import split_rows
from .store import (
    ImportedDataset,
    all_checksums,
    all_names,
    check_name,
    find_dataset,
    list_versions,
    unfinished,
    write_rows,
)
from .tables import LABELS

__all__ = [
    "Options",
    "Summary",
    "import_images",
    "import_source",
    "inspect_source",
    "name_for",
    "source_change",
]

SMALLEST, LARGEST = 8, 128  # pixels of a side
STEP = 4  # a side is a multiple of it, so that the network can halve it twice
DEFAULT_SIDE = 64

_LOOKED_AT = 2_000  # pictures that a summary of a larger source reads
_SHOWN = 12
_LISTED = 5

Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Options:
    """How pictures become images of the model.

    Args:
        image_size: side in pixels, or height and width; None for the pictures' own size where all
            agree and it is at most 64, else 64.
        colour: `"grey"`, `"colour"`, or None for colour only where there is colour.
        fit: `"crop"`, `"pad"` or `"stretch"`.
        skip_broken: whether to leave out pictures that cannot be read.

    Raises:
        DatasetError: if a value cannot be used.
    """

    image_size: int | tuple[int, int] | None = None
    colour: str | None = None
    fit: str = "crop"
    skip_broken: bool = False

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise DatasetError(f"fit is {self.fit!r}; expected one of {', '.join(FITS)}.")
        if self.colour not in (None, "grey", "colour"):
            raise DatasetError(f"colour is {self.colour!r}; expected grey, colour or None.")
        for side in self.sides or ():
            if not SMALLEST <= side <= LARGEST:
                raise DatasetError(
                    f"The image size is {side}; the network takes {SMALLEST} to {LARGEST} pixels "
                    "a side. Choose one of them: pictures are scaled to it."
                )

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width, or None."""
        if self.image_size is None or isinstance(self.image_size, int):
            return None if self.image_size is None else (self.image_size, self.image_size)
        height, width = self.image_size
        return int(height), int(width)


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
    cancelled: Cancelled | None = None,
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
    opened = open_source(Path(source), labels, follow_links)
    plan, notices = _plan(opened, options)
    total = len(opened.names)
    rows = np.unique(np.linspace(0, total - 1, min(total, _LOOKED_AT)).astype(int)).tolist()
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
    _check_enough(opened, len(kept), reading)
    names = [opened.names[i] for i in kept]
    checksums = reading.checksums if len(reading.rows) == len(kept) else None
    splits, copies = split_rows(names, [opened.splits[i] for i in kept], checksums)
    columns = [column.take(np.array(kept)) for column in opened.columns]
    folders = [opened.folders[i] for i in kept]
    classes = Counter(f for f in (folders if any(folders) else _label_column(columns)) if f)
    notices += [*opened.notices, *_observations(reading, plan), *copies, *_constant(columns)]
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


def import_source(
    source: str | Path,
    name: str,
    *,
    image_size: int | tuple[int, int] | None = None,
    colour: str | None = None,
    fit: str = "crop",
    labels: str | Path | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    follow_links: bool = False,
) -> ImportedDataset:
    """Imports pictures into the data folder, where they never change.

    Pictures that are there already, of the same content, are not imported again; if the source
    has changed since, it becomes a new version of the import.

    Args:
        source: path of a folder, an archive or a file of arrays.
        name: name of the import.
        image_size: side in pixels, or height and width, 8 to 128; by default the pictures' own
            size where all agree and it is at most 64, else 64.
        colour: `"grey"`, `"colour"`, or None for colour only where there is colour.
        fit: what is done with other aspect ratios: `"crop"`, `"pad"` or `"stretch"`.
        labels: path of a table that describes the pictures, beside those in the source.
        skip_broken: whether to leave out pictures that cannot be read, instead of stopping.
        progress: called with the fraction done, 0…1, and a message.
        cancelled: function that returns whether to stop; nothing is kept then.
        follow_links: whether to follow links in a folder, which may lead anywhere.

    Returns:
        The import; `told` says how it differs from the version before.

    Raises:
        DatasetError: if the name or the source cannot be used, or the import was cancelled;
            nothing is kept then.
        BrokenPictures: if pictures cannot be read; the message names them.
    """
    check_name(name)
    options = Options(image_size, colour, fit, skip_broken)
    path = Path(source)
    if is_exported(path):
        return import_exported(path, name, progress, cancelled)
    opened = open_source(path, labels, follow_links)
    stamp = source_stamp(path, labels, follow_links)
    where = {"labels": labels and os.path.abspath(labels), "follow_links": follow_links}
    return _import(opened, name, options, stamp, progress, cancelled, where)


def source_change(dataset: ImportedDataset) -> str:
    """A message if the source of an import has changed since, else ""; its files are not read."""
    card = dataset.card
    source, options = Path(card["source"]), card["options"]
    if not card["stamp"] or not source.is_absolute() or not source.exists():
        return ""
    try:
        stamp = source_stamp(source, options.get("labels"), bool(options.get("follow_links")))
    except DatasetError:  # an archive that is being replaced, or the table is gone
        stamp = ""
    if stamp == card["stamp"]:
        return ""
    return (
        f"{card['source']} has changed since it was imported as {dataset.reference}, which stays "
        "as it was. Import it again for a new version."
    )


def name_for(source: str | Path) -> str:
    """The name under which a source is imported if nobody chooses one: that of its file or folder.

    A number is added if the name is that of another source's import or of a shipped set.
    """
    path = Path(source)
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", shown(stem or path.resolve().name)).strip("-._")[:60]
    stem = stem or "pictures"
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}-{number}"
        try:
            check_name(name)
            if not list_versions(name) or find_dataset(name).card["source"] == label_of(path):
                return name
        except DatasetError:  # a shipped set's name, or a damaged import
            continue
    return stem  # never reached: numbers do not end


def import_images(
    images: Any,
    name: str,
    *,
    labels: Sequence[int] | np.ndarray | torch.Tensor | None = None,
    classes: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    splits: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    colour: str | None = None,
    fit: str = "crop",
    licence: str = "Your own pictures",
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> ImportedDataset:
    """Imports images from Python.

    Args:
        images: `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`, uint8, bool or floats in 0…1, as an
            array or a tensor; or a torch `Dataset` whose items are an image, or an image and its
            class.
        name: name of the import.
        labels: class of each image, `(N,)` whole numbers from 0 on.
        classes: name of each class.
        attributes: values by name, each `(N,)`: bool, numbers (NaN = missing) or texts ("" or
            None = missing).
        splits: split of each image, `(N,)`: `train`, `validation` or `test`; by default a tenth
            is held out.
        names: name of each image, by default its number.
        image_size: as for `import_source`.
        colour: as for `import_source`.
        fit: as for `import_source`.
        licence: licence and source of the images.
        progress: as for `import_source`.
        cancelled: as for `import_source`.

    Returns:
        The import.

    Raises:
        DatasetError: if the name or the images cannot be used, or other arguments do not match
            them.
    """
    from .arrays import source_of_images

    check_name(name)
    source = source_of_images(images, labels, classes, attributes, splits, names, licence)
    options = Options(image_size, colour, fit)
    return _import(source, name, options, "", progress, cancelled)


def _import(
    source: Source,
    name: str,
    options: Options,
    stamp: str,
    progress: Progress | None,
    cancelled: Cancelled | None,
    where: dict[str, Any] | None = None,
) -> ImportedDataset:
    stated = json.loads(json.dumps(asdict(options) | (where or {})))
    for version in reversed(list_versions(name)):
        known = find_dataset(f"{name}@{version}")
        if stamp and known.card["stamp"] == stamp and known.card["options"] == stated:
            return replace(known, told=("These pictures are imported already.",))
    plan, notices = _plan(source, options)
    expected, _ = split_rows(source.names, source.splits)
    order = sorted(range(len(source.names)), key=lambda i: (SPLITS.index(expected[i]), i))
    with unfinished(name) as (folder, keep):
        pixels = PixelFile(folder / "pixels.npy", plan.shape)
        try:
            reading = read_pictures(
                source.pictures, order, plan, pixels.write, pixels.replace,
                progress=progress, cancelled=cancelled,
            )  # fmt: skip
        finally:
            pixels.close()
        broken = [(source.names[row], why) for row, why in reading.broken]
        if broken and not options.skip_broken:
            raise BrokenPictures(_broken(source, reading))
        _check_enough(source, len(reading.rows), reading)
        rows = np.array(reading.rows)
        names = [source.names[i] for i in rows]
        splits, copies = split_rows(names, [source.splits[i] for i in rows], reading.checksums)
        sides = [SPLITS.index(split) for split in splits]
        arrangement = np.argsort(sides, kind="stable")
        shape = plan.shape
        if options.colour is None and shape[0] == 3 and not reading.coloured:
            shape = (1, *shape[1:])
        _arrange(folder / "pixels.npy", shape, arrangement)
        rows = rows[arrangement]
        checksums = np.array(reading.checksums, np.int64)[arrangement]
        if shape != plan.shape:
            checksums = _checksums(folder / "pixels.npy")
        names = [names[i] for i in arrangement]
        columns = [column.take(rows) for column in source.columns]
        folders = [source.folders[i] for i in rows]
        if not any(folders):
            folders = _label_column(columns)
        classes = sorted({f for f in folders if f is not None}, key=natural)
        classes = classes if len(classes) > 1 else []
        labels = None
        if classes:
            number = {name: i for i, name in enumerate(classes)}
            labels = np.array([-1 if f is None else number[f] for f in folders], np.int64)
        notices += [*source.notices, *_observations(reading, plan), *copies, *_constant(columns)]
        if broken:
            notices.append(_broken(source, reading))
        counts = {split: splits.count(split) for split in SPLITS if split in splits}
        card = {
            "source": source.label,
            "licence": source.licence,
            "count": len(rows),
            "counts": counts,
            "image_shape": list(shape),
            "fit": options.fit,
            "classes": classes or None,
            "left_out": [{"name": n, "why": why} for n, why in [*source.left_out, *broken]],
            "notices": notices,
            "scale": list(reading.scale) if reading.scale else None,
            "content": _content(names, checksums, counts, labels, classes, columns, shape),
            "stamp": stamp,
            "options": stated,
            "imported": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        for version in reversed(list_versions(name)):
            known = find_dataset(f"{name}@{version}")
            if known.card["content"] == card["content"]:
                return replace(known, told=("These pictures are imported already.",))
        told: tuple[str, ...] = ()
        if list_versions(name):
            card["changed"] = _difference(find_dataset(name), names, checksums)
            told = (card["changed"],)
        write_rows(folder, card, names, checksums, labels, columns)
        version = keep()
    return replace(find_dataset(f"{name}@{version}"), told=told)


def _label_column(columns: Sequence[Column]) -> list[str | None]:
    """The classes that a column named `label` or `class` gives, if no folder gives any."""
    for column in columns:
        if (
            column.kind == "category"
            and column.name.lower() in LABELS
            and not column.missing.any()
        ):
            return [column.categories[i] for i in column.values.tolist()]
    return []


def _plan(source: Source, options: Options) -> tuple[Fit, list[str]]:
    """The shape of the images, and messages on sides that the network cannot halve."""
    channels = 1 if options.colour == "grey" else 3
    notices = []
    if options.sides:
        wanted, own = options.sides, False
    else:
        size = _common_size(source)
        own = size is not None
        wanted = (size[1], size[0]) if size else (DEFAULT_SIDE, DEFAULT_SIDE)
    sides = tuple(max(SMALLEST, -(-side // STEP) * STEP) for side in wanted)
    if sides != wanted:
        notices.append(
            f"{wanted[1]}×{wanted[0]} pixels become {sides[1]}×{sides[0]}"
            f"{', padded,' if own else ''} so that the network can halve both sides twice."
        )
    return Fit((channels, sides[0], sides[1]), options.fit, own), notices


def _common_size(source: Source) -> tuple[int, int] | None:
    """Width and height of all pictures, where they agree and are at most 64."""
    common = None
    for row in range(len(source.names)):
        try:
            size = source.pictures.size(row)
        except DatasetError:  # it is listed when all are decoded
            continue
        if max(size) > DEFAULT_SIDE or size != (common or size):
            return None
        common = size
    return common


def _arrange(file: Path, shape: tuple[int, int, int], order: np.ndarray) -> None:
    """Rewrites the pixels in another order or with one channel, unless they are so already."""
    before = np.load(file, mmap_mode="r")
    if before.shape[1:] == shape and (np.diff(order) == 1).all():
        return
    after = PixelFile(file.with_name("arranged.npy"), shape)
    for start in range(0, len(order), 1_000):
        after.write(before[order[start : start + 1_000], : shape[0]])
    after.close()
    del before
    os.replace(file.with_name("arranged.npy"), file)


def _checksums(file: Path) -> np.ndarray:
    from ..datasets.base import checksum

    return np.array([checksum(x.tobytes()) for x in np.load(file, mmap_mode="r")], np.int64)


def _content(
    names: Sequence[str],
    checksums: np.ndarray,
    counts: dict[str, int],
    labels: np.ndarray | None,
    classes: Sequence[str],
    columns: Sequence[Column],
    shape: tuple[int, int, int],
) -> str:
    described = [names, counts, classes, [(c.name, c.kind, c.categories) for c in columns], shape]
    digest = hashlib.blake2b(json.dumps(described).encode("utf-8"), digest_size=16)
    for array in (checksums, labels, *(column.values for column in columns)):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _difference(before: ImportedDataset, names: list[str], checksums: np.ndarray) -> str:
    known = dict(zip(all_names(before), all_checksums(before).tolist(), strict=True))
    now = dict(zip(names, checksums.tolist(), strict=True))
    other = sum(known[n] != c for n, c in now.items() if n in known)
    new, gone = len(now.keys() - known.keys()), len(known.keys() - now.keys())
    parts = [f"{other:,} of {len(known):,} pictures differ"]
    parts += [f"{new:,} are new"] if new else []
    parts += [f"{gone:,} are gone"] if gone else []
    return f"Since version {before.version} {', '.join(parts)}."


def _check_enough(source: Source, count: int, reading: Reading) -> None:
    if count >= 2:
        return
    broken = f" {_broken(source, reading)}" if reading.broken else ""
    raise DatasetError(
        f"{source.label} has {count} {'picture' if count == 1 else 'pictures'} that can be read; "
        f"two are needed, one to hold out.{broken}"
    )


def _broken(source: Source, reading: Reading) -> str:
    total = len(reading.rows) + len(reading.broken)
    listed = "; ".join(why.rstrip(".") for _, why in reading.broken[:_LISTED])
    more = len(reading.broken) - _LISTED
    rest = f"; and {more:,} more" if more > 0 else ""
    return f"{len(reading.broken):,} of {total:,} pictures can't be read: {listed}{rest}."


def _observations(reading: Reading, plan: Fit) -> list[str]:
    notices = []
    if reading.scale:
        low, high = reading.scale
        notices.append(
            f"{reading.deep:,} pictures have more than 8 bits: one scale for all of them, {low:g} "
            f"becomes black and {high:g} white."
        )
    if not plan.own and reading.sizes:
        notices += _cut(reading.sizes, plan)
    if reading.equal:
        notices.append(
            f"{reading.equal:,} of {len(reading.rows):,} pictures are of one nearly equal grey or "
            "colour all over: nothing can be seen in them."
        )
    return notices


def _cut(sizes: Mapping[tuple[int, int], int], plan: Fit) -> list[str]:
    """A message on what does not keep its aspect ratio."""
    wanted = plan.shape[2] / plan.shape[1]
    other = {s: n for s, n in sizes.items() if abs(s[0] / s[1] / wanted - 1) > 0.02}
    if not other:
        return []
    count = sum(other.values())
    (width, height), _ = max(other.items(), key=lambda item: item[1])
    shape = f"{plan.shape[2]}×{plan.shape[1]}"
    if plan.how == "pad":
        return [f"{count:,} pictures have another shape than {shape}: they are padded."]
    if plan.how == "stretch":
        return [f"{count:,} pictures have another shape than {shape}: they are stretched."]
    ratio = width / height
    lost = 1 - min(ratio, wanted) / max(ratio, wanted)
    where = "at the left and right" if ratio > wanted else "at top and bottom"
    return [
        f"{count:,} pictures have another shape than {shape}: they are cropped at the centre. Of "
        f"{width}×{height} pixels {lost:.0%} is cut off {where}; pad or stretch keeps all."
    ]


def _constant(columns: Sequence[Column]) -> list[str]:
    names = [c.name for c in columns if len(np.unique(c.values[~c.missing])) < 2]
    return (
        [f"{', '.join(names)}: the same value for every picture, so no concept can be had of it."]
        if names
        else []
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

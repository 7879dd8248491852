"""Importing pictures, once, and what an import would be like."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets.base import SPLITS, DatasetError, Progress
from ..files import refusals_as
from .exporting import check_options, import_exported, is_exported
from .observing import broken_pictures, check_enough, constant_columns, observations
from .opening import label_of, open_source, source_stamp
from .planning import STEP, Options, label_column, plan_images
from .reading import BrokenPictures, PixelFile, read_pictures
from .source import Column, Source, natural, shown
from .splits import split_rows
from .store import (
    ImportedDataset,
    all_checksums,
    all_names,
    check_name,
    find_dataset,
    list_versions,
    sound_versions,
)
from .writing import unfinished, write_rows

__all__ = [
    "import_images",
    "import_source",
    "name_for",
    "source_change",
]


@refusals_as(DatasetError)
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
    cancelled: Callable[[], bool] | None = None,
    follow_links: bool = False,
) -> ImportedDataset:
    """Imports pictures into the data folder, where they never change.

    Pictures that are there already, of the same content, are not imported again; if the source
    has changed since, it becomes a new version of the import.

    Args:
        source: path of a folder, an archive or a file of arrays.
        name: name of the import.
        image_size: side in pixels, or height and width, 8 to 256; by default the pictures' own
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
        check_options(path, options, labels)
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


@refusals_as(DatasetError)
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
    exact: bool = False,
    licence: str = "Your own pictures",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
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
        exact: whether sides stay as they are that networks with convolutions cannot halve twice.
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
    return _import(source, name, options, "", progress, cancelled, step=1 if exact else STEP)


def _import(
    source: Source,
    name: str,
    options: Options,
    stamp: str,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
    where: dict[str, Any] | None = None,
    step: int = STEP,
) -> ImportedDataset:
    stated = json.loads(json.dumps(asdict(options) | (where or {})))
    for known in sound_versions(name):
        if stamp and known.card["stamp"] == stamp and known.card["options"] == stated:
            return replace(known, told=("These pictures are imported already.",))
    expected, _ = split_rows(source.names, source.splits)
    order = sorted(range(len(source.names)), key=lambda i: (SPLITS.index(expected[i]), i))
    plan, notices = plan_images(source, options, order, step)
    with unfinished(name, len(order) * math.prod(plan.shape)) as (folder, keep):
        pixels = PixelFile(folder / "pixels.npy", plan.shape)
        try:
            reading = read_pictures(
                source.pictures, order, plan, pixels.write, pixels.replace,
                progress=progress, cancelled=cancelled, ends=options.ends,
            )  # fmt: skip
        finally:
            pixels.close()
        broken = [(source.names[row], why) for row, why in reading.broken]
        if broken and not options.skip_broken:
            raise BrokenPictures(broken_pictures(source, reading))
        check_enough(source, len(reading.rows), reading)
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
            folders = label_column(columns)
        classes = sorted({f for f in folders if f is not None}, key=natural)
        classes = classes if len(classes) > 1 else []
        labels = None
        if classes:
            number = {name: i for i, name in enumerate(classes)}
            labels = np.array([-1 if f is None else number[f] for f in folders], np.int64)
        notices += [
            *source.notices,
            *observations(reading, plan),
            *copies,
            *constant_columns(columns),
        ]
        if broken:
            notices.append(broken_pictures(source, reading))
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
        for known in sound_versions(name):
            if known.card["content"] == card["content"]:
                return replace(known, told=("These pictures are imported already.",))
        told: tuple[str, ...] = ()
        if (before := next(sound_versions(name), None)) is not None:
            card["changed"] = _difference(before, names, checksums)
            told = (card["changed"],)
        write_rows(folder, card, names, checksums, labels, columns)
        version = keep()
    return replace(find_dataset(f"{name}@{version}"), told=told)


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

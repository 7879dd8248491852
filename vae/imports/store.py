"""The one format of imported data, in `data_folder()/datasets/NAME/VERSION/`.

`pixels.npy` holds all images, `(N, C, H, W)` uint8, the splits one after another;
`rows.safetensors` checksums, splits, classes and columns; `names.json` the names of the pictures;
`card.json` the rest. A version never changes.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from ..datasets.base import SPLITS, Dataset, DatasetError, Images
from ..files import read_file
from ..locations import NAME, data_folder
from ..mapped import map_npy
from ..schema import Count, Number, SchemaError, decode
from ..tensors import CheckpointError, read_tensors
from .source import Column

__all__ = [
    "ImportedDataset",
    "ImportedImages",
    "all_checksums",
    "all_columns",
    "all_images",
    "all_names",
    "as_attribute",
    "check_name",
    "datasets_folder",
    "find_dataset",
    "find_import",
    "former_names",
    "list_damaged",
    "list_datasets",
    "list_versions",
    "open_import",
    "present_name",
    "read_import",
    "sound_versions",
]

FORMAT = 1
_LONGEST_NAME = 5_000  # bytes, as JSON
_VERSION = re.compile(r"[1-9][0-9]{0,5}")


class _Column(TypedDict):
    name: str
    kind: Literal["yes/no", "number", "category"]
    categories: list[str]


class _LeftOut(TypedDict):
    name: str
    why: str


class _Card(TypedDict):
    format: Literal[1]
    source: str
    licence: str
    count: Count
    counts: dict[str, Count]
    image_shape: Annotated[list[Count], Meta(min_length=3, max_length=3)]
    fit: Literal["crop", "pad", "stretch"]
    classes: list[str] | None
    columns: list[_Column]
    left_out: list[_LeftOut]
    left_out_count: Count
    notices: list[str]
    scale: Annotated[list[Number], Meta(min_length=2, max_length=2)] | None
    content: str
    stamp: str
    options: dict[str, Any]
    imported: str
    changed: NotRequired[str]


@dataclass(frozen=True, eq=False)
class ImportedDataset:
    """An import: one version of a dataset in the data folder.

    Args:
        name: name of the dataset.
        version: number of the version, from 1 on.
        folder: folder of the version.
        card: source, licence, options, columns, classes, what was left out and why.
        told: messages about this call, such as how many pictures differ from the version before.
    """

    name: str
    version: int
    folder: Path
    card: dict[str, Any] = field(repr=False)
    told: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """`NAME@VERSION`, by which `load_dataset`, runs and checkpoints name this version."""
        return f"{self.name}@{self.version}"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(N, C, H, W)`."""
        channels, height, width = self.card["image_shape"]
        return self.card["count"], channels, height, width

    @property
    def counts(self) -> dict[str, int]:
        """The number of pictures of each split."""
        return dict(self.card["counts"])

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())

    def origin(self) -> dict[str, Any]:
        """What runs and checkpoints carry of the card: not where the source lies, and no files."""
        kept = {k: v for k, v in self.card.items() if k not in ("left_out", "stamp")}
        kept["source"] = PurePath(self.card["source"]).name
        return {"name": self.name, "version": self.version, **kept}


class ImportedImages(Images):
    """Images of an import, which stay on disk, with the checksums that were stored with them."""

    def __init__(self, uint8: Tensor, stored: np.ndarray) -> None:
        super().__init__(uint8)
        self._stored = stored

    def checksums(self, rows: np.ndarray) -> np.ndarray:
        """Checksums `(n,)` int64 of images, which identify them after the data have changed."""
        return self._stored[rows]


def datasets_folder() -> Path:
    """The folder of all imports."""
    return data_folder() / "datasets"


def check_name(name: str) -> None:
    """Refuses a name that an import cannot have.

    Raises:
        DatasetError: if the name is a shipped set's, or has other characters than letters,
            digits, dots, hyphens and underscores.
    """
    from ..datasets import dataset_names

    if not NAME.fullmatch(name):
        raise DatasetError(
            f"The name {name[:80]!r} cannot be used: choose up to 64 letters, digits, dots, "
            "hyphens and underscores, the first a letter or a digit."
        )
    if name.lower() in dataset_names():
        raise DatasetError(
            f"{name} is the name of a set that comes with the program: take another."
        )


def list_datasets() -> list[ImportedDataset]:
    """Lists the newest version of each import that can be read, by name."""
    found = []
    for folder in sorted(datasets_folder().glob("*/")):
        if NAME.fullmatch(folder.name):
            with contextlib.suppress(DatasetError):
                found.append(find_dataset(folder.name))
    return found


def list_damaged() -> dict[str, str]:
    """The imports whose newest version cannot be read: by name, what is wrong with it."""
    damaged = {}
    for folder in sorted(datasets_folder().glob("*/")):
        if NAME.fullmatch(folder.name) and list_versions(folder.name):
            try:
                find_dataset(folder.name)
            except DatasetError as error:
                damaged[folder.name] = str(error)
    return damaged


def sound_versions(name: str) -> Iterator[ImportedDataset]:
    """The versions of an import of which every file can be read, the newest first."""
    for version in reversed(list_versions(name)):
        with contextlib.suppress(DatasetError):
            found = find_dataset(f"{name}@{version}")
            all_images(found)
            all_names(found)
            _read_rows(found)
            yield found


def list_versions(name: str) -> list[int]:
    """The versions of an import, in increasing order; none if there is no such import."""
    folder = datasets_folder() / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        return []
    return sorted(int(f.name) for f in folder.iterdir() if _VERSION.fullmatch(f.name))


def find_dataset(reference: str) -> ImportedDataset:
    """Finds an import.

    Args:
        reference: `NAME`, for the newest version, or `NAME@VERSION`. A name that the import had
            before it was renamed is understood, too.

    Raises:
        DatasetError: if there is none, or its card is damaged.
    """
    name, _, wanted = reference.partition("@")
    if not list_versions(name):
        name = present_name(name)
    versions = list_versions(name)
    if not versions:
        raise DatasetError(f"There is no import {reference!r}. Import its pictures again.")
    version = versions[-1]
    if wanted:
        if not _VERSION.fullmatch(wanted) or int(wanted) not in versions:
            raise DatasetError(
                f"{name} has no version {wanted!r}; there are {', '.join(map(str, versions))}."
            )
        version = int(wanted)
    return read_import(datasets_folder() / name / str(version), name, version)


def find_import(name: str | Path) -> ImportedDataset | None:
    """Finds an import as `find_dataset` does; None if there is none of this name."""
    try:
        return find_dataset(name) if isinstance(name, str) else None
    except DatasetError:
        return None


def read_import(folder: Path, name: str, version: int = 1) -> ImportedDataset:
    """Reads the card of an import in a folder of any place.

    Args:
        folder: folder of the import.
        name: name that it is given.
        version: number of the version.

    Raises:
        DatasetError: if the card is missing or damaged.
    """
    return ImportedDataset(name, version, folder, _read_card(folder))


def open_import(reference: str | ImportedDataset, split: str) -> Dataset:
    """Opens one split of an import; its images stay on disk.

    Args:
        reference: `NAME` or `NAME@VERSION`, or the import itself.
        split: one of `SPLITS`. If the author made only one of validation and test, it is both.

    Raises:
        DatasetError: if there is no such import or split, or a file of it is damaged.
    """
    found = find_dataset(reference) if isinstance(reference, str) else reference
    card, counts = found.card, found.card["counts"]
    there = split
    if split != "train" and not counts.get(split):
        there = "validation" if split == "test" else split
    if not counts.get(there):
        known = " and ".join(name for name in SPLITS if counts.get(name))
        raise DatasetError(f"{found.name} has no pictures for {split}; choose {known}.")
    first = sum(counts.get(name, 0) for name in SPLITS[: SPLITS.index(there)])
    rows = slice(first, first + counts[there])
    arrays = _read_rows(found)
    images = ImportedImages(all_images(found)[rows], arrays["checksum"][rows])
    labels = None
    if card["classes"] and (arrays["label"][rows] >= 0).all():
        labels = torch.from_numpy(arrays["label"][rows])
    columns = _columns(card, arrays)
    notices = tuple(card["notices"])
    if split == "test" and there == "test" and (aside := counts.get("validation")):
        notices += (f"{aside:,} pictures for validation are kept aside: the test split is shown.",)
    return Dataset(
        name=reference if isinstance(reference, str) else found.reference,
        split=split,
        images=images,
        labels=labels,
        classes=tuple(card["classes"]) if labels is not None else None,
        attributes={c.name: torch.from_numpy(as_attribute(c)[rows]) for c in columns},
        licence=card["licence"],
        notices=notices,
        fingerprint=card["content"],
        categories={c.name: c.categories for c in columns if c.kind == "category"},
        numbers=frozenset(c.name for c in columns if c.kind == "number"),
        names=tuple(all_names(found)[rows]),
    )


def as_attribute(column: Column) -> np.ndarray:
    """The values of a column as `Dataset.attributes` holds them, `(N,)`."""
    if column.kind == "yes/no" and not column.missing.any():
        return column.values > 0
    return column.values


def all_images(dataset: ImportedDataset) -> Tensor:
    """All images of an import, `(N, C, H, W)` uint8, mapped into memory.

    Raises:
        DatasetError: if the file is missing or damaged.
    """
    file = dataset.folder / "pixels.npy"
    if not file.is_file():  # a pipe would be waited for
        raise DatasetError(f"{file} is missing, or no file. Import the pictures again.")
    try:
        pixels = map_npy(file)
    except Exception as error:  # numpy raises errors of many types on damaged bytes
        raise DatasetError(f"{file} is damaged ({error}). Import the pictures again.") from error
    if pixels.shape != dataset.shape or pixels.dtype != np.uint8:
        raise DatasetError(
            f"{file} holds {pixels.shape} {pixels.dtype}; expected {dataset.shape} uint8. Import "
            "the pictures again."
        )
    return torch.from_numpy(pixels)


def all_names(dataset: ImportedDataset) -> list[str]:
    """The names of the pictures of an import, in the order of `all_images`.

    Raises:
        DatasetError: if the file is missing or damaged.
    """
    file = dataset.folder / "names.json"
    try:
        names = decode(read_file(file, 1_000 + _LONGEST_NAME * dataset.card["count"]), list[str])
        if len(names) != dataset.card["count"]:
            raise SchemaError(f"it holds {len(names)} names, not {dataset.card['count']}")
    except (OSError, SchemaError) as error:
        raise DatasetError(f"{file} is damaged ({error}). Import the pictures again.") from error
    return names


def all_checksums(dataset: ImportedDataset) -> np.ndarray:
    """The checksums of the pictures of an import, `(N,)` int64, in the order of `all_images`.

    Raises:
        DatasetError: if a file is missing or damaged.
    """
    return _read_rows(dataset)["checksum"]


def all_columns(dataset: ImportedDataset) -> list[Column]:
    """The columns of an import, in the order of `all_images`.

    Raises:
        DatasetError: if a file is missing or damaged.
    """
    return _columns(dataset.card, _read_rows(dataset))


def former_names(folder: Path) -> list[str]:
    """The names that the import in a folder had before it was renamed."""
    try:
        return decode(read_file(folder / "former.json"), list[str])
    except (OSError, SchemaError):
        return []


def present_name(name: str) -> str:
    """The present name of an import that was renamed, else the name itself."""
    for folder in sorted(datasets_folder().glob("*/former.json")):
        if name in former_names(folder.parent):
            return folder.parent.name
    return name


def _read_card(folder: Path) -> dict[str, Any]:
    file = folder / "card.json"
    try:
        card: dict[str, Any] = dict(decode(read_file(file), _Card))
    except (OSError, SchemaError) as error:
        raise DatasetError(
            f"{file} cannot be used ({error}). Import the pictures again."
        ) from error
    if sum(card["counts"].values()) != card["count"] or not set(card["counts"]) <= set(SPLITS):
        raise DatasetError(f"{file}: counts do not add up to {card['count']}. Import again.")
    return card


def _read_rows(dataset: ImportedDataset) -> dict[str, np.ndarray]:
    file, card, n = dataset.folder / "rows.safetensors", dataset.card, dataset.card["count"]
    try:
        arrays, _ = read_tensors(file)
    except CheckpointError as error:
        raise DatasetError(f"{error} Import the pictures again.") from error
    expected = {"checksum": ("i", np.iinfo(np.int64).max)}
    if card["classes"]:
        expected["label"] = ("i", len(card["classes"]))
    for i, column in enumerate(card["columns"]):
        if column["kind"] == "number":
            expected |= {f"column.{i:03d}": ("f", 0), f"missing.{i:03d}": ("u", 2)}
        else:
            expected[f"column.{i:03d}"] = ("i", len(column["categories"]) or 2)
    for name, (kind, limit) in expected.items():
        array = arrays.get(name)
        if array is None or array.shape != (n,) or array.dtype.kind != kind:
            raise DatasetError(f"{file}: {name} is missing or no row of {n}. Import again.")
        if (
            kind == "i"
            and name != "checksum"
            and n
            and not -1 <= array.min() <= array.max() < limit
        ):
            raise DatasetError(f"{file}: {name} holds numbers outside 0 to {limit - 1}.")
    return arrays


def _columns(card: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[Column]:
    columns = []
    for i, column in enumerate(card["columns"]):
        values = arrays[f"column.{i:03d}"]
        if column["kind"] == "number":
            values = np.where(arrays[f"missing.{i:03d}"] > 0, np.float32(np.nan), values)
        elif column["kind"] == "yes/no":
            values = np.where(values < 0, np.nan, values).astype(np.float32)
        columns.append(Column(column["name"], column["kind"], values, tuple(column["categories"])))
    return columns

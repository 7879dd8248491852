"""The layout of a dataset's folders: splits of its author, and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .base import DatasetError

__all__ = ["SPLIT_NAMES", "Layout", "read_layout"]

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of splits that are understood, in lower case, and the split that each means."""


@dataclass(frozen=True)
class Layout:
    """The pictures of a dataset, with their splits and classes.

    Args:
        names: names of the pictures that are used, in the original order.
        splits: author's split of each picture, `"train"`, `"validation"` or `"test"`; None if the
            author made none.
        folders: class folder of each picture, or None.
        notices: messages on pictures that were left out, and why.
    """

    names: tuple[str, ...]
    splits: tuple[str | None, ...]
    folders: tuple[str | None, ...]
    notices: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The sorted class folders, or None if there are fewer than two."""
        names = sorted({folder for folder in self.folders if folder is not None})
        return tuple(names) if len(names) > 1 else None


def read_layout(names: Sequence[str], label: str) -> Layout:
    """Distinguishes splits from classes by the names of folders.

    A folder named like a split, in any case and any of the usual spellings, is a split at every
    level, and never a class: classes lie one level below or above the splits. A single folder
    that contains everything else is ignored. Pictures beside folders are left out.

    Args:
        names: names of all pictures, with `/` between folders.
        label: description of the dataset in messages.

    Raises:
        DatasetError: if other folders lie beside the splits, so that the layout is ambiguous.
    """
    folders = [PurePosixPath(name).parent.parts for name in names]
    top = _shared(folders)
    inner = [parts[top:] for parts in folders]
    if any(map(_split_of, inner)):
        splits = [_split_of(parts) for parts in inner]
    else:  # the common folder may itself be a split
        splits = [_split_of(parts) for parts in folders]
    notices = []
    keep = list(range(len(names)))
    if None in splits and any(splits):
        loose = [i for i in keep if not splits[i]]
        for i in loose:
            if inner[i]:
                named = next(parts for parts in inner if _split_of(parts))
                raise DatasetError(
                    f"{label}: the folder {'/'.join(named)} is named like a split, and "
                    f"{'/'.join(inner[i])} with {PurePosixPath(names[i]).name} lies beside it. "
                    "Move it into one of the splits, out of the data set, or rename the one that "
                    "is no split."
                )
        notices += _left_out(names, loose, "splits")
        keep = [i for i in keep if splits[i]]
    rest = [_without_splits(inner[i]) for i in keep]
    top = _shared(rest)
    classes = {i: parts[top] for i, parts in zip(keep, rest, strict=True) if len(parts) > top}
    if len(set(classes.values())) < 2:
        classes = {}
    for split in dict.fromkeys(splits[i] for i in keep):
        members = [i for i in keep if splits[i] == split]
        loose = [i for i in members if i not in classes]
        if loose and len(loose) < len(members) / 2:
            notices += _left_out(names, loose, "class folders")
            keep = sorted(set(keep) - set(loose))
        elif loose:
            classes = {i: folder for i, folder in classes.items() if splits[i] != split}
    return Layout(
        tuple(names[i] for i in keep),
        tuple(splits[i] for i in keep),
        tuple(classes.get(i) for i in keep),
        tuple(notices),
    )


def _shared(folders: Sequence[tuple[str, ...]]) -> int:
    """The number of leading folders that all paths have in common."""
    first, last = min(folders), max(folders)
    pairs = enumerate(zip(first, last, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(first), len(last)))


def _split_of(folders: tuple[str, ...]) -> str | None:
    return next(
        (SPLIT_NAMES[name.lower()] for name in folders if name.lower() in SPLIT_NAMES), None
    )


def _without_splits(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in folders if name.lower() not in SPLIT_NAMES)


def _left_out(names: Sequence[str], loose: list[int], beside: str) -> list[str]:
    first = names[loose[0]]
    if len(loose) == 1:
        return [f"{first} lies beside the {beside} and is left out."]
    return [f"{len(loose):,} pictures lie beside the {beside}, such as {first}, and are left out."]

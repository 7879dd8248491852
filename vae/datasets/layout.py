"""The layout of a dataset's folders: splits of its author, and classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

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
    above = _folders(names)
    folders = set(above)  # few, of many pictures
    top = _shared(folders)
    inner = {folder: _below(folder, top) for folder in folders}
    split_of = {folder: _split_of(inner[folder]) for folder in folders}
    if not any(split_of.values()):  # the common folder may itself be a split
        split_of = {folder: _split_of(folder) for folder in folders}
    splits = [split_of[folder] for folder in above]
    notices = []
    keep = list(range(len(names)))
    if None in splits and any(splits):
        loose = [i for i in keep if not splits[i]]
        for i in loose:
            if inner[above[i]]:
                named = next(inner[folder] for folder in above if _split_of(inner[folder]))
                raise DatasetError(
                    f"{label}: the folder {named} is named like a split, and {inner[above[i]]} "
                    f"with {names[i].rpartition('/')[2]} lies beside it. Move it into one of the "
                    "splits, out of the data set, or rename the one that is no split."
                )
        notices += _left_out(names, loose, "splits")
        keep = [i for i in keep if splits[i]]
    rest = {above[i]: _without_splits(inner[above[i]]) for i in keep}
    top = _shared(set(rest.values()))
    class_of = {folder: _below(inside, top).partition("/")[0] for folder, inside in rest.items()}
    classes = {i: class_of[above[i]] for i in keep if class_of[above[i]]}
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


def _folders(names: Sequence[str]) -> list[str]:
    """The folder that each file lies in, without what changes nothing, as in `a//./b`."""
    given = [name.rpartition("/")[0] for name in names]
    plain = {
        folder: "/".join(part for part in folder.split("/") if part not in ("", "."))
        for folder in set(given)
    }
    return [plain[folder] for folder in given]


def _parts(folder: str) -> list[str]:
    return folder.split("/") if folder else []


def _below(folder: str, top: int) -> str:
    """A folder without so many of its leading parts."""
    return "/".join(_parts(folder)[top:])


def _shared(folders: Collection[str]) -> int:
    """The number of leading parts that all folders have in common."""
    first, last = _parts(min(folders, key=_parts)), _parts(max(folders, key=_parts))
    pairs = enumerate(zip(first, last, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(first), len(last)))


def _split_of(folder: str) -> str | None:
    parts = folder.lower().split("/")
    return next((SPLIT_NAMES[part] for part in parts if part in SPLIT_NAMES), None)


def _without_splits(folder: str) -> str:
    return "/".join(part for part in _parts(folder) if part.lower() not in SPLIT_NAMES)


def _left_out(names: Sequence[str], loose: list[int], beside: str) -> list[str]:
    first = names[loose[0]]
    if len(loose) == 1:
        return [f"{first} lies beside the {beside} and is left out."]
    return [f"{len(loose):,} pictures lie beside the {beside}, such as {first}, and are left out."]

"""Which pictures are held out: the author's split, or a tenth, with copies on one side."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

__all__ = ["hold_out", "split_rows"]


def hold_out(names: Sequence[str], checksums: Sequence[int] | None = None) -> np.ndarray:
    """Chooses a tenth of the pictures, at least one, by checksums of their names.

    A new picture moves few others between the splits. Copies of one picture stay on one side,
    unless all pictures are copies.

    Args:
        names: names of the pictures.
        checksums: checksums of the pictures, which tell copies; none by default.

    Returns:
        Mask `(N,)` of the pictures that are held out.
    """
    wanted = max(1, len(names) // 10)
    order = sorted(
        range(len(names)),
        key=lambda i: (zlib.crc32(names[i].encode("utf-8", "surrogateescape")), names[i]),
    )
    held = np.zeros(len(names), bool)
    if checksums is None or len(set(checksums)) in (1, len(names)):
        held[order[:wanted]] = True
        return held
    groups: dict[int, list[int]] = {}
    for i in order:
        groups.setdefault(int(checksums[i]), []).append(i)
    count = 0
    for group in groups.values():
        if count + len(group) <= wanted:
            held[group] = True
            count += len(group)
    if not count:  # every picture has so many copies that none fits
        held[min(groups.values(), key=len)] = True
    return held


def split_rows(
    names: Sequence[str], splits: Sequence[str | None], checksums: Sequence[int] | None = None
) -> tuple[list[str], list[str]]:
    """The split of each picture, and messages on copies.

    Args:
        names: names of the pictures.
        splits: author's split of each picture, or None for all.
        checksums: checksums of the pictures, which tell copies; none by default.
    """
    if any(splits):
        chosen = [split or "train" for split in splits]
    else:
        chosen = ["test" if held else "train" for held in hold_out(names, checksums)]
    if checksums is None:
        return chosen, []
    copies = Counter(checksums)
    most = max(copies.values())
    if most == len(names) > 1:
        return chosen, [
            f"All {len(names):,} pictures are copies of one. Some are held out all the same: what "
            "is measured on them says nothing of new pictures."
        ]
    notices = []
    if most > 1:
        spare = len(names) - len(copies)
        notices.append(f"{spare:,} of {len(names):,} pictures are copies of others.")
    trained = {c for c, split in zip(checksums, chosen, strict=True) if split == "train"}
    both = sum(c in trained for c, s in zip(checksums, chosen, strict=True) if s != "train")
    if both:
        held = sum(split != "train" for split in chosen)
        notices.append(
            f"{both:,} of the {held:,} pictures that are held out are among those to train on, "
            "too, as their author chose: what is measured on them is too good."
        )
    return chosen, notices

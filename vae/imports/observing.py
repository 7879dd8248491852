"""Messages on what an import found in its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..datasets.base import DatasetError
from .picture import Fit
from .reading import Reading
from .source import Column, Source

__all__ = ["broken_pictures", "check_enough", "constant_columns", "observations"]

_LISTED = 5


def check_enough(source: Source, count: int, reading: Reading) -> None:
    """Refuses fewer than two pictures, of which one is to be held out.

    Args:
        source: source of the pictures.
        count: number of pictures that can be used.
        reading: result of the pass over them.

    Raises:
        DatasetError: if there are fewer than two.
    """
    if count >= 2:
        return
    broken = f" {broken_pictures(source, reading)}" if reading.broken else ""
    part = "" if _looked_at(reading) == len(source.names) else "What was looked at of "
    pictures = "picture" if count == 1 else "pictures"
    raise DatasetError(
        f"{part}{source.label} has {count} {pictures} that can be read; "
        f"two are needed, one to hold out.{broken}"
    )


def broken_pictures(source: Source, reading: Reading) -> str:
    """A message that lists the pictures which cannot be read."""
    looked = _looked_at(reading)
    among = "pictures" if looked == len(source.names) else "pictures that were looked at"
    listed = "; ".join(why.rstrip(".") for _, why in reading.broken[:_LISTED])
    more = len(reading.broken) - _LISTED
    rest = f"; and {more:,} more" if more > 0 else ""
    return f"{len(reading.broken):,} of {looked:,} {among} can't be read: {listed}{rest}."


def _looked_at(reading: Reading) -> int:
    return len(reading.rows) + len(reading.broken)


def observations(reading: Reading, plan: Fit) -> list[str]:
    """Messages on one scale for more than 8 bits, on what is cropped, on pictures of nothing."""
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
    share = f"{lost:.0%}" if lost < 0.995 else "more than 99%"
    return [
        f"{count:,} pictures have another shape than {shape}: they are cropped at the centre. Of "
        f"{width}×{height} pixels {share} is cut off {where}; pad or stretch keeps all."
    ]


def constant_columns(columns: Sequence[Column]) -> list[str]:
    """A message on columns that have one value for all pictures, if there are any."""
    names = [c.name for c in columns if len(np.unique(c.values[~c.missing])) < 2]
    return (
        [f"{', '.join(names)}: the same value for every picture, so no concept can be had of it."]
        if names
        else []
    )

"""Pictures of what a decoder says of every pixel, read pixel by pixel under one pointer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pages.ui.components.base import Component
from pages.ui.components.messages import lessons as messages
from pages.ui.shared.packing import packed

__all__ = ["Reading", "live_pixels"]

_PIXELS = Component(
    "live_pixels",
    Path(__file__).with_name("pixels.js"),
    messages.PixelData,
    {"pixel": messages.Pixel},
    live=True,
)


@dataclass(frozen=True, eq=False)
class Reading:
    """What one likelihood says.

    Args:
        title: its name.
        pictures: caption and values in 0…1 `(H, W)` of each picture.
        lines: text about a pixel, in which `{name}` is replaced by its value.
        values: `(H, W)` by name.
        colours: CSS by name, for the values that have one.
        total: below all, in nats.
    """

    title: str
    pictures: Sequence[tuple[str, np.ndarray]]
    lines: Sequence[str]
    values: dict[str, np.ndarray]
    colours: dict[str, str]
    total: str


def live_pixels(
    readings: Sequence[Reading], *, key: str, start: tuple[int, int], alt: str
) -> tuple[int, int]:
    """Shows pictures of one size; the same pixel of each is read under the pointer.

    Args:
        readings: side by side.
        key: key of the component.
        start: row and column that are read at first.
        alt: contents and keyboard commands, for screen readers.

    Returns:
        Row and column that the visitor last clicked.
    """
    height, width = readings[0].pictures[0][1].shape
    heard = _PIXELS.heard(key, "pixel")
    pixel = heard.value or start
    at = (min(max(pixel[0], 0), height - 1), min(max(pixel[1], 0), width - 1))
    data = {
        "alt": alt,
        "size": [height, width],
        "at": heard.answer(at),
        "readings": [
            {
                "title": r.title,
                "pictures": [[name, packed(v.clip(0, 1))] for name, v in r.pictures],
                "lines": list(r.lines),
                "values": {name: packed(v) for name, v in r.values.items()},
                "colours": r.colours,
                "total": r.total,
            }
            for r in readings
        ],
    }
    _PIXELS.show(data, key=key)
    return at

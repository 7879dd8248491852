"""How the points of a map are coloured: entries of a legend, or numbers on a scale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import words
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import COLOURS, GREY

__all__ = ["MISSING", "MOST_CLASSES", "SHAPES", "Entry", "colours", "legend", "natural"]

MOST_CLASSES = 40  # told apart by ten colours and four shapes
_LARGEST = 10  # classes that are named where there are more
SHAPES = ("circle", "diamond", "square", "triangle-up")  # a shape for each ten classes
MISSING = "#9aa0a8"  # grey, for what is not known and for others


@dataclass(frozen=True, eq=False)
class Entry:
    """An entry of the legend.

    Args:
        name: its name, as plain text.
        rows: which points it has, `(N,)` bool.
        marker: Plotly's settings of their markers.
    """

    name: str
    rows: np.ndarray = field(repr=False)
    marker: dict[str, Any]

    def restricted(self, part: np.ndarray) -> dict[str, Any]:
        """The markers of a part of its points, `(N,)` bool."""
        colour = self.marker["color"]
        if isinstance(colour, str):
            return self.marker
        return self.marker | {"color": colour[part[self.rows]]}


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sorting key by which "2" comes before "10", and "image 9" before "image 12"."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p)


def colours(space: LatentSpace) -> dict[str, str]:
    """What points can be coloured by: key and name."""
    choices = {"class": "Class"} if space.classes else {}
    choices |= {f"attribute:{name}": plain(words(name), "text") for name in space.columns}
    if space.kl is not None:
        choices["kl"] = "KL (nats)"
    if space.elbo is not None:
        choices["elbo"] = "ELBO (nats)"
    return choices or {"none": "One colour"}


def legend(space: LatentSpace, colour: str) -> list[Entry]:
    """Divides the points of a map into the entries of its legend.

    More than ten classes differ in their shapes as well; of more than forty the ten largest are
    named. What has no value is grey and comes first, so that it lies under the others.

    Args:
        space: the model and its codes.
        colour: a key of `colours`.
    """
    kind, _, name = colour.partition(":")
    everything = np.ones(len(space), dtype=bool)
    if kind == "class":
        return _classes(space.classes, space.class_of)
    if kind == "attribute":
        column = space.columns[name]
        shown = plain(words(name), "text")
        if column.kind == "category":
            return _classes(column.categories, column.values)
        if column.kind == "number":
            return _numbers(shown, column.values)
        shown = plain(words(name).lower(), "text")
        return [
            Entry(f"without {shown}", ~column.values, {"color": GREY}),
            Entry(f"with {shown}", column.values, {"color": COLOURS[4]}),
        ]
    if kind in ("kl", "elbo"):
        return _numbers(f"{kind.upper()} (nats)", getattr(space, kind))
    return [Entry("images", everything, {"color": COLOURS[0]})]


def _classes(names: Sequence[str], class_of: np.ndarray) -> list[Entry]:
    counts = np.bincount(class_of[class_of >= 0], minlength=len(names))
    present = [int(k) for k in np.flatnonzero(counts)]
    if list(names) == sorted(names):  # by their letters, not by somebody's thought
        present.sort(key=lambda k: natural(names[k]))
    entries, rest = [], class_of < 0
    if rest.any():
        entries.append(Entry("not known", rest, {"color": MISSING}))
    if len(present) > MOST_CLASSES:
        largest = set(sorted(present, key=lambda k: -counts[k])[:_LARGEST])
        others = [k for k in present if k not in largest]
        present = [k for k in present if k in largest]
        named = f"{len(others)} others"
        entries.append(Entry(named, np.isin(class_of, others), {"color": MISSING}))
    # Ten classes keep the colours of their numbers, so that these mean the same on every page.
    by_number = len(names) <= len(COLOURS)
    for place, k in enumerate(present):
        number = k if by_number else place
        marker = {"color": COLOURS[number % len(COLOURS)]}
        if number >= len(COLOURS):
            marker["symbol"] = SHAPES[number // len(COLOURS)]
        entries.append(Entry(plain(names[k], "text"), class_of == k, marker))
    return entries


def _numbers(title: str, values: np.ndarray) -> list[Entry]:
    values = values.astype(np.float32)
    known = np.isfinite(values)
    entries = []
    if not known.all():
        entries.append(Entry("not known", ~known, {"color": MISSING}))
    if known.any():
        low, high = np.quantile(values[known], (0.01, 0.99))
        bar = {"title": {"text": plain(title, "chart")}, "thickness": 12, "outlinewidth": 0}
        marker = {"color": values[known], "cmin": low, "cmax": high, "colorscale": "Viridis"}
        entries.append(Entry(title, known, marker | {"colorbar": bar}))
    return entries

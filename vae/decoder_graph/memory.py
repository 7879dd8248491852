"""The kernel's memory: places for values, views of them, and constants.

Values are views of places, as in torch: transposing, slicing and most reshaping move nothing.
Images lie channels last, with zeros around them as far as a later convolution reaches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .graph import DecoderGraph, GraphError, is_exact_in_half

__all__ = ["SLACK", "Border", "Memory", "Place", "View", "four"]

_MOST_MEMORY = 100_000_000  # numbers; a browser has so much
SLACK = 32  # numbers that may be read or written behind the end of a place

Border = tuple[int, int, int, int]  # rows above, columns left, rows below, columns right


@dataclass(eq=False)
class Place:
    """Consecutive numbers in memory.

    Args:
        size: how many.
        geometry: what a place with a border shares its memory by: with its like only, so that
            the zeros around an image stay.
        border: rows and columns of zeros around an image.
        first: number of the step that writes it first; -1 before the first step.
        last: number of the step that reads it last.
        at: address, among the constants of its kind or in all of memory.
        constant: `"half"` or `"float"` for a constant.
    """

    size: int
    geometry: tuple[int, ...] | None = None
    border: Border = (0, 0, 0, 0)
    first: int = -1
    last: int = -1
    at: int = 0
    constant: str = ""


@dataclass(frozen=True)
class View:
    """Some numbers of a place, in some order.

    Args:
        place: where they lie.
        numbers: `meta` tensor of any shape `(…)`, whose strides and offset say where each lies.
    """

    place: Place
    numbers: Tensor

    @property
    def offset(self) -> int:
        """How far behind the start of the place the first number lies."""
        return int(self.numbers.storage_offset())

    @property
    def address(self) -> tuple[Place, int]:
        """The place and the offset."""
        return self.place, self.offset

    def with_numbers(self, numbers: Tensor) -> View:
        """The same place, seen otherwise."""
        return View(self.place, numbers)


def four(size: int) -> int:
    """The next multiple of four, as the kernel computes four numbers at once."""
    return -(-size // 4) * 4


class Memory:
    """Where the constants and values of a graph lie.

    Args:
        graph: graph that is laid out.
    """

    def __init__(self, graph: DecoderGraph) -> None:
        self.graph = graph
        self.rows: list[tuple[list[Any], set[Place], set[Place]]] = []  # step, reads, writes
        self.views: dict[str, View] = {}
        self.halves: list[np.ndarray] = []
        self.floats: list[np.ndarray] = []
        self.constant_places: dict[str, Place] = {}
        self.used = [0, 0]  # numbers of halves and of floats
        self.views["code"] = self.contiguous(graph.shapes["code"])
        self.code = self.views["code"].place

    def number(self, word: Any) -> int:
        if isinstance(word, tuple):
            place, offset = word
            start = self.used[0] if place.constant == "float" else 0
            return start + place.at + offset
        return int(word)

    def constant(self, array: np.ndarray) -> Place:
        """Keeps numbers at the start of memory."""
        flat = np.zeros(four(array.size), np.float32)
        flat[: array.size] = array.ravel()
        exact = is_exact_in_half(flat)
        kind = 0 if exact else 1
        place = Place(flat.size, at=self.used[kind], constant=("half", "float")[kind])
        (self.halves if exact else self.floats).append(flat)
        self.used[kind] += flat.size
        return place

    def view(self, name: str) -> View:
        if name in self.views:
            return self.views[name]
        if name not in self.constant_places:
            self.constant_places[name] = self.constant(self.graph.weights[name])
        shape = self.graph.weights[name].shape
        return View(self.constant_places[name], torch.empty(shape, device="meta"))

    def contiguous(self, shape: Sequence[int], row: int | None = None) -> View:
        """A new place with rows of `row` numbers, of which the last axis uses the first."""
        row = row or (shape[-1] if shape else 1)
        lead = math.prod(shape[:-1])
        whole = torch.empty((lead, row), device="meta")
        strides = [1]
        for size in reversed(shape[1:]):
            strides.insert(0, strides[0] * (row if len(strides) == 1 else size))
        numbers = whole.as_strided(tuple(shape), strides[: len(shape)])
        return View(Place(lead * row + SLACK), numbers)

    def image(self, shape: Sequence[int], border: Border = (0, 0, 0, 0)) -> View:
        """A new place for an image `(1, C, H, W)` that lies channels last."""
        _, channels, height, width = shape
        top, left, bottom, right = border
        step = four(channels)
        row = (width + left + right) * step
        size = (height + top + bottom) * row
        numbers = torch.empty(size, device="meta").as_strided(
            tuple(shape), (size, 1, row, step), top * row + left * step
        )
        geometry = (height, width, step, *border) if any(border) else None
        return View(Place(size + SLACK, geometry, border), numbers)

    def allocate(self, last: View) -> None:
        """Gives each place an address; places whose times do not overlap share one."""
        for number, (_, reads, writes) in enumerate(self.rows):
            for place in writes:
                place.first = number if place.first < 0 else place.first
                place.last = max(place.last, number)
            for place in reads:
                place.last = max(place.last, number)
        end = len(self.rows)
        last.place.last = end
        self.code.first, self.code.last = -1, end
        places = {p for _, r, w in self.rows for p in (*r, *w)} | {last.place, self.code}
        moving = [p for p in places if not p.constant]
        bordered = sorted((p for p in moving if p.geometry), key=lambda p: p.first)
        top = sum(self.used)
        free: dict[tuple[int, ...], list[tuple[int, int]]] = {}  # (last use, address)
        for place in bordered:
            assert place.geometry is not None
            kept = free.setdefault(place.geometry, [])
            ready = [pair for pair in kept if pair[0] < place.first]
            if ready:
                kept.remove(ready[0])
                place.at = ready[0][1]
            else:
                place.at, top = top, top + four(place.size)
            kept.append((place.last, place.at))
        placed: list[Place] = []
        memory = top
        for place in sorted((p for p in moving if not p.geometry), key=lambda p: -p.size):
            others = sorted(
                (p for p in placed if p.first <= place.last and place.first <= p.last),
                key=lambda p: p.at,
            )
            at = top
            for other in others:
                if other.at - at >= place.size:
                    break
                at = max(at, four(other.at + other.size))
            place.at = at
            placed.append(place)
            memory = max(memory, four(at + place.size))
        self.memory = memory
        if memory > _MOST_MEMORY:
            raise GraphError(
                f"{memory * 4 / 1e6:,.0f} MB of memory; the browser's decoder has "
                f"{_MOST_MEMORY * 4 / 1e6:,.0f}"
            )

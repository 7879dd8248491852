"""Lays a graph out for the browser's kernel: weights, places in memory, a table of steps.

Values are views of places, as in torch: transposing, slicing and most reshaping move nothing.
Images lie channels last, with as many zeros around them as the convolutions after them reach, so
that the kernel has no edges to look after. `pages/ui/decoder/kernel.c` says what a step's numbers
mean.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .graph import Activation, DecoderGraph, GraphError, GraphStep
from .operations import ACTIVATIONS
from .transposed import taps_of

__all__ = ["Program", "lower"]

_KINDS = (
    "matrix group_norm layer_norm softmax reduce resize identity add subtract multiply divide "
    "maximum minimum prelu scale_shift"
).split()
_CHANNELS = 8192  # of a normalised image, as in the kernel
_MOST_MEMORY = 100_000_000  # numbers; a browser has so much
_SLACK = 32  # numbers that may be read or written behind the end of a place
_NOTHING = Activation("leaky_relu", 1.0)
_WORDS = 32

Border = tuple[int, int, int, int]  # rows above, columns left, rows below, columns right


@dataclass(eq=False)
class _Place:
    """Consecutive numbers in memory; those with a border are shared with their like only."""

    size: int
    geometry: tuple[int, ...] | None = None
    border: Border = (0, 0, 0, 0)
    first: int = -1  # the steps that write it first and read it last
    last: int = -1
    at: int = 0
    constant: str = ""  # "half" or "float": it lies among the constants, at `at`


@dataclass(frozen=True)
class _View:
    place: _Place
    numbers: Tensor  # a meta tensor: shape, strides and offset

    @property
    def offset(self) -> int:
        return int(self.numbers.storage_offset())

    @property
    def address(self) -> tuple[_Place, int]:
        return self.place, self.offset

    def with_numbers(self, numbers: Tensor) -> _View:
        return _View(self.place, numbers)


@dataclass(frozen=True)
class Program:
    """What the kernel needs to run a network.

    Args:
        steps: table of steps `(n, 32)` of 32-bit numbers, some of which are floats' bits.
        halves: constants that 16 bits hold exactly; they lie at the start of memory.
        floats: the other constants, which follow.
        memory: numbers that weights and values occupy together.
        code: where the code is written.
        output: where the output lies: `at`, `count`, and the distances `pixel` and `channel`.
    """

    steps: np.ndarray
    halves: np.ndarray
    floats: np.ndarray
    memory: int
    code: int
    output: dict[str, int]


def lower(graph: DecoderGraph) -> Program:
    """Lays a graph out.

    Raises:
        GraphError: if it needs more memory or axes than the kernel has.
    """
    return _Layout(graph).program()


def _bits(value: float) -> int:
    return int(struct.unpack("<i", struct.pack("<f", value))[0])


def _four(size: int) -> int:
    return -(-size // 4) * 4


def _runs(vectors: int, wide: bool) -> list[tuple[int, int]]:
    """Vectors of a block and number of blocks that the kernel computes `vectors` in."""
    if not wide and vectors >= 8:
        return [(8, vectors // 8), *_runs(vectors % 8, wide)]
    return [(q, blocks) for q, blocks in ((2, vectors // 2), (1, vectors % 2)) if blocks]


class _Layout:
    def __init__(self, graph: DecoderGraph) -> None:
        self.graph = graph
        self.rows: list[tuple[list[Any], set[_Place], set[_Place]]] = []
        self.views: dict[str, _View] = {}
        self.halves: list[np.ndarray] = []
        self.floats: list[np.ndarray] = []
        self.constant_places: dict[str, _Place] = {}
        self.used = [0, 0]  # numbers of halves and of floats
        self.zeros = 0
        self.borders = self.wanted_borders()
        self.views["code"] = self.contiguous(graph.shapes["code"])
        self.code = self.views["code"].place

    def program(self) -> Program:
        for number, step in enumerate(self.graph.steps):
            try:
                self.lower(step)
            except GraphError as error:
                raise GraphError(f"{step.op} in step {number}: {error}") from error
        last = self.final()
        self.allocate(last)
        table = np.array(
            [[self.number(word) for word in row] for row, _, _ in self.rows], np.int64
        ).reshape(-1, _WORDS)
        numbers = last.numbers
        output = {
            "at": last.place.at,
            "count": _four(last.place.size - _SLACK),
            "pixel": numbers.stride(3) if numbers.dim() == 4 else 1,
            "channel": numbers.stride(1),
        }
        halves, floats = (
            np.concatenate([np.zeros(0, kind), *arrays]).astype(kind)
            for kind, arrays in ((np.float16, self.halves), (np.float32, self.floats))
        )
        return Program(table.astype(np.int32), halves, floats, self.memory, self.code.at, output)

    def final(self) -> _View:
        """The output in a place of its own, without a border."""
        view = self.views[self.graph.output]
        numbers = view.numbers
        rows_follow = numbers.dim() != 4 or (
            numbers.stride(2) == numbers.shape[3] * numbers.stride(3) and numbers.stride(3) > 0
        )
        own = numbers.storage_offset() == 0 and not any(view.place.border)
        if rows_follow and own and view.place is not self.code:
            return view
        shape = tuple(numbers.shape)
        target = self.image(shape) if len(shape) == 4 else self.contiguous(shape)
        self.copy(view, target)
        return target

    # Memory

    def number(self, word: Any) -> int:
        if isinstance(word, tuple):
            place, offset = word
            start = self.used[0] if place.constant == "float" else 0
            return start + place.at + offset
        return int(word)

    def constant(self, array: np.ndarray) -> _Place:
        """Keeps numbers at the start of memory."""
        flat = np.zeros(_four(array.size), np.float32)
        flat[: array.size] = array.ravel()
        with np.errstate(over="ignore"):
            exact = bool((flat.astype(np.float16) == flat).all())
        kind = 0 if exact else 1
        place = _Place(flat.size, at=self.used[kind], constant=("half", "float")[kind])
        (self.halves if exact else self.floats).append(flat)
        self.used[kind] += flat.size
        return place

    def view(self, name: str) -> _View:
        if name in self.views:
            return self.views[name]
        if name not in self.constant_places:
            self.constant_places[name] = self.constant(self.graph.weights[name])
        shape = self.graph.weights[name].shape
        return _View(self.constant_places[name], torch.empty(shape, device="meta"))

    def contiguous(self, shape: Sequence[int], row: int | None = None) -> _View:
        """A new place with rows of `row` numbers, of which the last axis uses the first."""
        row = row or (shape[-1] if shape else 1)
        lead = math.prod(shape[:-1])
        whole = torch.empty((lead, row), device="meta")
        strides = [1]
        for size in reversed(shape[1:]):
            strides.insert(0, strides[0] * (row if len(strides) == 1 else size))
        numbers = whole.as_strided(tuple(shape), strides[: len(shape)])
        return _View(_Place(lead * row + _SLACK), numbers)

    def image(self, shape: Sequence[int], border: Border = (0, 0, 0, 0)) -> _View:
        """A new place for an image `(1, C, H, W)` that lies channels last."""
        _, channels, height, width = shape
        top, left, bottom, right = border
        step = _four(channels)
        row = (width + left + right) * step
        size = (height + top + bottom) * row
        numbers = torch.empty(size, device="meta").as_strided(
            tuple(shape), (size, 1, row, step), top * row + left * step
        )
        geometry = (height, width, step, *border) if any(border) else None
        return _View(_Place(size + _SLACK, geometry, border), numbers)

    def allocate(self, last: _View) -> None:
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
                place.at, top = top, top + _four(place.size)
            kept.append((place.last, place.at))
        placed: list[_Place] = []
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
                at = max(at, _four(other.at + other.size))
            place.at = at
            placed.append(place)
            memory = max(memory, _four(at + place.size))
        self.memory = memory
        if memory > _MOST_MEMORY:
            raise GraphError(
                f"{memory * 4 / 1e6:,.0f} MB of memory; the browser's decoder has "
                f"{_MOST_MEMORY * 4 / 1e6:,.0f}"
            )

    def wanted_borders(self) -> dict[str, Border]:
        """How far the convolutions that follow each value reach beyond its edges."""
        found: dict[str, Border] = {}
        for step in self.graph.steps:
            if step.op in ("conv", "conv_transpose"):
                old = found.get(step.inputs[0], (0, 0, 0, 0))
                new = self.reach(step)
                found[step.inputs[0]] = tuple(map(max, zip(old, new, strict=True)))  # type: ignore[assignment]
        return found

    def reach(self, step: GraphStep) -> Border:
        a, size = step.attributes, self.graph.shapes[step.inputs[0]][2:]
        kernel = self.graph.weights[step.inputs[1]].shape[2:]
        wanted = self.graph.shapes[step.output][2:]
        reach = [0, 0, 0, 0]
        for i in range(2):
            stride, dilation, pad = a["strides"][i], a["dilations"][i], a["pads"][i]
            if step.op == "conv":
                low, high = -pad, (wanted[i] - 1) * stride + (kernel[i] - 1) * dilation - pad
                reach[i], reach[i + 2] = -low, high - size[i] + 1
                continue
            for taps in taps_of(kernel[i], stride, dilation, pad, wanted[i]):
                if taps.kernel:
                    reach[i] = max(reach[i], -taps.first)
                    high = taps.first + taps.step * (len(taps.kernel) - 1) + taps.count - 1
                    reach[i + 2] = max(reach[i + 2], high - size[i] + 1)
        return tuple(max(0, v) for v in reach)  # type: ignore[return-value]

    # Steps

    def emit(
        self,
        kind: str,
        activation: Activation | None,
        inputs: Sequence[tuple[_Place, int] | None],
        out: tuple[_Place, int],
        sizes: Sequence[int],
        in_steps: Sequence[int],
        other_steps: Sequence[int],
        out_steps: Sequence[int],
    ) -> None:
        found = activation or _NOTHING
        code = list(ACTIVATIONS).index(found.kind)
        places = [*inputs, None, None, None][:3]
        row: list[Any] = [_KINDS.index(kind), code, _bits(found.a), _bits(found.b)]
        row += [p or 0 for p in places]
        row.append(out)
        for numbers in (sizes, in_steps, other_steps, out_steps):
            row += [*numbers, *[0] * (6 - len(numbers))]
        if len(row) != _WORDS or any(type(v) is int and abs(v) >= 2**31 for v in row):
            raise GraphError("sizes that the kernel cannot count")
        self.rows.append((row, {p[0] for p in places if p}, {out[0]}))

    def zero_bias(self, size: int) -> tuple[_Place, int]:
        if size > self.zeros:
            self.zeros = _four(size)
            self.zero_place = self.constant(np.zeros(self.zeros, np.float32))
        return (self.zero_place, 0)

    def lower(self, step: GraphStep) -> None:
        method = getattr(self, step.op, self.elementwise)
        self.views[step.output] = method(step)

    def new(self, name: str, *like: _View) -> _View:
        """A place for a value; an image lies channels last where one of `like` does."""
        shape = self.graph.shapes[name]
        if len(shape) == 4 and shape[0] == 1:
            border = self.borders.get(name)
            lasts = any(
                v.numbers.dim() == 4 and v.numbers.stride(1) == 1 and v.numbers.shape[1] > 1
                for v in like
            )
            if border is not None or lasts:
                return self.image(shape, border or (0, 0, 0, 0))
        return self.contiguous(shape)

    def copy(self, source: _View, target: _View, activation: Activation | None = None) -> None:
        self.map("identity", activation, [source], target)

    def map(
        self, kind: str, activation: Activation | None, inputs: Sequence[_View], out: _View
    ) -> None:
        shape = out.numbers.shape
        views = [out, *inputs]
        numbers = [v.numbers.expand(shape) for v in views]
        axes = [(size, [n.stride(i) for n in numbers]) for i, size in enumerate(shape) if size > 1]
        axes.sort(key=lambda axis: -axis[1][0])
        merged: list[tuple[int, list[int]]] = []
        for size, strides in axes:
            if merged and all(
                outer == inner * size for outer, inner in zip(merged[-1][1], strides, strict=True)
            ):
                merged[-1] = (merged[-1][0] * size, strides)
            else:
                merged.append((size, strides))
        if len(merged) > 6:
            raise GraphError("more than six axes")
        merged = [(1, [0] * len(views))] * (6 - len(merged)) + merged
        by_view = [[strides[i] for _, strides in merged] for i in range(len(views))]
        sizes = [size for size, _ in merged]
        addresses = [v.address for v in views]
        other = by_view[2] if len(views) > 2 else [0] * 6
        self.emit(
            kind, activation, addresses[1:], addresses[0], sizes, by_view[1], other, by_view[0]
        )

    def elementwise(self, step: GraphStep) -> _View:
        if step.op not in _KINDS:
            raise GraphError("a step that the kernel does not have")
        inputs = [self.view(name) for name in step.inputs]
        if step.op == "identity" and step.activation is None:
            return inputs[0]
        shape = self.graph.shapes[step.output]
        like = [v for v in inputs if tuple(v.numbers.shape) == shape]
        out = self.new(step.output, *like)
        self.map(step.op, step.activation, inputs, out)
        return out

    # Views

    def reshape(self, step: GraphStep) -> _View:
        view, shape = self.view(step.inputs[0]), step.attributes["shape"]
        try:
            return view.with_numbers(view.numbers.view(shape))
        except RuntimeError:
            target = self.contiguous(tuple(view.numbers.shape))
            self.copy(view, target)
            return target.with_numbers(target.numbers.view(shape))

    def transpose(self, step: GraphStep) -> _View:
        view = self.view(step.inputs[0])
        return view.with_numbers(view.numbers.permute(step.attributes["axes"]))

    def expand(self, step: GraphStep) -> _View:
        view = self.view(step.inputs[0])
        return view.with_numbers(view.numbers.expand(step.attributes["shape"]))

    def slice(self, step: GraphStep) -> _View:
        view, a = self.view(step.inputs[0]), step.attributes
        count = (a["count"] - 1) * a["step"] + 1
        numbers = view.numbers.narrow(a["axis"], a["start"], count)
        every = (slice(None),) * a["axis"] + (slice(None, None, a["step"]),)
        return view.with_numbers(numbers[every])

    def concat(self, step: GraphStep) -> _View:
        parts = [self.view(name) for name in step.inputs]
        out = self.new(step.output, *parts)
        axis, start = step.attributes["axis"], 0
        for part in parts:
            size = part.numbers.shape[axis]
            self.copy(part, out.with_numbers(out.numbers.narrow(axis, start, size)))
            start += size
        return out

    def pad(self, step: GraphStep) -> _View:
        view = self.view(step.inputs[0])
        out = self.new(step.output, view)
        fill = _View(
            self.constant(np.array([step.attributes["value"]])), torch.empty(1, device="meta")
        )
        self.copy(fill, out)
        inner, source = out.numbers, view.numbers
        for i, (before, after) in enumerate(
            zip(step.attributes["pads"][::2], step.attributes["pads"][1::2], strict=True)
        ):
            axis = inner.dim() - 1 - i
            if before < 0 or after < 0:
                start, end = max(0, -before), source.shape[axis] - max(0, -after)
                source = source.narrow(axis, start, end - start)
            size = source.shape[axis]
            inner = inner.narrow(axis, max(0, before), size)
        self.copy(view.with_numbers(source), out.with_numbers(inner))
        return out

    # Layers

    def rows_of(self, view: _View) -> tuple[_View, list[int], list[int]]:
        """A value as at most two axes of rows whose numbers lie side by side."""
        numbers = view.numbers
        lead = [(s, numbers.stride(i)) for i, s in enumerate(numbers.shape[:-1]) if s > 1]
        merged: list[tuple[int, int]] = []
        for size, stride in lead:
            if merged and merged[-1][1] == size * stride:
                merged[-1] = (merged[-1][0] * size, stride)
            else:
                merged.append((size, stride))
        if len(merged) > 2 or (numbers.stride(-1) != 1 and numbers.shape[-1] > 1):
            target = self.contiguous(tuple(numbers.shape))
            self.copy(view, target)
            return self.rows_of(target)
        merged = [(1, 0)] * (2 - len(merged)) + merged
        return view, [size for size, _ in merged], [stride for _, stride in merged]

    def matrix(
        self,
        source: tuple[_Place, int],
        weight: np.ndarray,
        bias: np.ndarray,
        out: tuple[_Place, int],
        activation: Activation | None,
        sizes: Sequence[int],
        in_steps: Sequence[int],
        out_steps: Sequence[int],
    ) -> None:
        """Steps of a matrix `(K, outputs)`; sizes are y, x, i, j, k and in_steps y, x, i, j."""
        depth, outputs = weight.shape
        vectors = _four(outputs) // 4
        padded = np.zeros((depth, 4 * vectors), np.float32)
        padded[:, :outputs] = weight
        shifts = np.zeros(4 * vectors, np.float32)
        shifts[:outputs] = bias
        shift = self.constant(shifts)
        first = 0
        for q, blocks in _runs(vectors, sizes[1] >= 4):
            lanes = 4 * q
            part = padded[:, first : first + lanes * blocks]
            packed = part.reshape(depth, blocks, lanes).transpose(1, 0, 2)
            at = self.constant(packed)
            self.emit(
                "matrix",
                activation,
                [source, (at, 0), (shift, first)],
                (out[0], out[1] + first),
                [*sizes, blocks],
                [*in_steps, 0, q],
                (),
                out_steps,
            )
            first += lanes * blocks

    def linear(self, step: GraphStep) -> _View:
        weight, bias = (self.graph.weights.get(name) for name in step.inputs[1:])
        if weight is None or bias is None:
            raise GraphError("weights that depend on the code")
        view, rows, steps = self.rows_of(self.view(step.inputs[0]))
        shape = self.graph.shapes[step.output]
        out = self.contiguous(shape, _four(shape[-1]))
        row = _four(shape[-1])
        out_steps = [rows[1] * row, row]
        source = view.address
        sizes = [*rows, 1, 1, weight.shape[0]]
        self.matrix(
            source, weight, bias, (out.place, 0), step.activation, sizes, [*steps, 0, 0], out_steps
        )
        return out

    def product(self, step: GraphStep) -> _View:
        one, other = (self.view(name) for name in step.inputs)
        shape = self.graph.shapes[step.output]
        lead = shape[:-2]
        one = one.with_numbers(one.numbers.expand(*lead, *one.numbers.shape[-2:]))
        other = other.with_numbers(other.numbers.expand(*lead, *other.numbers.shape[-2:]))
        if math.prod(lead) > 64:
            raise GraphError(f"{math.prod(lead)} products at once")
        if one.numbers.stride(-1) != 1:
            target = self.contiguous(tuple(one.numbers.shape))
            self.copy(one, target)
            one = target
        rows, depth, columns = *one.numbers.shape[-2:], shape[-1]
        row = _four(columns)
        whole = self.contiguous(other.numbers.shape, row)  # rows of whole vectors
        self.copy(other, whole)
        whole = whole.with_numbers(
            whole.numbers.as_strided((*lead, depth, row), whole.numbers.stride())
        )
        out = self.contiguous(shape, row)
        for index in np.ndindex(*lead):
            a, b, c = (v.numbers[index] for v in (one, whole, out))
            first = 0
            for q, blocks in _runs(row // 4, rows >= 4):
                lanes = 4 * q
                packed = self.contiguous((blocks, depth, lanes))
                part = b[:, first : first + lanes * blocks].unflatten(1, (blocks, lanes))
                self.copy(whole.with_numbers(part.transpose(0, 1)), packed)
                self.emit(
                    "matrix",
                    step.activation,
                    [
                        (one.place, int(a.storage_offset())),
                        (packed.place, 0),
                        self.zero_bias(row),
                    ],
                    (out.place, int(c.storage_offset()) + first),
                    [1, rows, 1, 1, depth, blocks],
                    [0, a.stride(0), 0, 0, 0, q],
                    (),
                    [0, row],
                )
                first += lanes * blocks
        return out

    def source_image(self, name: str, reach: Border) -> _View:
        """A value as an image, channels last, with zeros around it as far as a layer reaches."""
        view = self.view(name)
        numbers = view.numbers
        _, channels, height, width = numbers.shape
        if numbers.stride(1) == 1 or channels == 1:
            if not any(reach):
                return view
            if view.place.geometry and all(
                have >= need for have, need in zip(view.place.border, reach, strict=True)
            ):
                size = view.place.geometry
                row = (size[1] + view.place.border[1] + view.place.border[3]) * size[2]
                start = view.place.border[0] * row + view.place.border[1] * size[2]
                whole = (height, width) == size[:2] and numbers.stride()[2:] == (row, size[2])
                if whole and 0 <= numbers.storage_offset() - start < size[2]:
                    return view
        target = self.image(tuple(numbers.shape), reach)
        self.copy(view, target)
        return target

    def conv(self, step: GraphStep) -> _View:
        weight, bias = (self.graph.weights[name] for name in step.inputs[1:])
        view = self.source_image(step.inputs[0], self.reach(step))
        out = self.image(self.graph.shapes[step.output], self.borders.get(step.output, (0,) * 4))
        _, _, in_y, in_x = view.numbers.stride()
        _, _, out_y, out_x = out.numbers.stride()
        height, width = out.numbers.shape[2:]
        a = step.attributes
        (sy, sx), (dy, dx), (top, left) = a["strides"], a["dilations"], a["pads"][:2]
        start = view.offset - top * in_y - left * in_x
        for inputs, outputs, kernel in _dense(weight, a["groups"]):
            rows, columns, depth = kernel.shape[:3]
            sizes = [height, width, rows, columns, depth]
            if dx == 1 and in_x == depth:  # columns side by side
                sizes[3:] = [1, columns * depth]
            self.matrix(
                (view.place, start + inputs.start),
                kernel.reshape(-1, kernel.shape[-1]),
                bias[outputs.start : outputs.stop],
                (out.place, out.offset + outputs.start),
                step.activation,
                sizes,
                [sy * in_y, sx * in_x, dy * in_y, dx * in_x],
                [out_y, out_x],
            )
        return out

    def conv_transpose(self, step: GraphStep) -> _View:
        weight, bias = (self.graph.weights[name] for name in step.inputs[1:])
        a = step.attributes
        groups = a["groups"]
        inputs, outputs = weight.shape[0], weight.shape[1]
        turned = weight.reshape(groups, inputs // groups, outputs, *weight.shape[2:])
        turned = turned.transpose(0, 2, 1, 3, 4).reshape(
            groups * outputs, inputs // groups, *weight.shape[2:]
        )
        view = self.source_image(step.inputs[0], self.reach(step))
        out = self.image(self.graph.shapes[step.output], self.borders.get(step.output, (0,) * 4))
        _, _, in_y, in_x = view.numbers.stride()
        _, _, out_y, out_x = out.numbers.stride()
        rows, columns = (
            taps_of(
                weight.shape[2 + i],
                a["strides"][i],
                a["dilations"][i],
                a["pads"][i],
                out.numbers.shape[2 + i],
            )
            for i in range(2)
        )
        for part, produced, kernel in _dense(turned, groups):
            for y, down in enumerate(rows):
                for x, across in enumerate(columns):
                    taken = kernel[down.kernel][:, across.kernel]
                    sizes = [down.count, across.count, *taken.shape[:3]]
                    if across.step == 1 and in_x == taken.shape[2]:
                        sizes[3:] = [1, taken.shape[1] * taken.shape[2]]
                    start = view.offset + part.start
                    start += down.first * in_y + across.first * in_x
                    to = out.offset + produced.start
                    self.matrix(
                        (view.place, start),
                        taken.reshape(-1, taken.shape[-1]),
                        bias[produced.start : produced.stop],
                        (out.place, to + y * out_y + x * out_x),
                        step.activation,
                        sizes,
                        [in_y, in_x, down.step * in_y, across.step * in_x],
                        [a["strides"][0] * out_y, a["strides"][1] * out_x],
                    )
        return out

    def group_norm(self, step: GraphStep) -> _View:
        shape = self.graph.shapes[step.output]
        view = self.view(step.inputs[0])
        if shape[0] != 1 or len(shape) not in (3, 4) or shape[1] > _CHANNELS:
            raise GraphError(f"an array {shape}; expected an image")
        flat = view if len(shape) == 4 else view.with_numbers(view.numbers[:, :, None])
        image = tuple(flat.numbers.shape)
        if flat.numbers.stride(1) != 1:
            target = self.image(image)
            self.copy(flat, target)
            flat = target
        out = self.image(image, self.borders.get(step.output, (0, 0, 0, 0)))
        addresses = [(self.view(n).place, 0) for n in step.inputs[1:]]
        self.emit(
            "group_norm",
            step.activation,
            [flat.address, *addresses],
            out.address,
            [*image[2:], image[1], step.attributes["groups"]],
            flat.numbers.stride()[2:],
            [_bits(step.attributes["epsilon"])],
            out.numbers.stride()[2:],
        )
        return out if len(shape) == 4 else out.with_numbers(out.numbers[:, :, 0])

    def by_row(self, step: GraphStep, others: Sequence[str], extra: Sequence[int]) -> _View:
        view, rows, steps = self.rows_of(self.view(step.inputs[0]))
        shape = self.graph.shapes[step.output]
        out = self.contiguous(shape)
        constants = [(self.view(name).place, 0) for name in others]
        self.emit(
            step.op,
            step.activation,
            [view.address, *constants],
            (out.place, 0),
            [*rows, shape[-1]],
            steps,
            extra,
            [rows[1] * shape[-1], shape[-1]],
        )
        return out

    def layer_norm(self, step: GraphStep) -> _View:
        return self.by_row(step, step.inputs[1:], [_bits(step.attributes["epsilon"])])

    def softmax(self, step: GraphStep) -> _View:
        return self.by_row(step, (), ())

    def reduce(self, step: GraphStep) -> _View:
        view = self.view(step.inputs[0])
        out = self.contiguous(self.graph.shapes[step.output])
        axes = step.attributes["axes"]
        kept: list[tuple[int, int, int]] = []
        gone: list[tuple[int, int, int]] = []
        for i, size in enumerate(view.numbers.shape):
            if size > 1:
                stride = view.numbers.stride(i)
                group = gone if i in axes else kept
                group.append((size, stride, out.numbers.stride(i)))
        if len(kept) > 3 or len(gone) > 3:
            raise GraphError("more than three axes")
        kept = [(1, 0, 0)] * (3 - len(kept)) + kept
        gone = [(1, 0, 0)] * (3 - len(gone)) + gone
        kind = {"sum": 0, "mean": 1, "max": 2}[step.attributes["kind"]]
        self.emit(
            "reduce",
            None,
            [view.address],
            (out.place, 0),
            [axis[0] for axis in (*kept, *gone)],
            [axis[1] for axis in (*kept, *gone)],
            [kind],
            [axis[2] for axis in kept],
        )
        return out

    def resize(self, step: GraphStep) -> _View:
        shape = self.graph.shapes[step.output]
        view = self.source_image(step.inputs[0], (0, 0, 0, 0))
        out = self.image(shape, self.borders.get(step.output, (0, 0, 0, 0)))
        tables = [(self.view(n).place, 0) for n in step.inputs[1:]]
        self.emit(
            "resize",
            None,
            [view.address, *tables],
            out.address,
            [*shape[2:], _four(shape[1])],
            view.numbers.stride()[2:],
            (),
            out.numbers.stride()[2:],
        )
        return out


def _dense(weight: np.ndarray, groups: int) -> list[tuple[range, range, np.ndarray]]:
    """Layers `(O, C/groups, kh, kw)` without groups: inputs, outputs, kernel `(kh, kw, C, O)`.

    Outputs of narrow groups are computed together, with zeros where an input is none of theirs.
    """
    outputs, depth = weight.shape[:2]
    each = outputs // groups
    width = outputs if groups == 1 else each if each % 4 == 0 else 12
    found = []
    for first in range(0, outputs, width):
        last = min(first + width, outputs)
        one, other = first // each, (last - 1) // each + 1
        kernel = np.zeros((*weight.shape[2:], (other - one) * depth, last - first), np.float32)
        for o in range(first, last):
            start = (o // each - one) * depth
            kernel[:, :, start : start + depth, o - first] = weight[o].transpose(1, 2, 0)
        found.append((range(one * depth, other * depth), range(first, last), kernel))
    return found

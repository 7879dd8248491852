"""Steps of the kernel that move and combine numbers, and that go through rows of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .graph import Activation, GraphError, GraphStep
from .memory import Border, Memory, Place, View, four
from .operations import ACTIVATIONS

__all__ = ["WORDS", "Steps", "bits"]

WORDS = 32  # of a step
_KINDS = (
    "matrix group_norm layer_norm softmax reduce resize identity add subtract multiply divide "
    "maximum minimum prelu scale_shift"
).split()
_NOTHING = Activation("leaky_relu", 1.0)


def bits(value: float) -> int:
    """A float's bits as an integer, for the table of steps."""
    return int(struct.unpack("<i", struct.pack("<f", value))[0])


class Steps(Memory):
    """Steps for the operations of a graph, each a method of the operation's name."""

    borders: dict[str, Border]

    def emit(
        self,
        kind: str,
        activation: Activation | None,
        inputs: Sequence[tuple[Place, int] | None],
        out: tuple[Place, int],
        sizes: Sequence[int],
        in_steps: Sequence[int],
        other_steps: Sequence[int],
        out_steps: Sequence[int],
    ) -> None:
        found = activation or _NOTHING
        code = list(ACTIVATIONS).index(found.kind)
        places = [*inputs, None, None, None][:3]
        row: list[Any] = [_KINDS.index(kind), code, bits(found.a), bits(found.b)]
        row += [p or 0 for p in places]
        row.append(out)
        for numbers in (sizes, in_steps, other_steps, out_steps):
            row += [*numbers, *[0] * (6 - len(numbers))]
        if len(row) != WORDS or any(type(v) is int and abs(v) >= 2**31 for v in row):
            raise GraphError("sizes that the kernel cannot count")
        self.rows.append((row, {p[0] for p in places if p}, {out[0]}))

    def new(self, name: str, *like: View) -> View:
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

    def copy(self, source: View, target: View, activation: Activation | None = None) -> None:
        self.map("identity", activation, [source], target)

    def map(
        self, kind: str, activation: Activation | None, inputs: Sequence[View], out: View
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

    def elementwise(self, step: GraphStep) -> View:
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

    def reshape(self, step: GraphStep) -> View:
        view, shape = self.view(step.inputs[0]), step.attributes["shape"]
        try:
            return view.with_numbers(view.numbers.view(shape))
        except RuntimeError:
            target = self.contiguous(tuple(view.numbers.shape))
            self.copy(view, target)
            return target.with_numbers(target.numbers.view(shape))

    def transpose(self, step: GraphStep) -> View:
        view = self.view(step.inputs[0])
        return view.with_numbers(view.numbers.permute(step.attributes["axes"]))

    def expand(self, step: GraphStep) -> View:
        view = self.view(step.inputs[0])
        return view.with_numbers(view.numbers.expand(step.attributes["shape"]))

    def slice(self, step: GraphStep) -> View:
        view, a = self.view(step.inputs[0]), step.attributes
        count = (a["count"] - 1) * a["step"] + 1
        numbers = view.numbers.narrow(a["axis"], a["start"], count)
        every = (slice(None),) * a["axis"] + (slice(None, None, a["step"]),)
        return view.with_numbers(numbers[every])

    def concat(self, step: GraphStep) -> View:
        parts = [self.view(name) for name in step.inputs]
        out = self.new(step.output, *parts)
        axis, start = step.attributes["axis"], 0
        for part in parts:
            size = part.numbers.shape[axis]
            self.copy(part, out.with_numbers(out.numbers.narrow(axis, start, size)))
            start += size
        return out

    def pad(self, step: GraphStep) -> View:
        view = self.view(step.inputs[0])
        out = self.new(step.output, view)
        fill = View(
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

    def rows_of(self, view: View) -> tuple[View, list[int], list[int]]:
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

    def source_image(self, name: str, reach: Border) -> View:
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

    def by_row(self, step: GraphStep, others: Sequence[str], extra: Sequence[int]) -> View:
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

    def layer_norm(self, step: GraphStep) -> View:
        return self.by_row(step, step.inputs[1:], [bits(step.attributes["epsilon"])])

    def softmax(self, step: GraphStep) -> View:
        return self.by_row(step, (), ())

    def reduce(self, step: GraphStep) -> View:
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

    def resize(self, step: GraphStep) -> View:
        shape = self.graph.shapes[step.output]
        view = self.source_image(step.inputs[0], (0, 0, 0, 0))
        out = self.image(shape, self.borders.get(step.output, (0, 0, 0, 0)))
        tables = [(self.view(n).place, 0) for n in step.inputs[1:]]
        self.emit(
            "resize",
            None,
            [view.address, *tables],
            out.address,
            [*shape[2:], four(shape[1])],
            view.numbers.stride()[2:],
            (),
            out.numbers.stride()[2:],
        )
        return out

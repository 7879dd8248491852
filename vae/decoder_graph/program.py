"""Lays a graph out for the browser's kernel: weights, places in memory, a table of steps.

`pages/ui/decoder/kernel.c` says what a step's numbers mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .graph import Activation, DecoderGraph, GraphError, GraphStep
from .memory import SLACK, Border, Place, View, four
from .steps import WORDS, Steps, bits
from .transposed import taps_of

__all__ = ["Program", "lower"]

_CHANNELS = 8192  # of a normalised image, as in the kernel


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
    try:
        return _Layout(graph).program()
    except (RuntimeError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"The network cannot be laid out: {error}") from error


def _runs(vectors: int, wide: bool) -> list[tuple[int, int]]:
    """Vectors of a block and number of blocks that the kernel computes `vectors` in."""
    if not wide and vectors >= 8:
        return [(8, vectors // 8), *_runs(vectors % 8, wide)]
    return [(q, blocks) for q, blocks in ((2, vectors // 2), (1, vectors % 2)) if blocks]


class _Layout(Steps):
    def __init__(self, graph: DecoderGraph) -> None:
        super().__init__(graph)
        self.zeros = 0
        self.borders = self.wanted_borders()

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
        ).reshape(-1, WORDS)
        numbers = last.numbers
        output = {
            "at": last.place.at,
            "count": four(last.place.size - SLACK),
            "pixel": numbers.stride(3) if numbers.dim() == 4 else 1,
            "channel": numbers.stride(1),
        }
        halves, floats = (
            np.concatenate([np.zeros(0, kind), *arrays]).astype(kind)
            for kind, arrays in ((np.float16, self.halves), (np.float32, self.floats))
        )
        return Program(table.astype(np.int32), halves, floats, self.memory, self.code.at, output)

    def final(self) -> View:
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

    def lower(self, step: GraphStep) -> None:
        method = getattr(self, step.op, self.elementwise)
        self.views[step.output] = method(step)

    def zero_bias(self, size: int) -> tuple[Place, int]:
        if size > self.zeros:
            self.zeros = four(size)
            self.zero_place = self.constant(np.zeros(self.zeros, np.float32))
        return (self.zero_place, 0)

    def matrix(
        self,
        source: tuple[Place, int],
        weight: np.ndarray,
        bias: np.ndarray,
        out: tuple[Place, int],
        activation: Activation | None,
        sizes: Sequence[int],
        in_steps: Sequence[int],
        out_steps: Sequence[int],
    ) -> None:
        """Steps of a matrix `(K, outputs)`; sizes are y, x, i, j, k and in_steps y, x, i, j."""
        depth, outputs = weight.shape
        vectors = four(outputs) // 4
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

    def linear(self, step: GraphStep) -> View:
        weight, bias = (self.graph.weights.get(name) for name in step.inputs[1:])
        if weight is None or bias is None:
            raise GraphError("weights that depend on the code")
        view, rows, steps = self.rows_of(self.view(step.inputs[0]))
        shape = self.graph.shapes[step.output]
        out = self.contiguous(shape, four(shape[-1]))
        row = four(shape[-1])
        out_steps = [rows[1] * row, row]
        source = view.address
        sizes = [*rows, 1, 1, weight.shape[0]]
        self.matrix(
            source, weight, bias, (out.place, 0), step.activation, sizes, [*steps, 0, 0], out_steps
        )
        return out

    def product(self, step: GraphStep) -> View:
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
        row = four(columns)
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

    def conv(self, step: GraphStep) -> View:
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

    def conv_transpose(self, step: GraphStep) -> View:
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

    def group_norm(self, step: GraphStep) -> View:
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
            [bits(step.attributes["epsilon"])],
            out.numbers.stride()[2:],
        )
        return out if len(shape) == 4 else out.with_numbers(out.numbers[:, :, 0])


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

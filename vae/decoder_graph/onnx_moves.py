"""Operators of ONNX that move numbers, and what readers of operators have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .graph import GraphBuilder, GraphError
from .resizing import table

__all__ = ["Moves"]


class Moves:
    """Reads operators that move numbers, each by a method of its name.

    Args:
        builder: what collects the steps.
        constants: arrays of any shape `(…)` by their names in the file.
        names: names in the builder of the file's values.
        opset: version of the operators.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        constants: dict[str, np.ndarray],
        names: dict[str, str],
        opset: int,
    ) -> None:
        self.builder, self.constants, self.names, self.opset = builder, constants, names, opset
        self.kept: dict[str, str] = {}  # the file's constants in the builder

    def value(self, name: str) -> str:
        if name in self.names:
            return self.names[name]
        if name not in self.kept:
            array = self.constants[name]
            if array.dtype.kind not in "fiub":
                raise GraphError(f"an array of {array.dtype}")
            self.kept[name] = self.builder.weight(array.astype(np.float32))
        return self.kept[name]

    def constant(self, inputs: Sequence[str], position: int, default: Any = None) -> Any:
        """A constant input, None or `default` where it is left out."""
        if position >= len(inputs) or not inputs[position]:
            return default
        if inputs[position] not in self.constants:
            raise GraphError(f"input {position + 1} depends on the code; expected a constant")
        return self.constants[inputs[position]]

    def integers(self, inputs: Sequence[str], position: int, default: Any = None) -> Any:
        array = self.constant(inputs, position)
        return default if array is None else [int(v) for v in np.ravel(array)]

    def keep(self, array: np.ndarray) -> str:
        return self.builder.weight(np.asarray(array, np.float32))

    def _concat(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        parts = [self.value(name) for name in inputs]
        return self.builder.add(
            "concat", *parts, axis=a["axis"] % len(self.builder.shape(parts[0]))
        )

    def _reshape(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        old, new = self.builder.shape(x), self.integers(inputs, 1)
        if not a.get("allowzero"):
            new = [old[i] if size == 0 else size for i, size in enumerate(new)]
        if -1 in new:
            known = math.prod(size for size in new if size != -1)
            new = [math.prod(old) // known if size == -1 else size for size in new]
        return self.builder.add("reshape", x, shape=tuple(new))

    def _flatten(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape, axis = self.builder.shape(x), a.get("axis", 1)
        axis = axis + len(shape) if axis < 0 else axis
        sizes = (math.prod(shape[:axis]), math.prod(shape[axis:]))
        return self.builder.add("reshape", x, shape=sizes)

    def _squeeze(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape = self.builder.shape(x)
        axes = self.integers(inputs, 1, a.get("axes"))
        if axes is None:
            axes = [i for i, size in enumerate(shape) if size == 1]
        axes = [axis % len(shape) for axis in axes]
        left = tuple(size for i, size in enumerate(shape) if i not in axes)
        return self.builder.add("reshape", x, shape=left)

    def _unsqueeze(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape = list(self.builder.shape(x))
        axes = self.integers(inputs, 1, a.get("axes"))
        rank = len(shape) + len(axes)
        for axis in sorted(axis % rank for axis in axes):
            shape.insert(axis, 1)
        return self.builder.add("reshape", x, shape=tuple(shape))

    def _transpose(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        rank = len(self.builder.shape(x))
        return self.builder.add("transpose", x, axes=tuple(a.get("perm", range(rank)[::-1])))

    def _expand(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape = np.broadcast_shapes(self.builder.shape(x), tuple(self.integers(inputs, 1)))
        return self.builder.add("expand", x, shape=tuple(int(size) for size in shape))

    def _slice(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        starts = self.integers(inputs, 1, a.get("starts"))
        ends = self.integers(inputs, 2, a.get("ends"))
        axes = self.integers(inputs, 3, a.get("axes", range(len(starts))))
        steps = self.integers(inputs, 4, [1] * len(starts))
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            if step < 1:
                raise GraphError("a step backwards")
            axis %= len(self.builder.shape(x))
            numbers = range(self.builder.shape(x)[axis])[start:end:step]
            x = self.narrow(x, axis, numbers.start, len(numbers), step)
        return x

    def narrow(self, x: str, axis: int, start: int, count: int, step: int = 1) -> str:
        return self.builder.add("slice", x, axis=axis, start=start, count=count, step=step)

    def _split(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> list[str]:
        x = self.value(inputs[0])
        shape = self.builder.shape(x)
        axis = a.get("axis", 0) % len(shape)
        parts = len(node.output)
        most = -(-shape[axis] // parts)
        even = [min(most, shape[axis] - i * most) for i in range(parts)]
        sizes = self.integers(inputs, 1, a.get("split", even))
        starts = np.cumsum([0, *sizes[:-1]]).tolist()
        return [
            self.narrow(x, axis, start, size) for start, size in zip(starts, sizes, strict=True)
        ]

    def _gather(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape = self.builder.shape(x)
        axis = a.get("axis", 0) % len(shape)
        indices = self.constant(inputs, 1)
        if indices.size != 1:
            raise GraphError("several indices")
        found = self.narrow(x, axis, int(indices.flat[0]) % shape[axis], 1)
        sizes = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
        return self.builder.add("reshape", found, shape=sizes)

    def _depthtospace(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x, size = self.value(inputs[0]), a["blocksize"]
        _, c, h, w = self.builder.shape(x)
        left = c // size**2
        if a.get("mode", b"DCR") == b"DCR":
            sizes, axes = (1, size, size, left, h, w), (0, 3, 4, 1, 5, 2)
        else:
            sizes, axes = (1, left, size, size, h, w), (0, 1, 4, 2, 5, 3)
        found = self.builder.add("reshape", x, shape=sizes)
        found = self.builder.add("transpose", found, axes=axes)
        return self.builder.add("reshape", found, shape=(1, left, h * size, w * size))

    def _spacetodepth(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x, size = self.value(inputs[0]), a["blocksize"]
        _, c, h, w = self.builder.shape(x)
        found = self.builder.add("reshape", x, shape=(1, c, h // size, size, w // size, size))
        found = self.builder.add("transpose", found, axes=(0, 3, 5, 1, 2, 4))
        shape = (1, c * size**2, h // size, w // size)
        return self.builder.add("reshape", found, shape=shape)

    def _pad(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        rank = len(self.builder.shape(x))
        mode = a.get("mode", b"constant").decode()
        if mode != "constant":
            raise GraphError(f"padding by {mode}")
        amounts = self.integers(inputs, 1, a.get("pads"))
        value = float(np.ravel(self.constant(inputs, 2, a.get("value", 0.0)))[0])
        axes = self.integers(inputs, 3, range(rank))
        pads = [[0, 0] for _ in range(rank)]
        for i, axis in enumerate(axes):
            pads[axis % rank] = [amounts[i], amounts[i + len(axes)]]
        flat = tuple(amount for pair in pads[::-1] for amount in pair)
        return self.builder.add("pad", x, pads=flat, value=value)

    def _resize(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape = self.builder.shape(x)
        if self.opset < 11:
            scales, sizes = self.constant(inputs, 1), None
            a = {"coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"} | a
        else:
            scales, sizes = self.constant(inputs, 2), self.integers(inputs, 3)
        axes = [axis % len(shape) for axis in a.get("axes", range(len(shape)))]
        if sizes is None or not sizes:
            scales = [float(v) for v in scales]
            sizes = [int(shape[axis] * v) for axis, v in zip(axes, scales, strict=True)]
        else:
            if a.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
                raise GraphError("a policy that keeps the ratio of the sides")
            scales = [size / shape[axis] for axis, size in zip(axes, sizes, strict=True)]
        wanted = {axis: (size, s) for axis, size, s in zip(axes, sizes, scales, strict=True)}
        if len(shape) != 4 or any(wanted.get(i, (shape[i],))[0] != shape[i] for i in (0, 1)):
            raise GraphError("other axes than height and width")
        tables = [table(shape[axis], *wanted.get(axis, (shape[axis], 1.0)), a) for axis in (2, 3)]
        return self.builder.add("resize", x, *map(self.keep, tables))

    def _upsample(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        if "scales" in a:
            self.constants["scales of Upsample"] = np.array(a["scales"], np.float32)
            inputs = [inputs[0], "scales of Upsample"]
        return self._resize(inputs, a, node)

"""The shapes of what steps give: torch would have to import much to say it of arrays unmade."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["shape_of"]

Shape = tuple[int, ...]

_BROADCAST = "add subtract multiply divide maximum minimum prelu scale_shift".split()


def _expect(condition: bool, expected: str) -> None:
    if not condition:
        raise ValueError(f"expected {expected}")


def _linear(x: Shape, weight: Shape, bias: Shape) -> Shape:
    _expect(len(weight) == 2 and x[-1:] == weight[:1], "as many inputs as the weights have rows")
    _expect(bias == weight[1:], "a bias for each output")
    return (*x[:-1], weight[1])


def _product(x: Shape, y: Shape) -> Shape:
    _expect(len(x) > 1 and len(y) > 1 and x[-1] == y[-2], "matrices that fit each other")
    return (*np.broadcast_shapes(x[:-2], y[:-2]), x[-2], y[-1])


def _conv(a: Mapping[str, Any], x: Shape, weight: Shape, bias: Shape) -> Shape:
    groups = a["groups"]
    _expect(len(x) == len(weight) == 4, "an image and a kernel of two dimensions")
    _expect(groups > 0 and weight[0] % groups == 0, "outputs that the groups divide")
    _expect(x[1] == weight[1] * groups, f"{weight[1] * groups} channels")
    _expect(bias == weight[:1], "a bias for each output")
    sides = []
    for i in range(2):
        stride, dilation = a["strides"][i], a["dilations"][i]
        _expect(stride > 0 and dilation > 0 and weight[2 + i] > 0, "strides and dilations above 0")
        padded = x[2 + i] + a["pads"][i] + a["pads"][i + 2]
        sides.append((padded - dilation * (weight[2 + i] - 1) - 1) // stride + 1)
    return (x[0], weight[0], *sides)


def _conv_transpose(a: Mapping[str, Any], x: Shape, weight: Shape, bias: Shape) -> Shape:
    groups = a["groups"]
    _expect(len(x) == len(weight) == 4, "an image and a kernel of two dimensions")
    _expect(groups > 0 and weight[0] % groups == 0, "inputs that the groups divide")
    _expect(x[1] == weight[0], f"{weight[0]} channels")
    _expect(bias == (weight[1] * groups,), "a bias for each output")
    sides = []
    for i in range(2):
        stride, dilation = a["strides"][i], a["dilations"][i]
        _expect(stride > 0 and dilation > 0 and weight[2 + i] > 0, "strides and dilations above 0")
        whole = (x[2 + i] - 1) * stride + dilation * (weight[2 + i] - 1) + 1
        sides.append(whole - a["pads"][i] - a["pads"][i + 2])
    return (x[0], weight[1] * groups, *sides)


def _moved(op: str, x: Shape, a: Mapping[str, Any]) -> Shape:
    if op == "reshape":
        wanted = tuple(a["shape"])
        _expect(math.prod(wanted) == math.prod(x), f"{math.prod(x)} numbers")
        return wanted
    if op == "transpose":
        _expect(sorted(a["axes"]) == list(range(len(x))), "each axis once")
        return tuple(x[axis] for axis in a["axes"])
    if op == "expand":
        wanted = tuple(a["shape"])
        _expect(np.broadcast_shapes(x, wanted) == wanted, "a shape that it can be repeated to")
        return wanted
    if op == "slice":
        start, step, count = a["start"], a["step"], a["count"]
        inside = start >= 0 and step > 0 and count > 0
        _expect(inside and start + (count - 1) * step < x[a["axis"]], "numbers that are there")
        return (*x[: a["axis"]], count, *x[a["axis"] + 1 :])
    if op == "pad":
        pads = a["pads"]
        _expect(len(pads) == 2 * len(x), "two numbers for each axis")
        return tuple(
            size + pads[2 * i] + pads[2 * i + 1]
            for i, size in zip(range(len(x) - 1, -1, -1), x, strict=True)
        )
    axes = a["axes"]  # of reduce
    _expect(all(0 <= axis < len(x) for axis in axes), "axes that are there")
    return tuple(1 if i in axes else size for i, size in enumerate(x))


def shape_of(op: str, shapes: Sequence[Shape], attributes: Mapping[str, Any]) -> Shape:
    """The shape of a step's output.

    Args:
        op: name of the operation.
        shapes: shapes of its inputs.
        attributes: what else it needs.

    Raises:
        ValueError: if the inputs do not fit.
    """
    x = shapes[0]
    if op in _BROADCAST:
        found = tuple(np.broadcast_shapes(*shapes))
    elif op in ("identity", "softmax"):
        found = x
    elif op == "linear":
        found = _linear(*shapes)
    elif op == "product":
        found = _product(*shapes)
    elif op == "conv":
        found = _conv(attributes, *shapes)
    elif op == "conv_transpose":
        found = _conv_transpose(attributes, *shapes)
    elif op == "group_norm":
        _expect(len(x) > 1 and shapes[1] == shapes[2] == x[1:2], "a scale for each channel")
        groups = attributes["groups"]
        _expect(groups > 0 and x[1] % groups == 0, "channels that the groups divide")
        found = x
    elif op == "layer_norm":
        _expect(shapes[1] == shapes[2] == x[-1:], "a scale for each number of a row")
        found = x
    elif op == "concat":
        axis = attributes["axis"]
        others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
        _expect(len(others) == 1 and all(len(s) > axis for s in shapes), "parts that fit")
        found = (*x[:axis], sum(shape[axis] for shape in shapes), *x[axis + 1 :])
    elif op == "resize":
        _expect(len(x) == 4, "an image")
        found = (*x[:2], shapes[1][1], shapes[2][1])
    else:
        found = _moved(op, x, attributes)
    _expect(all(size > 0 for size in found), "an output that is not empty")
    return tuple(int(size) for size in found)

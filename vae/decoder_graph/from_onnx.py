"""Reads a decoder's ONNX graph as steps of a `DecoderGraph`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .graph import Activation, DecoderGraph, GraphBuilder, GraphError
from .onnx_layers import Layers
from .simplify import simplified

if TYPE_CHECKING:
    import onnx

__all__ = ["OutputRule", "graph_of_onnx"]

_MOST_NUMBERS = 100_000_000  # that are computed ahead; more are refused
_GROW = ("ConstantOfShape", "Expand", "Tile", "Pad", "Resize", "OneHot", "EyeLike")
_BROADCAST = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where", "Equal", "Less", "Greater")
_UNREADABLE = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RuntimeError)
_ALIKE = (
    "Identity Cast Reshape Transpose Squeeze Unsqueeze Flatten Concat Slice Split Shape Constant "
    "Neg Sqrt Reciprocal Exp Abs Floor Ceil Not"
).split()


@dataclass(frozen=True)
class OutputRule:
    """What the outputs of a decoder mean, and how they become pixels in [0, 1].

    Args:
        image_shape: (C, H, W) of the image.
        output: one of `probabilities`, `logits` and `mean`: what the first output holds.
        pixel_range: values of `mean` that are black and white.
        layout: order of the axes of an output: `"CHW"`, `"HWC"` or `"flat"`.
        spread: `"log_variance"` or `"deviation"` where a Gaussian's standard deviation follows
            the mean, as a second output or as more channels; None without one.
        sigma_floor: smallest standard deviation, for pixels in [0, 1].
    """

    image_shape: tuple[int, int, int]
    output: str = "mean"
    pixel_range: tuple[float, float] = (0.0, 1.0)
    layout: str = "CHW"
    spread: str | None = None
    sigma_floor: float = 0.0


def graph_of_onnx(
    model: onnx.ModelProto,
    latent_shape: tuple[int, ...] | None = None,
    rule: OutputRule | None = None,
) -> DecoderGraph:
    """Translates a decoder in ONNX, for a batch of one code.

    What depends on constants alone is computed, batch normalisation is folded into the layer
    before it, and the parts of group normalisation, SiLU and GELU are recognised.

    Args:
        model: checked model with one input.
        latent_shape: shape of a code without the batch; None takes it from the input.
        rule: what the outputs mean; the graph then ends in an image `(1, C, H, W)` in [0, 1],
            followed in the channels by its standard deviation if there is one. Without a rule it
            ends in the first output.

    Raises:
        GraphError: if the browser's kernel cannot run it; the message names the operator and the
            number of its node.
    """
    reader = _Reader(model, latent_shape)
    outputs = reader.read()
    builder = reader.builder
    if rule is None:
        return simplified(builder.graph(outputs[0]))
    try:
        return simplified(builder.graph(_image(builder, outputs, rule)))
    except GraphError as error:
        raise GraphError(f"The decoder's output is not as it was named: {error}") from error


def _image(builder: GraphBuilder, outputs: list[str], rule: OutputRule) -> str:
    """Adds the steps from a decoder's outputs to pixels."""
    c, h, w = rule.image_shape
    low, high = rule.pixel_range

    def apply(value: str, kind: str, a: float = 0.0, b: float = 0.0) -> str:
        return builder.add("identity", value, activation=Activation(kind, a, b))

    first, *others = outputs
    shape = builder.shape(first)
    if rule.spread and math.prod(shape) == 2 * c * h * w:
        axis = len(shape) - 1 if rule.layout == "HWC" else 1
        half = shape[axis] // 2
        first, second = (
            builder.add("slice", first, axis=axis, start=start, count=half, step=1)
            for start in (0, half)
        )
        others = [second]
    sizes = (1, h, w, c) if rule.layout == "HWC" else (1, c, h, w)
    planes = [
        builder.add("reshape", value, shape=sizes)
        for value in (first, *(others[:1] if rule.spread else []))
    ]
    if rule.layout == "HWC":
        planes = [builder.add("transpose", value, axes=(0, 3, 1, 2)) for value in planes]
    if rule.output == "logits":
        mean = apply(planes[0], "sigmoid")
    elif rule.output == "mean":
        mean = apply(planes[0], "affine", 1 / (high - low), -low / (high - low))
    else:
        mean = planes[0]
    if not rule.spread:
        return mean
    if len(planes) < 2:
        raise GraphError("one output; expected a mean and what its deviation follows from")
    deviation = planes[1]
    if rule.spread == "log_variance":
        deviation = apply(deviation, "clip", -20.0, 20.0)
        deviation = apply(apply(deviation, "affine", 0.5, 0.0), "exp")
    deviation = apply(deviation, "affine", 1 / (high - low), 0.0)
    deviation = apply(deviation, "clip", rule.sigma_floor, 1e30)
    return builder.add("concat", mean, deviation, axis=1)


class _Reader(Layers):
    def __init__(self, model: onnx.ModelProto, latent_shape: tuple[int, ...] | None) -> None:
        import onnx
        from onnx import inliner, numpy_helper

        if model.functions:
            model = inliner.inline_local_functions(model)
        self.graph = model.graph
        self.opsets = {o.domain: o.version for o in model.opset_import}
        self.attribute = onnx.helper.get_attribute_value
        constants = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        inputs = [i for i in self.graph.input if i.name not in constants]
        if len(inputs) != 1:
            raise GraphError(f"{len(inputs)} inputs; expected one")
        builder = GraphBuilder(latent_shape or _shape_of_input(inputs[0]))
        names = {inputs[0].name: "code"}
        super().__init__(builder, constants, names, self.opsets.get("", 1))
        self.folded = 0.0  # numbers that were computed ahead

    def read(self) -> list[str]:
        for number, node in enumerate(self.graph.node):
            try:
                self.node(node)
            except GraphError as error:
                raise GraphError(f"{node.op_type} in node {number}: {error}") from error
            except _UNREADABLE as error:
                raise GraphError(
                    f"{node.op_type} in node {number} cannot be read: {error}"
                ) from error
        outputs = [output.name for output in self.graph.output]
        if outputs[0] not in self.names:
            raise GraphError("The output does not depend on the code")
        return [self.names[name] for name in outputs if name in self.names]

    def node(self, node: onnx.NodeProto) -> None:
        attributes = {a.name: self.attribute(a) for a in node.attribute}
        if node.domain not in ("", "ai.onnx"):
            raise GraphError(f"an operator of {node.domain}, which the browser does not run")
        if node.op_type in ("Shape", "Size") and node.input[0] in self.names:
            shape = self.builder.shape(self.names[node.input[0]])
            sizes = np.array(shape[attributes.get("start", 0) : attributes.get("end")], np.int64)
            size = np.array(math.prod(shape), np.int64)
            self.constants[node.output[0]] = size if node.op_type == "Size" else sizes
            return
        if all(name in self.constants for name in node.input if name):
            self.fold(node)
            return
        read = getattr(self, f"_{node.op_type.lower()}", None)
        if self.known(node.op_type):
            results: str | list[str] = self.by_table(node, attributes)
        elif read is None:
            raise GraphError("an operator that the browser does not run")
        else:
            results = read(node.input, attributes, node)
        found_all = [results] if isinstance(results, str) else results
        for name, found in zip(node.output, found_all, strict=False):  # others are for training
            self.names[name] = found

    def fold(self, node: onnx.NodeProto) -> None:
        """Computes what depends on constants alone."""
        from onnx.reference import ReferenceEvaluator

        arrays = {name: self.constants[name] for name in node.input if name}
        if any(a.type in (5, 10) for a in node.attribute):
            raise GraphError("an operator with a graph inside, which the browser does not run")
        self.folded += _most_numbers(node.op_type, list(arrays.values()))
        if self.folded > _MOST_NUMBERS:
            raise GraphError("a constant that is too large")
        try:
            found = ReferenceEvaluator(node, opsets=self.opsets).run(None, arrays)
        except Exception as error:  # whatever a file of strangers brings the evaluator to
            raise GraphError(f"constants that do not fit: {error}") from error
        for name, array in zip(node.output, found, strict=False):
            self.constants[name] = np.asarray(array)


def _most_numbers(op: str, arrays: list[np.ndarray]) -> float:
    """A bound of the numbers that an operator makes of constants."""
    sizes = [float(array.size) for array in arrays]
    if op in _ALIKE:
        return sum(sizes)
    if op in _BROADCAST:
        return float(math.prod(np.broadcast_shapes(*(array.shape for array in arrays))))
    if op == "Range":
        start, limit, step = (float(array.flat[0]) for array in arrays)
        return abs((limit - start) / step)
    if op in _GROW:
        few = [array for array in arrays if array.size < 16 and array.dtype.kind in "iuf"]
        counts = [max(1.0, abs(float(v))) for array in few for v in array.flat]
        return math.prod(counts) * max(sizes, default=1.0)
    return math.prod(max(1.0, size) for size in sizes)


def _shape_of_input(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    shape = value.type.tensor_type.shape.dim
    if len(shape) < 2:
        raise GraphError(f"an input with {len(shape)} dimensions; expected a batch of codes")
    if shape[0].dim_value > 1:
        raise GraphError(f"an input for {shape[0].dim_value} codes at once; expected any number")
    sizes = tuple(dim.dim_value for dim in shape[1:])
    if not all(sizes):
        raise GraphError("an input whose latent shape is not given")
    return sizes

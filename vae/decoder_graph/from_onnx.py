"""Reads a decoder's ONNX graph as steps of a `DecoderGraph`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Activation, DecoderGraph, GraphBuilder, GraphError
from .resizing import table
from .simplify import simplified

if TYPE_CHECKING:
    import onnx

__all__ = ["OutputRule", "graph_of_onnx"]

_MOST_NUMBERS = 64_000_000  # of an array that is computed ahead; larger ones are refused
_GROW = ("ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize", "OneHot", "EyeLike")

_ACTIVATIONS: dict[str, Callable[[dict[str, Any]], Activation]] = {
    "Relu": lambda a: Activation("leaky_relu", 0.0),
    "LeakyRelu": lambda a: Activation("leaky_relu", a.get("alpha", 0.01)),
    "Elu": lambda a: Activation("elu", a.get("alpha", 1.0)),
    "Gelu": lambda a: Activation("gelu_tanh" if a.get("approximate") == b"tanh" else "gelu"),
    "Sigmoid": lambda a: Activation("sigmoid"),
    "HardSigmoid": lambda a: Activation("hard_sigmoid", a.get("alpha", 0.2), a.get("beta", 0.5)),
    "Tanh": lambda a: Activation("tanh"),
    "Softplus": lambda a: Activation("softplus"),
    "Exp": lambda a: Activation("exp"),
    "Sqrt": lambda a: Activation("sqrt"),
    "Erf": lambda a: Activation("erf"),
    "Abs": lambda a: Activation("abs"),
    "Neg": lambda a: Activation("affine", -1.0, 0.0),
    "Reciprocal": lambda a: Activation("reciprocal"),
}
_BINARY = {
    "Add": "add",
    "Sum": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Max": "maximum",
    "Min": "minimum",
}
_REDUCTIONS = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "max",
    "GlobalAveragePool": "mean",
    "GlobalMaxPool": "max",
}


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


class _Reader:
    def __init__(self, model: onnx.ModelProto, latent_shape: tuple[int, ...] | None) -> None:
        import onnx
        from onnx import inliner, numpy_helper

        if model.functions:
            model = inliner.inline_local_functions(model)
        self.graph = model.graph
        self.opsets = {o.domain: o.version for o in model.opset_import}
        self.opset = self.opsets.get("", 1)
        self.constants: dict[str, np.ndarray] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer
        }
        inputs = [i for i in self.graph.input if i.name not in self.constants]
        if len(inputs) != 1:
            raise GraphError(f"{len(inputs)} inputs; expected one")
        if latent_shape is None:
            latent_shape = _shape_of_input(inputs[0])
        self.builder = GraphBuilder(latent_shape)
        self.names = {inputs[0].name: "code"}  # of ONNX's values in the builder
        self.kept: dict[str, str] = {}  # ONNX's constants in the builder
        self.attribute = onnx.helper.get_attribute_value

    def read(self) -> list[str]:
        for number, node in enumerate(self.graph.node):
            try:
                self.node(node)
            except GraphError as error:
                raise GraphError(f"{node.op_type} in node {number}: {error}") from error
            except (ValueError, IndexError, KeyError, TypeError, ArithmeticError) as error:
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
        if node.op_type in _ACTIVATIONS:
            activation = _ACTIVATIONS[node.op_type](attributes)
            results: str | list[str] = self.builder.add(
                "identity", self.value(node.input[0]), activation=activation
            )
        elif node.op_type in _BINARY:
            results = self.binary(_BINARY[node.op_type], node.input)
        elif node.op_type in _REDUCTIONS:
            results = self.reduce(node, attributes)
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
        if node.op_type in _GROW:
            shape = [abs(float(v)) for a in arrays.values() if a.size < 16 for v in a.flat]
            size = max((math.prod(a.shape) for a in arrays.values()), default=1)
            if math.prod(max(v, 1.0) for v in shape) * size > _MOST_NUMBERS:
                raise GraphError("a constant that is too large")
        if any(a.type in (5, 10) for a in node.attribute):
            raise GraphError("an operator with a graph inside, which the browser does not run")
        found = ReferenceEvaluator(node, opsets=self.opsets).run(None, arrays)
        for name, array in zip(node.output, found, strict=True):
            self.constants[name] = np.asarray(array)

    # What nodes take: values or weights of the builder, or constants.

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

    # Operators

    def binary(self, op: str, inputs: Sequence[str]) -> str:
        result = self.value(inputs[0])
        for name in inputs[1:]:
            other = self.value(name)
            scalar = self.constants.get(name)
            shape = self.builder.shape(result)
            if scalar is not None and scalar.size == 1 and scalar.ndim <= len(shape):
                factors = _affine(op, float(scalar.flat[0]))
                if factors is not None:
                    result = self.builder.add(
                        "identity", result, activation=Activation("affine", *factors)
                    )
                    continue
            result = self.builder.add(op, result, other)
        if len(inputs) == 1:
            result = self.builder.add("identity", result)
        return result

    def _identity(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        return self.value(inputs[0])

    _dropout = _identity

    def _cast(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        if a["to"] not in (1, 10, 11, 16):  # float, float16, double, bfloat16
            raise GraphError("numbers that are no longer floating-point")
        return self.value(inputs[0])

    def _pow(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        exponent = self.constant(inputs, 1)
        kinds = {2.0: "square", 0.5: "sqrt", -1.0: "reciprocal"}
        if exponent.size != 1 or float(exponent.flat[0]) not in kinds:
            raise GraphError("a power other than 2, ½ and −1")
        kind = kinds[float(exponent.flat[0])]
        return self.builder.add("identity", self.value(inputs[0]), activation=Activation(kind))

    def _clip(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        low = self.constant(inputs, 1, a.get("min", -math.inf))
        high = self.constant(inputs, 2, a.get("max", math.inf))
        bounds = [max(-3e38, min(3e38, float(v))) for v in (low, high)]
        activation = Activation("clip", *bounds)
        return self.builder.add("identity", self.value(inputs[0]), activation=activation)

    def _prelu(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        slope = self.constant(inputs, 1)
        if slope.size == 1:
            activation = Activation("leaky_relu", float(slope.flat[0]))
            return self.builder.add("identity", self.value(inputs[0]), activation=activation)
        return self.builder.add("prelu", self.value(inputs[0]), self.value(inputs[1]))

    def _selu(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        alpha, gamma = a.get("alpha", 1.6732632), a.get("gamma", 1.0507010)
        elu = Activation("elu", alpha)
        part = self.builder.add("identity", self.value(inputs[0]), activation=elu)
        return self.builder.add("identity", part, activation=Activation("affine", gamma, 0.0))

    def gated(self, x: str, kind: str, a: float = 0.0, b: float = 0.0) -> str:
        gate = self.builder.add("identity", x, activation=Activation(kind, a, b))
        return self.builder.add("multiply", x, gate)

    def _hardswish(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        return self.gated(self.value(inputs[0]), "hard_sigmoid", 1 / 6, 0.5)

    def _swish(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        if a.get("alpha", 1.0) != 1.0:
            raise GraphError(f"an alpha of {a['alpha']}")
        return self.gated(self.value(inputs[0]), "sigmoid")

    def _mish(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        part = self.builder.add("identity", x, activation=Activation("softplus"))
        part = self.builder.add("identity", part, activation=Activation("tanh"))
        return self.builder.add("multiply", x, part)

    def _gemm(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        if a.get("transA"):
            x = self.builder.add("transpose", x, axes=(1, 0))
        weight = self.constant(inputs, 1).astype(np.float32) * a.get("alpha", 1.0)
        weight = weight.T if a.get("transB") else weight
        bias = self.constant(inputs, 2, np.zeros(1)).astype(np.float32) * a.get("beta", 1.0)
        if bias.size not in (1, weight.shape[1]):
            raise GraphError("a bias that differs between rows")
        bias = np.broadcast_to(bias.ravel(), weight.shape[1:])
        return self.builder.add("linear", x, self.keep(weight), self.keep(bias))

    def _matmul(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        weight = self.constants.get(inputs[1])
        if weight is not None and weight.ndim == 2:
            bias = np.zeros(weight.shape[1])
            return self.builder.add(
                "linear", self.value(inputs[0]), self.value(inputs[1]), self.keep(bias)
            )
        return self.builder.add("product", *map(self.value, inputs))

    def layer(self, op: str, inputs: Sequence[str], a: dict[str, Any]) -> str:
        x = self.value(inputs[0])
        weight = self.constant(inputs, 1)
        groups = a.get("group", 1)
        flat = weight.ndim == 3  # one dimension, as an image of one row
        if flat:
            weight = weight[:, :, None]
            shape = self.builder.shape(x)
            x = self.builder.add("reshape", x, shape=(*shape[:2], 1, *shape[2:]))
        if weight.ndim != 4:
            raise GraphError(f"{weight.ndim - 2} dimensions; expected 1 or 2")
        width = weight.shape[0] if op == "conv" else weight.shape[1] * groups
        bias = np.broadcast_to(self.constant(inputs, 2, np.zeros(1)), (width,))
        kernel, size = weight.shape[2:], self.builder.shape(x)[2:]
        strides = _two(a.get("strides", [1, 1]), flat)
        dilations = _two(a.get("dilations", [1, 1]), flat)
        pads = a.get("pads", [0] * (2 if flat else 4))
        pads = [0, pads[0], 0, pads[1]] if flat else list(pads)
        extra = _two(a.get("output_padding", [0, 0]), flat, 0)
        automatic = a.get("auto_pad", b"NOTSET").decode()
        for i in range(2):
            reach = dilations[i] * (kernel[i] - 1) + 1
            if op == "conv_transpose":
                whole = (size[i] - 1) * strides[i] + reach
                if "output_shape" in a:
                    missing = whole + extra[i] - _two(a["output_shape"], flat)[i]
                    first = missing // 2 if automatic != "SAME_UPPER" else missing - missing // 2
                    pads[i], pads[i + 2] = first, missing - first
                elif automatic.startswith("SAME"):
                    missing = max(0, whole + extra[i] - size[i] * strides[i])
                    first = missing // 2 if automatic == "SAME_UPPER" else missing - missing // 2
                    pads[i], pads[i + 2] = first, missing - first
                pads[i + 2] -= extra[i]
            elif automatic.startswith("SAME"):
                outputs = -(-size[i] // strides[i])
                missing = max(0, (outputs - 1) * strides[i] + reach - size[i])
                first = missing // 2 if automatic == "SAME_UPPER" else missing - missing // 2
                pads[i], pads[i + 2] = first, missing - first
        found = self.builder.add(
            op,
            x,
            self.keep(weight),
            self.keep(bias),
            strides=strides,
            pads=tuple(pads),
            dilations=dilations,
            groups=groups,
        )
        if flat:
            shape = self.builder.shape(found)
            found = self.builder.add("reshape", found, shape=(*shape[:2], *shape[3:]))
        return found

    def _conv(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        return self.layer("conv", inputs, a)

    def _convtranspose(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        return self.layer("conv_transpose", inputs, a)

    def _averagepool(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        kernel = a["kernel_shape"]
        shape = self.builder.shape(x)
        dilated = any(d != 1 for d in a.get("dilations", [1]))
        if len(kernel) != 2 or a.get("ceil_mode") or dilated or "auto_pad" in a:
            raise GraphError("a form other than kernel, strides and pads in two dimensions")
        pads = tuple(a.get("pads", [0] * 4))
        strides = _two(a.get("strides", [1, 1]), False)

        channels = shape[1]
        weight = np.full((channels, 1, *kernel), 1 / math.prod(kernel))
        found = self.builder.add(
            "conv",
            x,
            self.keep(weight),
            self.keep(np.zeros(channels)),
            strides=strides,
            pads=pads,
            dilations=(1, 1),
            groups=channels,
        )
        if any(pads) and not a.get("count_include_pad"):
            reach = [_counted(shape[2 + i], kernel[i], strides[i], pads[i::2]) for i in range(2)]
            share = kernel[0] * kernel[1] / (reach[0][:, None] * reach[1])
            found = self.builder.add("multiply", found, self.keep(share[None, None]))
        return found

    def _batchnormalization(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        if a.get("training_mode"):
            raise GraphError("statistics of a batch; expected those of training")
        scale, shift, mean, variance = (
            self.constant(inputs, i).astype(np.float64) for i in range(1, 5)
        )
        factor = scale / np.sqrt(variance + a.get("epsilon", 1e-5))
        x = self.value(inputs[0])
        axes = (-1, *[1] * (len(self.builder.shape(x)) - 2))
        constants = (factor.reshape(axes), (shift - mean * factor).reshape(axes))
        return self.builder.add("scale_shift", x, *map(self.keep, constants))

    def _instancenormalization(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        scale, shift = (self.value(inputs[i]) for i in (1, 2))
        x = self.value(inputs[0])
        more = {"groups": self.builder.shape(x)[1], "epsilon": a.get("epsilon", 1e-5)}
        return self.builder.add("group_norm", x, scale, shift, **more)

    def _groupnormalization(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x, groups = self.value(inputs[0]), a["num_groups"]
        channels = self.builder.shape(x)[1]
        constants = [self.constant(inputs, i) for i in (1, 2)]
        if constants[0].size != channels:  # one a group, before opset 21
            constants = [np.repeat(c, channels // groups) for c in constants]
        more = {"groups": groups, "epsilon": a.get("epsilon", 1e-5)}
        return self.builder.add("group_norm", x, *map(self.keep, constants), **more)

    def _layernormalization(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape = self.builder.shape(x)
        axis = a.get("axis", -1) % len(shape)
        size = math.prod(shape[axis:])
        scale = self.constant(inputs, 1)
        shift = self.constant(inputs, 2, np.zeros(1))
        scale, shift = (np.broadcast_to(c, shape[axis:]).ravel() for c in (scale, shift))
        flat = self.builder.add("reshape", x, shape=(*shape[:axis], size))
        epsilon = a.get("epsilon", 1e-5)
        flat = self.builder.add(
            "layer_norm", flat, self.keep(scale), self.keep(shift), epsilon=epsilon
        )
        return self.builder.add("reshape", flat, shape=shape)

    def reduce(self, node: onnx.NodeProto, a: dict[str, Any]) -> str:
        x = self.value(node.input[0])
        shape = self.builder.shape(x)
        if node.op_type.startswith("Global"):
            axes, kept = list(range(2, len(shape))), 1
        else:
            axes = self.integers(node.input, 1, list(a.get("axes", [])))
            kept = a.get("keepdims", 1)
            if not axes:
                if a.get("noop_with_empty_axes"):
                    return x
                axes = list(range(len(shape)))
        axes = sorted(axis % len(shape) for axis in axes)
        kind = _REDUCTIONS[node.op_type]
        found = self.builder.add("reduce", x, axes=tuple(axes), kind=kind)
        if not kept:
            left = tuple(size for i, size in enumerate(shape) if i not in axes)
            found = self.builder.add("reshape", found, shape=left)
        return found

    def _softmax(self, inputs: Sequence[str], a: dict[str, Any], node: Any) -> str:
        x = self.value(inputs[0])
        shape = self.builder.shape(x)
        axis = a.get("axis", -1 if self.opset >= 13 else 1) % len(shape)
        if self.opset < 13:  # all axes from there on, as one
            flat = self.builder.add("reshape", x, shape=(*shape[:axis], math.prod(shape[axis:])))
            return self.builder.add("reshape", self.builder.add("softmax", flat), shape=shape)
        if axis == len(shape) - 1:
            return self.builder.add("softmax", x)
        axes = [i for i in range(len(shape)) if i != axis] + [axis]
        found = self.builder.add("softmax", self.builder.add("transpose", x, axes=tuple(axes)))
        return self.builder.add("transpose", found, axes=tuple(np.argsort(axes).tolist()))

    # Operators that move numbers

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


def _affine(op: str, value: float) -> tuple[float, float] | None:
    """Factor and addend of a binary operation with a constant number."""
    if op == "divide" and value == 0:
        return None
    return {
        "add": (1.0, value),
        "subtract": (1.0, -value),
        "multiply": (value, 0.0),
        "divide": (1 / value if value else 0.0, 0.0),
    }.get(op)


def _two(values: Sequence[int], flat: bool, neutral: int = 1) -> tuple[int, int]:
    numbers = [int(v) for v in values]
    return (neutral, numbers[0]) if flat and len(numbers) == 1 else (numbers[-2], numbers[-1])


def _counted(size: int, kernel: int, stride: int, pads: Sequence[int]) -> np.ndarray:
    """How many pixels of the image lie under each position of a window."""
    starts = np.arange(0, size + sum(pads) - kernel + 1, stride) - pads[0]
    return np.minimum(starts + kernel, size) - np.maximum(starts, 0)


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

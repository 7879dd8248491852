"""Operators of ONNX that compute: layers, normalisations, activations, sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Activation, GraphError
from .onnx_moves import Moves

if TYPE_CHECKING:
    import onnx

__all__ = ["Layers"]

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
_LARGEST_POOL = 1_000_000  # pixels of a window, times the channels
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


class Layers(Moves):
    """Reads operators that compute, each by a method of its name, beside those of `Moves`."""

    def known(self, op: str) -> bool:
        """Whether an operator of that name is read by a table."""
        return op in _ACTIVATIONS or op in _BINARY or op in _REDUCTIONS

    def by_table(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> str:
        """Reads an activation, a binary operator or a reduction."""
        if node.op_type in _ACTIVATIONS:
            activation = _ACTIVATIONS[node.op_type](attributes)
            return self.builder.add("identity", self.value(node.input[0]), activation=activation)
        if node.op_type in _BINARY:
            return self.binary(_BINARY[node.op_type], node.input)
        return self.reduce(node, attributes)

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
        if channels * math.prod(kernel) > _LARGEST_POOL:
            raise GraphError(f"a window of {math.prod(kernel):,} pixels, which is too large")
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

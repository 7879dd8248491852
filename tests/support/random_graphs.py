"""Random decoders in ONNX, of the operators that the browser's kernel runs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

ACTIVATIONS = (
    "Relu LeakyRelu Elu Selu Sigmoid HardSigmoid HardSwish Tanh Softplus Abs Neg Mish Gelu "
    "GeluTanh Silu ErfGelu Clip PRelu Square Exp"
).split()


class RandomDecoder:
    """Nodes and weights, added block by block; `value` is the last image's name."""

    def __init__(self, seed: int, opset: int = 20) -> None:
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.latent: tuple[int, ...] = ()
        self.value = "z"

    # Parts

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def weight(self, array) -> str:
        name = f"w{len(self.weights)}"
        array = np.asarray(array)
        self.weights[name] = array.astype("f4") if array.dtype.kind == "f" else array
        return name

    def node(self, op: str, *inputs: str, **attributes) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def shape(self, name: str | None = None) -> tuple[int, ...]:
        name = name or self.value
        if name == "z":
            return (1, *self.latent)
        inferred = shape_inference.infer_shapes(self.model(name), data_prop=True)
        found = inferred.graph.output[0].type.tensor_type.shape.dim
        return tuple(d.dim_value for d in found)

    def model(self, output: str | None = None) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "decoder",
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, *self.latent])],
            [helper.make_tensor_value_info(output or self.value, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        made.ir_version = 9
        return made

    def normal(self, *shape: int, fan: float = 1.0) -> str:
        return self.weight(self.rng.standard_normal(shape) / math.sqrt(fan))

    # Blocks: each takes a value and gives another

    def start(self) -> None:
        c, h, w = self.pick(3, 4, 8, 10), self.pick(2, 4, 5), self.pick(2, 4, 7)
        if self.rng.random() < 0.3:
            self.latent = (c, h, w)
            return
        self.latent = (self.pick(2, 5),)
        hidden = self.pick(6, 33)
        x = self.node(
            "Gemm", "z", self.normal(hidden, *self.latent), self.normal(hidden), transB=1
        )
        x = self.activation(x)
        if self.rng.random() < 0.5:
            scale, shift, mean = (self.normal(hidden) for _ in range(3))
            spread = self.weight(self.rng.uniform(0.5, 2, hidden))
            x = self.node("BatchNormalization", x, scale, shift, mean, spread)
        x = self.node("MatMul", x, self.normal(hidden, c * h * w, fan=hidden))
        x = self.node("Add", x, self.normal(c * h * w))
        self.value = self.node("Reshape", x, self.weight(np.array([-1, c, h, w])))

    def activation(self, x: str, kind: str | None = None) -> str:
        kind = kind or self.pick(*ACTIVATIONS)
        if kind == "Silu":
            return self.node("Mul", x, self.node("Sigmoid", x))
        if kind in ("Gelu", "GeluTanh", "ErfGelu") and (kind == "ErfGelu" or self.opset < 20):
            part = self.node("Div", x, self.weight(np.float32(math.sqrt(2))))
            part = self.node("Add", self.node("Erf", part), self.weight(np.float32(1)))
            return self.node("Mul", self.node("Mul", x, part), self.weight(np.float32(0.5)))
        if kind == "GeluTanh":
            return self.node("Gelu", x, approximate="tanh")
        if kind == "Clip":
            return self.node("Clip", x, self.weight(np.float32(-0.7)), self.weight(np.float32(1)))
        if kind == "PRelu":
            shape = self.shape(x)
            return self.node("PRelu", x, self.normal(*shape[1:2], *[1] * (len(shape) - 2)))
        if kind == "Square":
            return self.node("Pow", self.node("Tanh", x), self.weight(np.float32(2)))
        if kind == "Exp":
            return self.node("Exp", self.node("Tanh", x))
        if (kind, self.opset) in (("HardSwish", 13), ("Mish", 13), ("Mish", 17)):
            kind = "Tanh"
        return self.node(kind, x, **({"alpha": 0.2} if kind == "LeakyRelu" else {}))

    def conv(self, x: str, same: bool = False) -> str:
        c = self.shape(x)[1]
        groups = self.pick(1, 1, *[g for g in (2, c) if c % g == 0 and g <= 24])
        out = c if same else groups * self.pick(*[n for n in (1, 2, 3, 5) if n * groups <= 24])
        kh, kw = self.pick(1, 2, 3, 4), self.pick(1, 3, 3, 4)
        dilations = [self.pick(1, 1, 2), self.pick(1, 1, 2)]
        strides = [1, 1] if same else [self.pick(1, 1, 2), self.pick(1, 1, 2)]
        reach = [dilations[0] * (kh - 1), dilations[1] * (kw - 1)]
        pads = [reach[0] // 2, reach[1] // 2, reach[0] - reach[0] // 2, reach[1] - reach[1] // 2]
        if not same:
            pads = [int(p + self.pick(0, 0, 1)) for p in pads]
        return self.node(
            "Conv",
            x,
            self.normal(out, c // groups, kh, kw, fan=c // groups * kh * kw),
            *([self.normal(out)] if self.pick(0, 1) else []),
            pads=pads,
            strides=strides,
            dilations=dilations,
            group=groups,
        )

    def transposed(self, x: str) -> str:
        c, h, w = self.shape(x)[1:]
        if h * w > 300:
            return self.conv(x)
        groups = self.pick(1, 1, *[g for g in (2, c) if c % g == 0 and g <= 24])
        out = self.pick(*[n for n in (1, 3, 4, 6) if n * groups <= 24])
        kernel = [self.pick(2, 3, 4, 5), self.pick(1, 3, 4)]
        strides = [self.pick(1, 2, 2), self.pick(1, 2, 3)]
        dilations = [self.pick(1, 1, 2), self.pick(1, 1, 2)]
        most = [dilations[i] * (kernel[i] - 1) // 3 for i in range(2)]
        pads = [int(self.rng.integers(0, most[i % 2] + 1)) for i in range(4)]
        extra = [int(self.rng.integers(0, s)) for s in strides]
        return self.node(
            "ConvTranspose",
            x,
            self.normal(c, out, *kernel, fan=c * math.prod(kernel) / math.prod(strides) / groups),
            self.normal(out * groups),
            pads=pads,
            strides=strides,
            dilations=dilations,
            output_padding=extra,
            group=groups,
        )

    def norm(self, x: str) -> str:
        shape = self.shape(x)
        c = shape[1]
        kind = self.pick("batch", "instance", "group", "parts", "layer", "channels")
        if kind in ("layer", "channels") and self.opset < 17:
            kind = "parts"
        scale, shift = self.normal(c), self.normal(c)
        if kind == "batch":
            spread = self.weight(self.rng.uniform(0.5, 2, c))
            return self.node("BatchNormalization", x, scale, shift, self.normal(c), spread)
        if kind == "instance" or shape[2] * shape[3] < 4:
            return self.node("InstanceNormalization", x, scale, shift)
        groups = self.pick(*[g for g in (1, 2, c) if c % g == 0])
        if kind == "group":
            flat = self.node("Reshape", x, self.weight(np.array([0, groups, -1])))
            ones, zeros = self.weight(np.ones(groups)), self.weight(np.zeros(groups))
            flat = self.node("InstanceNormalization", flat, ones, zeros)
            found = self.node("Reshape", flat, self.weight(np.array(shape)))
            found = self.node("Mul", found, self.normal(c, 1, 1))
            return self.node("Add", found, self.normal(c, 1, 1))
        if kind == "parts":
            axes = self.pick([1, 2, 3], [2, 3], [1])

            def mean(value: str) -> str:
                if self.opset >= 18:
                    return self.node("ReduceMean", value, self.weight(np.array(axes)))
                return self.node("ReduceMean", value, axes=axes)

            centred = self.node("Sub", x, mean(x))
            spread = mean(self.node("Pow", centred, self.weight(np.float32(2))))
            spread = self.node("Sqrt", self.node("Add", spread, self.weight(np.float32(0.01))))
            found = self.node("Div", centred, spread)
            return self.node("Mul", found, self.normal(c, 1, 1))
        if kind == "layer":
            n = shape[3]
            return self.node(
                "LayerNormalization", x, self.normal(n), self.normal(n), axis=-1, epsilon=1e-3
            )
        x = self.node("Transpose", x, perm=[0, 2, 3, 1])
        x = self.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-3)
        return self.node("Transpose", x, perm=[0, 3, 1, 2])

    def binary(self, x: str) -> str:
        _, c, h, w = self.shape(x)
        op = self.pick("Add", "Sub", "Mul", "Div", "Max", "Min")
        kind = self.pick("number", "channel", "image", "row", "residual", "left")
        if kind == "residual":
            other = self.conv(x, same=True)
            if op == "Div":
                other = self.node("Softplus", other)
                other = self.node("Add", other, self.weight(np.float32(0.5)))
            return self.node(op, x, other)
        shape = {"number": (), "channel": (c, 1, 1), "image": (1, c, h, w), "row": (w,)}.get(kind)
        other = self.weight(self.rng.uniform(0.5, 2, shape or ()).astype("f4"))
        if kind == "left" and op != "Div":
            return self.node(op, other, x)
        return self.node(op, x, other)

    def joined(self, x: str) -> str:
        parts = [x, self.activation(self.conv(x, same=True)), *([x] if self.pick(0, 1) else [])]
        axis = self.pick(1, 1, 2, 3)
        if self.shape(x)[axis] * len(parts) > 32:
            return x
        return self.node("Concat", *parts, axis=axis)

    def split(self, x: str) -> str:
        axis = self.pick(1, 2, 3)
        size = self.shape(x)[axis]
        if size < 2:
            return x
        first = int(self.rng.integers(1, size))
        names = [f"s{len(self.nodes)}", f"t{len(self.nodes)}"]
        sizes = self.weight(np.array([first, size - first]))
        self.nodes.append(helper.make_node("Split", [x, sizes], names, axis=axis))
        return self.node("Concat", *names[::-1], axis=axis)

    def sliced(self, x: str) -> str:
        axis = self.pick(1, 2, 3)
        size = self.shape(x)[axis]
        if size < 4:
            return x
        bounds = [[1], [size - 1], [axis], [self.pick(1, 2)]]
        return self.node("Slice", x, *(self.weight(np.array(b)) for b in bounds))

    def resized(self, x: str) -> str:
        _, c, h, w = self.shape(x)
        if h * w > 200:
            return x
        mode = self.pick("nearest", "nearest", "linear")
        places = self.pick("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel")
        if mode == "nearest":
            places = self.pick("asymmetric", "half_pixel")
        more = {"mode": mode, "coordinate_transformation_mode": places, "nearest_mode": "floor"}
        if self.pick(0, 1):
            return self.node("Resize", x, "", self.weight(np.array([1, 1, 2, 2], "f4")), **more)
        sizes = np.array([1, c, h + self.pick(0, 3, h), w * 2 + self.pick(0, 1)])
        return self.node("Resize", x, "", "", self.weight(sizes), **more)

    def moved(self, x: str) -> str:
        _, c, h, w = self.shape(x)
        kind = self.pick("blocks", "gather", "turn", "flatten", "space", "pad", "expand")
        if kind == "blocks" and c % 4 == 0:
            mode = self.pick("DCR", "CRD")
            return self.node("DepthToSpace", x, blocksize=2, mode=mode)
        if kind == "space" and h % 2 == w % 2 == 0 and c < 10:
            return self.node("SpaceToDepth", x, blocksize=2)
        if kind == "turn":
            return self.node("Transpose", x, perm=self.pick([0, 1, 3, 2], [0, 2, 1, 3]))
        if kind == "flatten":
            flat = self.node("Flatten", x, axis=1)
            return self.node("Reshape", flat, self.weight(np.array([-1, h, c, w])))
        if kind == "pad":
            pads = self.weight(np.array([0, 0, 1, 0, 0, 0, 1, 2]))
            return self.node("Pad", x, pads, self.weight(np.float32(self.pick(0, 0.5))))
        if kind == "gather":
            one = self.node("Gather", x, self.weight(np.array([c - 1])), axis=1)
            return self.node("Concat", one, x, axis=1)
        if kind == "expand":
            axes = self.weight(np.array([1, 2, 3]))
            mean = self.node("Tanh", self.node("ReduceSum", x, axes))
            wide = self.node("Expand", mean, self.weight(np.array([1, 2, h, w])))
            return self.node("Concat", wide, x, axis=1)
        return x

    def pooled(self, x: str) -> str:
        _, _, h, w = self.shape(x)
        if min(h, w) < 4:
            return self.node("Add", x, self.node("GlobalAveragePool", x))
        pads, more = self.pick([0, 0, 0, 0], [1, 0, 1, 1]), {"count_include_pad": self.pick(0, 1)}
        kernel, strides = self.pick([2, 2], [3, 2]), self.pick([1, 1], [2, 2])
        return self.node("AveragePool", x, kernel_shape=kernel, pads=pads, strides=strides, **more)

    def attention(self, x: str) -> str:
        _, c, h, w = self.shape(x)
        heads = self.pick(1, 1, 2) if c % 2 == 0 else 1
        flat = self.node("Reshape", x, self.weight(np.array([1, c, h * w])))
        tokens = self.node("Transpose", flat, perm=[0, 2, 1])

        def projected() -> str:
            found = self.node("MatMul", tokens, self.normal(c, c, fan=c))
            found = self.node("Add", found, self.normal(c))
            shape = self.weight(np.array([1, h * w, heads, c // heads]))
            return self.node("Transpose", self.node("Reshape", found, shape), perm=[0, 2, 1, 3])

        q, k, v = projected(), projected(), projected()
        scores = self.node("MatMul", q, self.node("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.node("Mul", scores, self.weight(np.float32((c // heads) ** -0.5)))
        found = self.node("MatMul", self.node("Softmax", scores, axis=-1), v)
        found = self.node("Transpose", found, perm=[0, 2, 1, 3])
        found = self.node("Reshape", found, self.weight(np.array([1, h * w, c])))
        found = self.node("Transpose", found, perm=[0, 2, 1])
        found = self.node("Reshape", found, self.weight(np.array([1, c, h, w])))
        return self.node("Add", x, found)


BLOCKS = (
    "activation conv transposed norm binary joined split sliced resized moved pooled attention"
).split()


def random_decoder(seed: int, blocks: int = 6, first: str | None = None) -> onnx.ModelProto:
    """A decoder of a few random blocks, `first` among them."""
    made = RandomDecoder(seed, opset=(13, 17, 18, 20, 21)[seed % 5])
    made.start()
    for number in range(blocks):
        name = first if first and number == blocks // 2 else made.pick(*BLOCKS)
        block: Callable[[str], str] = getattr(made, name)
        made.value = block(made.value)
    channels = made.shape()[1]
    out = made.pick(1, 3)
    weight = made.normal(out, channels, 3, 3, fan=9 * channels)
    made.value = made.node("Conv", made.value, weight, made.normal(out), pads=[1, 1, 1, 1])
    return made.model()

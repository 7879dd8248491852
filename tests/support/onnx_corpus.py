"""ONNX files that are malformed, gigantic, endless or lying, made here and kept nowhere."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_models
from onnx import TensorProto, helper, numpy_helper

__all__ = ["ENDLESS", "REFUSED_AT_RUN", "REFUSED_UNREAD", "fuzzed", "write"]

node = helper.make_node


def _sound() -> onnx.ModelProto:
    return onnx_models.decoder()


def _bytes(made: onnx.ModelProto) -> bytes:
    return made.SerializeToString()


def _changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    made = _sound()
    change(made)
    return _bytes(made)


def _weights(change: Callable[[TensorProto], object], name: str = "w") -> bytes:
    made = _sound()
    change(next(t for t in made.graph.initializer if t.name == name))
    return _bytes(made)


def _network(nodes: list, weights: dict | None = None, shape: tuple = (None, 4), **how) -> bytes:
    return _bytes(onnx_models.model(nodes, ("z", shape), ["x"], weights, **how))


def _external(**told: str) -> bytes:
    def change(tensor: TensorProto) -> None:
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in ({"offset": "0", "length": str(size)} | told).items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value

    return _weights(change)


def _loop() -> bytes:
    body = helper.make_graph(
        [node("Identity", ["on"], ["more"]), node("Add", ["v", "v"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    weights = {"count": np.array(2**62), "yes": np.array(True)}
    return _network([node("Loop", ["count", "yes", "z"], ["x"], body=body)], weights)


def _nested(depth: int) -> bytes:
    graph = helper.make_graph([node("Identity", ["z"], ["x"])], "inner", [], [])
    for _ in range(depth):
        inner = node("If", ["z"], ["x"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([inner], "outer", [], [])
        if graph.ByteSize() > 100_000:
            break
    made = _sound()
    made.graph.node.append(node("If", ["z"], ["y"], then_branch=graph, else_branch=graph))
    return _bytes(made)


def _deep(levels: int) -> bytes:
    """Messages in messages, deeper than any parser should follow."""
    content = b""
    for _ in range(levels):
        # ModelProto.graph (7) → GraphProto.node (1) → NodeProto.attribute (5) → .g (6)
        for field in (6, 5, 1):
            content = bytes([field << 3 | 2]) + varint(len(content)) + content
    return bytes([7 << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _functions() -> bytes:
    made = _sound()
    made.functions.append(
        helper.make_function(
            "own", "Twice", ["a"], ["b"], [node("Twice", ["a"], ["b"], domain="own")],
            [helper.make_opsetid("own", 1)],
        )
    )  # fmt: skip
    made.opset_import.append(helper.make_opsetid("own", 1))
    made.graph.node.append(node("Twice", ["x"], ["y"], domain="own"))
    return _bytes(made)


def _sparse() -> bytes:
    made = _sound()
    values = numpy_helper.from_array(np.ones(1, "f4"), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    made.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, indices, [1_000_000_000])
    )
    return _bytes(made)


def _two_inputs(made: onnx.ModelProto) -> None:
    made.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4]))


def _input(kind: int, shape: list) -> bytes:
    made = _sound()
    del made.graph.input[:]
    made.graph.input.append(helper.make_tensor_value_info("z", kind, shape))
    return _bytes(made)


def _opset(*versions: int) -> bytes:
    made = _sound()
    del made.opset_import[:]
    made.opset_import.extend(helper.make_opsetid("", version) for version in versions)
    return _bytes(made)


def _set(field: str, value: object) -> Callable[[TensorProto], object]:
    def change(tensor: TensorProto) -> None:
        if field == "dims":
            del tensor.dims[:]
            tensor.dims.extend(value)
        else:
            setattr(tensor, field, value)

    return change


def _chain(count: int) -> bytes:
    return _network(
        [node("Relu", ["z" if not k else f"v{k}"], [f"v{k + 1}"]) for k in range(count)]
        + [node("Relu", [f"v{count}"], ["x"])]
    )


def _grown(times: int, size: int) -> bytes:
    """A code that is tiled again and again, to `size` times as much each time."""
    nodes, last = [], "z"
    for k in range(times):
        nodes.append(node("Tile", [last, "by"], [f"t{k}"]))
        last = f"t{k}"
    return _network([*nodes, node("Relu", [last], ["x"])], {"by": np.array([1, size])})


def _slow() -> bytes:
    side = 1_500
    nodes = [node("Expand", ["one", "shape"], ["m0"])]
    nodes += [node("MatMul", [f"m{k}", f"m{k}"], [f"m{k + 1}"]) for k in range(400)]
    nodes += [node("ReduceSum", ["m400"], ["s"], keepdims=0), node("Add", ["z", "s"], ["x"])]
    weights = {"one": np.zeros((1, 1), "f4"), "shape": np.array([side, side])}
    return _network(nodes, weights)


_RANDOM = [
    ("RandomNormal", [], {"shape": [1, 4]}),
    ("RandomNormalLike", ["z"], {}),
    ("RandomUniformLike", ["z"], {}),
    ("Bernoulli", ["z"], {}),
]

REFUSED_UNREAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "zeros": lambda: bytes(5_000),
    "text": lambda: b"not a model\n" * 50,
    "noise": lambda: np.random.default_rng(0).bytes(20_000),
    "pickle": lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "zip": lambda: b"PK\x03\x04" + bytes(100),
    "first half": lambda: (b := _bytes(_sound()))[: len(b) // 2],
    "last byte missing": lambda: _bytes(_sound())[:-1],
    "bytes after its end": lambda: _bytes(_sound()) + b"\xff" * 9,
    "length beyond its end": lambda: b"\x3a\xff\xff\xff\xff\x07" + bytes(50),
    "nested messages": lambda: _deep(2_000),
    "no graph": lambda: _bytes(onnx.ModelProto(ir_version=8)),
    "no nodes": lambda: _changed(lambda m: m.graph.ClearField("node")),
    "no input": lambda: _changed(lambda m: m.graph.ClearField("input")),
    "two inputs": lambda: _changed(_two_inputs),
    "no output": lambda: _changed(lambda m: m.graph.ClearField("output")),
    "an output of nothing": lambda: _changed(lambda m: setattr(m.graph.output[0], "name", "q")),
    "whole numbers in": lambda: _input(TensorProto.INT64, [None, 4]),
    "text in": lambda: _input(TensorProto.STRING, [None, 4]),
    "unknown sizes": lambda: _input(TensorProto.FLOAT, [None, None]),
    "a size of zero": lambda: _input(TensorProto.FLOAT, [None, 0]),
    "a negative size": lambda: _input(TensorProto.FLOAT, [None, -4]),
    "a gigantic batch": lambda: _input(TensorProto.FLOAT, [2**40, 4]),
    "five axes": lambda: _input(TensorProto.FLOAT, [None, 1, 1, 2, 2]),
    "no version": lambda: _opset(),
    "two versions": lambda: _opset(13, 17),
    "a version to come": lambda: _opset(9_999),
    "an old version": lambda: _opset(1),
    "a cycle": lambda: _network([node("Add", ["z", "x"], ["y"]), node("Relu", ["y"], ["x"])]),
    "a node of itself": lambda: _network([node("Add", ["z", "x"], ["x"])]),
    "wrong order": lambda: _network([node("Relu", ["y"], ["x"]), node("Relu", ["z"], ["y"])]),
    "a name twice": lambda: _network([node("Relu", ["z"], ["x"]), node("Tanh", ["z"], ["x"])]),
    "a weight twice": lambda: _changed(
        lambda m: m.graph.initializer.append(m.graph.initializer[0])
    ),
    "unknown operator": lambda: _network([node("Frobnicate", ["z"], ["x"])]),
    "operator of somebody": lambda: _network([node("Own", ["z"], ["x"], domain="evil.example")]),
    "withdrawn operator": lambda: _network([node("Upsample", ["z", "s"], ["x"])],
                                           {"s": np.ones(2, "f4")}),
    "a loop": _loop,
    "branches in branches": lambda: _nested(12),
    "functions that call themselves": _functions,
    "sparse weights": _sparse,
    **{
        f"random: {op}": (lambda op=op, given=given, how=how: _network(
            [node(op, given, ["r"], **how), node("Add", ["z", "r"], ["x"])]))
        for op, given, how in _RANDOM
    },
    "weights of a terabyte": lambda: _weights(_set("dims", [1_000_000, 250_000])),
    "more than 64 bits": lambda: _weights(_set("dims", [2**62, 2**62])),
    "negative weights' size": lambda: _weights(_set("dims", [-4, -784])),
    "fewer weights": lambda: _weights(_set("dims", [4, 785])),
    "too many axes": lambda: _weights(_set("dims", [1] * 40)),
    "weights of text": lambda: _weights(_set("data_type", TensorProto.STRING)),
    "weights of no type": lambda: _weights(_set("data_type", 99)),
    "weights elsewhere": lambda: _external(location="/etc/passwd"),
    "weights above": lambda: _external(location="../secret.bin"),
    "weights not there": lambda: _external(location="nothing.data"),
    "weights in the model": lambda: _external(location="weights in the model.onnx", offset="1e9"),
    "weights beyond a file": lambda: _external(
        location="weights beyond a file.onnx", offset=str(2**60)
    ),
    "an endless chain": lambda: _chain(20_000),
}  # fmt: skip

REFUSED_AT_RUN: dict[str, Callable[[], bytes]] = {
    "gigantic in one step": lambda: _network(
        [node("Expand", ["z", "to"], ["x"])], {"to": np.array([100_000, 100_000, 1, 4])}
    ),
    "gigantic in ten steps": lambda: _grown(10, 30),
    "attributes that do not fit": lambda: _network(
        [node("Reshape", ["z", "to"], ["x"])], {"to": np.array([7, 7])}
    ),
    "weights that do not fit": lambda: _network(
        [node("MatMul", ["z", "w"], ["x"])], {"w": np.zeros((5, 3), "f4")}
    ),
    "no batch": lambda: _network([node("ReduceSum", ["z"], ["x"], keepdims=0)]),
    "an image of another size": lambda: _bytes(onnx_models.decoder(image=(1, 9, 7))),
    "not finite": lambda: _network(
        [node("Gemm", ["z", "w"], ["y"]), node("Log", ["y"], ["x"])],
        {"w": -np.ones((4, 784), "f4")},
    ),
}

ENDLESS: dict[str, Callable[[], bytes]] = {"hours of products": _slow}


def write(folder: Path, name: str, make: Callable[[], bytes]) -> Path:
    """Writes one file of the corpus."""
    file = folder / f"{name}.onnx"
    file.write_bytes(make())
    return file


def fuzzed(seed: int) -> bytes:
    """A sound decoder after a few random edits of its graph, or of its bytes."""
    rng = np.random.default_rng(seed)
    made = _sound() if rng.random() < 0.6 else onnx_models.decoder((2, 2), layout="HWC")
    for _ in range(rng.integers(1, 4)):
        _edit(made, rng)
    content = bytearray(_bytes(made))
    if rng.random() < 0.3:
        for place in rng.integers(0, len(content), rng.integers(1, 20)):
            content[place] = rng.integers(256)
    return bytes(content)


def _edit(made: onnx.ModelProto, rng: np.random.Generator) -> None:
    graph = made.graph
    names = [t.name for t in graph.initializer] + [o for n in graph.node for o in n.output]

    def some(of: list) -> object:
        return of[rng.integers(len(of))]

    which = rng.integers(9)
    if which == 0 and graph.node:
        some(list(graph.node)).op_type = str(some(["Relu", "Exp", "Concat", "Tile", "Pad"]))
    elif which == 1 and graph.node:
        chosen = some(list(graph.node))
        if chosen.input:
            chosen.input[rng.integers(len(chosen.input))] = str(some(names))
    elif which == 2 and graph.node:
        del graph.node[rng.integers(len(graph.node))]
    elif which == 3 and graph.node:
        graph.node.append(some(list(graph.node)))
    elif which == 4 and graph.initializer:
        chosen = some(list(graph.initializer))
        if chosen.dims:
            value = int(some([-1, 0, 1, 3, 2**31, 2**62]))
            chosen.dims[rng.integers(len(chosen.dims))] = value
    elif which == 5 and graph.initializer:
        some(list(graph.initializer)).data_type = int(rng.integers(-1, 20))
    elif which == 6 and graph.initializer:
        chosen = some(list(graph.initializer))
        chosen.raw_data = struct.pack("<q", int(some([-1, 0, 7, 2**40]))) * int(rng.integers(1, 4))
    elif which == 7 and graph.initializer:
        del graph.initializer[rng.integers(len(graph.initializer))]
    elif graph.node:
        chosen = some(list(graph.node))
        value = some([-1, 0, 2**31 - 1, 0.5, [1, 2], "text"])
        chosen.attribute.append(helper.make_attribute(str(some(["axis", "alpha", "x"])), value))

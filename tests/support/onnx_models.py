"""Small networks as ONNX files, written by hand: no framework has to export them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GREY = (1, 28, 28)


def model(
    nodes: list,
    given: tuple[str, tuple],
    outputs: list[str],
    weights: dict[str, np.ndarray] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """A model of one input, "batch" being any number where a size is None."""
    name, shape = given
    sides = ["batch" if side is None else side for side in shape]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [numpy_helper.from_array(array, key) for key, array in (weights or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    return made


def decoder(
    latent: tuple[int, ...] = (4,),
    image: tuple[int, ...] = GREY,
    *,
    last: str = "Sigmoid",
    scale: float = 1.0,
    layout: str = "CHW",
    seed: int = 0,
) -> onnx.ModelProto:
    """One linear layer from a code to an image, `last` after it."""
    rng, d, n = np.random.default_rng(seed), math.prod(latent), math.prod(image)
    c, h, w = image
    shape = {"CHW": [-1, c, h, w], "HWC": [-1, h, w, c], "flat": [-1, n]}[layout]
    weights = {
        "flat": np.array([-1, d]),
        "w": (scale * rng.standard_normal((d, n))).astype("f4"),
        "b": rng.standard_normal(n).astype("f4"),
        "shape": np.array(shape),
    }
    return model(
        [
            helper.make_node("Reshape", ["z", "flat"], ["row"]),
            helper.make_node("Gemm", ["row", "w", "b"], ["raw"]),
            helper.make_node(last, ["raw"], ["picture"]),
            helper.make_node("Reshape", ["picture", "shape"], ["x"]),
        ],
        ("z", (None, *latent)),
        ["x"],
        weights,
    )


def encoder(
    latent: tuple[int, ...] = (4,),
    image: tuple[int, ...] = GREY,
    *,
    gives: str = "log_variance",
    packed: bool = False,
    seed: int = 1,
) -> onnx.ModelProto:
    """One linear layer from an image to what `gives` says: "mean", "log_variance", "deviation"."""
    rng, d, n = np.random.default_rng(seed), math.prod(latent), math.prod(image)
    weights = {
        "flat": np.array([-1, n]),
        "shape": np.array([-1, *latent]),
        "w": (rng.standard_normal((n, d)) / 8).astype("f4"),
        "v": (rng.standard_normal((n, d)) / 40).astype("f4"),
        "low": np.full(d, -3, "f4"),
    }
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "w"], ["flat_mean"]),
        helper.make_node("Reshape", ["flat_mean", "shape"], ["mean"]),
    ]
    outputs = ["mean"]
    if gives != "mean":
        nodes.append(helper.make_node("Gemm", ["row", "v", "low"], ["spread"]))
        if gives == "deviation":
            nodes.append(helper.make_node("Softplus", ["spread"], ["positive"]))
        found = "positive" if gives == "deviation" else "spread"
        nodes.append(helper.make_node("Reshape", [found, "shape"], ["second"]))
        outputs.append("second")
        if packed:
            nodes.append(helper.make_node("Concat", outputs, ["both"], axis=1))
            outputs = ["both"]
    return model(nodes, ("x", (None, *image)), outputs, weights)


def write(folder: Path, **models: onnx.ModelProto) -> dict[str, Path]:
    """Writes models as files, by name."""
    files = {name: folder / f"{name}.onnx" for name in models}
    for name, made in models.items():
        files[name].write_bytes(made.SerializeToString())
    return files

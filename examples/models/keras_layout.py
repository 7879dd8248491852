"""A Keras model, which comes as ONNX files with the channels last and a draw beside the mean.

Where Keras is installed, these two lines write the files:

    encoder.export("encoder.onnx", format="onnx")
    decoder.export("decoder.onnx", format="onnx")

and this command imports them:

    python -m vae import-model --decoder decoder.onnx --encoder encoder.onnx --dataset digits

This script needs no Keras: it writes two small untrained networks as Keras' exporter lays them
out, and imports them.

python examples/models/keras_layout.py --name keras
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vae import import_networks

D = 4
HOW = {"likelihood": "bernoulli"}


def _model(nodes: list, given: tuple, outputs: list[str], weights: dict) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, ["unk__0", *given[1:]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    made.ir_version = 8
    return made


def write(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Writes decoder and encoder for 28×28 grey images, and gives their files."""
    rng, node = np.random.default_rng(seed), helper.make_node

    def normal(*shape: int) -> np.ndarray:
        scale = np.sqrt(np.prod(shape[1:]) if len(shape) == 4 else shape[0])
        return (rng.standard_normal(shape) / scale).astype(np.float32)

    encoder = _model(
        [
            node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
            node("Conv", ["planes", "kernel"], ["conv"], strides=[2, 2], auto_pad="SAME_UPPER"),
            node("Relu", ["conv"], ["relu"]),
            node("Transpose", ["relu"], ["last"], perm=[0, 2, 3, 1]),
            node("Reshape", ["last", "flat"], ["flattened"]),
            node("MatMul", ["flattened", "mean"], ["z_mean"]),
            node("MatMul", ["flattened", "low"], ["scaled"]),
            node("Add", ["scaled", "bias"], ["z_log_var"]),
            node("Mul", ["z_log_var", "half"], ["halved"]),
            node("Exp", ["halved"], ["deviation"]),
            node("RandomNormalLike", ["z_mean"], ["noise"]),
            node("Mul", ["deviation", "noise"], ["moved"]),
            node("Add", ["z_mean", "moved"], ["z"]),
        ],
        ("input", 28, 28, 1),
        ["z_mean", "z_log_var", "z"],
        {
            "kernel": normal(8, 1, 3, 3),
            "flat": np.array([-1, 14 * 14 * 8]),
            "mean": normal(14 * 14 * 8, D),
            "low": normal(14 * 14 * 8, D),
            "bias": np.full(D, -3, np.float32),
            "half": np.array(0.5, np.float32),
        },
    )
    decoder = _model(
        [
            node("MatMul", ["z", "dense"], ["product"]),
            node("Add", ["product", "bias"], ["sum"]),
            node("Relu", ["sum"], ["relu"]),
            node("Reshape", ["relu", "shape"], ["last"]),
            node("Transpose", ["last"], ["planes"], perm=[0, 3, 1, 2]),
            node("ConvTranspose", ["planes", "kernel"], ["conv"], strides=[2, 2],
                 pads=[0, 0, 1, 1], output_padding=[0, 0]),
            node("Sigmoid", ["conv"], ["sigmoid"]),
            node("Transpose", ["sigmoid"], ["output"], perm=[0, 2, 3, 1]),
        ],
        ("z", D),
        ["output"],
        {
            "dense": 3 * normal(D, 14 * 14 * 8),
            "bias": np.zeros(14 * 14 * 8, np.float32),
            "shape": np.array([-1, 14, 14, 8]),
            "kernel": normal(8, 1, 3, 3),
        },
    )  # fmt: skip
    files = folder / "decoder.onnx", folder / "encoder.onnx"
    for file, made in zip(files, (decoder, encoder), strict=True):
        file.write_bytes(made.SerializeToString())
    return files


def main(arguments: list[str] | None = None) -> None:
    """Writes the files, imports them, and says what was found out."""
    parser = argparse.ArgumentParser(description="Imports networks as Keras exports them.")
    parser.add_argument("--name", default="keras", help="name of the model")
    parser.add_argument("--images", type=int, default=1_000, help="number of images encoded")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        made = import_networks(
            *write(Path(place)),
            name=options.name,
            dataset="digits",
            **HOW,
            limit=options.images,
            tsne=False,
        )
    print("\n".join(made.told))


if __name__ == "__main__":
    main()

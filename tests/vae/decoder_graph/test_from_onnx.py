"""Decoders in ONNX as graphs: equal to onnxruntime, with few steps, or refused by name."""

from __future__ import annotations

import numpy as np
import onnx_models
import pytest
import torch
from onnx import helper

from vae.decoder_graph import GraphError, OutputRule, graph_of_onnx, lower

onnxruntime = pytest.importorskip("onnxruntime", reason="Needs onnxruntime.")


def node(op: str, inputs: str, output: str, **attributes):
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def small(nodes, weights, given=(3, 4, 4), opset=21, outputs=("y",)):
    shape = (None, *given)
    return onnx_models.model(nodes, ("z", shape), list(outputs), weights, opset)


def same_as_onnxruntime(model) -> None:
    graph = graph_of_onnx(model)
    code = numbers(1, *graph.latent_shape, seed=5)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    wanted = session.run(None, {"z": code})[0]
    found = graph.run(torch.from_numpy(code)).numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-5, rtol=1e-5)


BATCH_NORM = {name: numbers(6, seed=i) for i, name in enumerate("abm")} | {
    "v": np.linspace(0.5, 2, 6, dtype="f4")
}


@pytest.mark.parametrize("layer", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("groups", [1, 3])
def test_batch_norm_and_relu_cost_no_step(layer, groups):
    shape = (6, 3 // groups, 3, 3) if layer == "Conv" else (3, 6 // groups, 3, 3)
    model = small(
        [
            node(layer, "z w c", "x", group=groups, pads=[1, 1, 1, 1]),
            node("BatchNormalization", "x a b m v", "n"),
            node("Relu", "n", "y"),
        ],
        {"w": numbers(*shape), "c": numbers(6), **BATCH_NORM},
    )
    same_as_onnxruntime(model)
    (step,) = graph_of_onnx(model).steps
    assert step.activation.kind == "leaky_relu"


def test_group_norm_and_silu_are_one_step_however_written():
    parts = [
        node("Reshape", "z split", "r"),
        node("InstanceNormalization", "r ones zeros", "i"),
        node("Shape", "z", "whole"),
        node("Reshape", "i whole", "n"),
        node("Mul", "n scale", "s"),
        node("Add", "s shift", "g"),
        node("Sigmoid", "g", "o"),
        node("Mul", "o g", "y"),
    ]
    weights = {
        "split": np.array([0, 2, -1]),
        "ones": np.ones(2, "f4"),
        "zeros": np.zeros(2, "f4"),
        "scale": numbers(6, 1, 1),
        "shift": numbers(6, 1, 1, seed=1),
    }
    model = small(parts, weights, (6, 4, 4), opset=17)
    same_as_onnxruntime(model)
    (step,) = graph_of_onnx(model).steps
    assert (step.op, step.attributes["groups"], step.activation.kind) == ("group_norm", 2, "silu")


@pytest.mark.parametrize(("opset", "size"), [(18, 2), (21, 6)])
def test_group_normalization_of_both_kinds(opset, size):
    weights = {"s": numbers(size), "b": numbers(size, seed=1)}
    nodes = [node("GroupNormalization", "z s b", "y", num_groups=2)]
    graph = graph_of_onnx(small(nodes, weights, (6, 4, 4), opset))
    code = torch.from_numpy(numbers(1, 6, 4, 4))
    each = [torch.from_numpy(np.repeat(weights[n], 6 // size)) for n in "sb"]
    wanted = torch.nn.functional.group_norm(code, 2, *each)
    torch.testing.assert_close(graph.run(code), wanted)


@pytest.mark.parametrize(
    ("written", "merged"),
    [
        ({"pads": [1, 1, 1, 1]}, True),
        ({"pads": [1, 1, 1, 1], "strides": [2, 2]}, False),
        ({"pads": [2, 2, 2, 2], "dilations": [2, 2]}, False),
        ({"pads": [0, 1, 0, 1]}, False),
    ],
)
def test_a_convolution_of_repeated_pixels_never_makes_the_large_image(written, merged):
    model = small(
        [
            node(
                "Resize", "z none scales", "u", mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor",
            ),
            node("Conv", "u w b", "y", **written),
        ],
        {
            "none": np.zeros(0, "f4"), "scales": np.array([1, 1, 2, 2], "f4"),
            "w": numbers(5, 3, 3, 3), "b": numbers(5),
        },
    )  # fmt: skip
    same_as_onnxruntime(model)
    ops = [step.op for step in graph_of_onnx(model).steps]
    assert ops == (["conv_transpose"] if merged else ["resize", "conv"])


def test_gelu_by_parts_is_one_step():
    nodes = [
        node("Div", "z root", "d"),
        node("Erf", "d", "e"),
        node("Add", "e one", "a"),
        node("Mul", "z a", "m"),
        node("Mul", "m half", "y"),
    ]
    weights = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}
    model = small(nodes, {name: np.array(value) for name, value in weights.items()})
    same_as_onnxruntime(model)
    (step,) = graph_of_onnx(model).steps
    assert step.activation.kind == "gelu"


def test_layers_as_keras_has_them_last_move_nothing():
    """A convolution between transpositions, as exporters from TensorFlow write it."""
    nodes = [
        node("Transpose", "z", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w", "c", auto_pad="SAME_UPPER", strides=[2, 1]),
        node("Transpose", "c", "b", perm=[0, 2, 3, 1]),
        node("Add", "b bias", "y"),
    ]
    model = small(nodes, {"w": numbers(4, 2, 3, 3), "bias": numbers(4)}, (5, 4, 2))
    same_as_onnxruntime(model)


REFUSED = {
    "Einsum in node 1": [node("Relu", "z", "x"), node("Einsum", "x", "y", equation="bchw->bwhc")],
    "Pad in node 0: padding by reflect": [node("Pad", "z pads", "y", mode="reflect")],
    "Custom in node 0": [helper.make_node("Custom", ["z"], ["y"], domain="somebody")],
    "Conv in node 0: conv of 1×3×4×4, 2×5×3×3, 2 does not fit: expected 5 channels": [
        node("Conv", "z w", "y")
    ],
    "Cast in node 0: numbers that are no longer": [node("Cast", "z", "y", to=7)],
    "Expand in node 0: a constant that is too large": [
        node("Expand", "one huge", "x"),
        node("Add", "z x", "y"),
    ],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_run_is_named(reason):
    weights = {
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "w": numbers(2, 5, 3, 3),
        "one": np.ones(1, "f4"),
        "huge": np.array([1, 1, 2**20, 2**20]),
    }
    with pytest.raises(GraphError) as refused:
        graph_of_onnx(small(REFUSED[reason], weights))
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("layout", ["CHW", "HWC", "flat"])
@pytest.mark.parametrize("output", ["probabilities", "logits", "mean"])
def test_the_output_rule_gives_pixels(layout, output):
    image = (3, 4, 5)
    model = onnx_models.decoder((4,), image, last="Tanh", layout=layout)
    rule = OutputRule(image, output, (-1.0, 1.0), layout)
    code = torch.from_numpy(numbers(2, 4))
    raw = graph_of_onnx(model).run(code)
    c, h, w = image
    raw = raw.reshape(2, h, w, c).permute(0, 3, 1, 2) if layout == "HWC" else raw
    wanted = raw.reshape(2, *image)
    if output != "probabilities":
        wanted = torch.sigmoid(wanted) if output == "logits" else (wanted + 1) / 2
    torch.testing.assert_close(graph_of_onnx(model, None, rule).run(code), wanted)


def test_a_wrong_shape_of_the_output_is_told():
    model = onnx_models.decoder((4,), (1, 8, 8))
    with pytest.raises(GraphError, match="output is not as it was named"):
        graph_of_onnx(model, None, OutputRule((3, 8, 8)))


def test_multiply_adds_are_counted():
    nodes = [
        node("Conv", "z w", "c", pads=[1, 1, 1, 1]),
        node("ConvTranspose", "c u", "y", strides=[2, 2]),
    ]
    weights = {"w": numbers(5, 3, 3, 3), "u": numbers(5, 2, 2, 2)}
    graph = graph_of_onnx(small(nodes, weights))
    assert graph.multiply_adds == 16 * 5 * 27 + 16 * 5 * 2 * 4
    assert len(lower(graph).steps) == 6, "a border, a convolution, and one for each parity"


def test_rounding_touches_matrices_only():
    nodes = [node("Conv", "z w b", "y", pads=[1, 1, 1, 1])]
    weights = {"w": numbers(5, 3, 3, 3), "b": numbers(5)}
    graph = graph_of_onnx(small(nodes, weights))
    rounded = graph.rounded()
    step = graph.steps[0]
    weight, bias = (rounded.weights[name] for name in step.inputs[1:])
    np.testing.assert_array_equal(bias, weights["b"])
    np.testing.assert_array_equal(weight, weights["w"].astype("f2").astype("f4"))

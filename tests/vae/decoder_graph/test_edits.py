"""Edited graphs: run, or refused in a sentence, whatever was changed."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import soak
import torch
from onnx import numpy_helper
from random_graphs import BLOCKS, random_decoder

from vae.decoder_graph import GraphError, graph_of_onnx, lower
from vae.decoder_graph.operations import activate, compute

OPERATORS = (
    "Relu Conv Reshape Transpose Split Softmax Concat Gemm MatMul Resize Slice Pad Gather Squeeze "
    "Einsum LSTM ReduceMean Expand AveragePool DepthToSpace Cast PRelu Pow Clip Flatten Upsample "
    "LayerNormalization BatchNormalization GroupNormalization Unsqueeze"
).split()


def edited(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    node = graph.node[rng.integers(len(graph.node))]
    kind = rng.integers(5)
    if kind == 0:
        node.op_type = OPERATORS[rng.integers(len(OPERATORS))]
    elif kind == 1 and node.attribute:
        attribute = node.attribute[rng.integers(len(node.attribute))]
        if attribute.ints:
            place = rng.integers(len(attribute.ints))
            attribute.ints[place] = int(rng.choice([-1, 0, 7, 1000, -(2**40), 2**40]))
        else:
            attribute.i = int(rng.choice([-1, 0, 3, 10**6]))
    elif kind == 2 and node.attribute:
        del node.attribute[rng.integers(len(node.attribute))]
    elif kind == 3 and len(node.input) > 1:
        del node.input[rng.integers(len(node.input))]
    elif graph.initializer:
        weight = graph.initializer[rng.integers(len(graph.initializer))]
        array = numpy_helper.to_array(weight).copy()
        if array.size and array.dtype.kind == "i":
            array.flat[rng.integers(array.size)] = rng.choice([-1, 0, 5, 10**6])
        else:
            array = array.reshape(-1)[: max(1, array.size // 2)].copy()
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return made


@soak.share("count", 60, 3000)
def test_edited_graphs_are_laid_out_or_refused(count):
    refused = 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        place = seed // 10
        model = random_decoder(place % 200, blocks=3, first=BLOCKS[place % len(BLOCKS)])
        try:
            lower(graph_of_onnx(edited(model, rng)))
        except GraphError as error:
            refused += 1
            assert len(str(error)) > 20
    assert count // 4 < refused < count


@pytest.mark.parametrize("seed", range(len(BLOCKS)))
def test_shapes_are_those_that_torch_computes(seed):
    graph = graph_of_onnx(random_decoder(seed, first=BLOCKS[seed]))
    values = {name: torch.from_numpy(array) for name, array in graph.weights.items()}
    values["code"] = torch.randn(graph.shapes["code"])
    for step in graph.steps:
        inputs = [values[name] for name in step.inputs]
        result = activate(compute(step.op, inputs, step.attributes), step.activation)
        assert result.shape == graph.shapes[step.output], step
        values[step.output] = result

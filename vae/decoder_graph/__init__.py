"""A decoder as steps of the browser's kernel, from a network of our own or from ONNX."""

from .from_onnx import OutputRule, graph_of_onnx
from .graph import Activation, DecoderGraph, GraphBuilder, GraphError, GraphStep
from .program import Program, lower

__all__ = [
    "Activation",
    "DecoderGraph",
    "GraphBuilder",
    "GraphError",
    "GraphStep",
    "OutputRule",
    "Program",
    "graph_of_onnx",
    "lower",
]

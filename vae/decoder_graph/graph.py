"""A decoder as a list of steps on arrays of known shape: what the browser's kernel is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .operations import activate, compute
from .shapes import shape_of

__all__ = ["Activation", "DecoderGraph", "GraphBuilder", "GraphError", "GraphStep"]

_MOST_NUMBERS = 100_000_000  # of one value
_HALF_MAX = float(np.finfo(np.float16).max)
_MULTIPLIED = ("linear", "conv", "conv_transpose")  # steps whose second input is a large matrix


class GraphError(ValueError):
    """A network that the browser cannot run; the message names the operator and its node."""


@dataclass(frozen=True)
class Activation:
    """A function of single numbers.

    Args:
        kind: one of `operations.ACTIVATIONS`.
        a: its first parameter, if it has any.
        b: its second parameter.
    """

    kind: str
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True)
class GraphStep:
    """One operation.

    Args:
        op: name of the operation, one of those in `operations`.
        inputs: names of values and weights.
        output: name of the value that it computes.
        attributes: what else it needs, such as strides.
        activation: what is applied to the result.
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    activation: Activation | None = None


def is_exact_in_half(numbers: np.ndarray) -> bool:
    """Whether 16 bits hold an array of any shape `(…)` exactly."""
    with np.errstate(over="ignore"):
        return bool((numbers.astype(np.float16) == numbers).all())


@dataclass(frozen=True)
class DecoderGraph:
    """A network with one input, `code`, whose steps are in an order in which they can run.

    Args:
        steps: operations, each after those that it needs.
        weights: constant arrays of any shape `(…)` by name, in 32 bits.
        shapes: shape of every value, with a batch of 1 first.
        output: name of the last value.
    """

    steps: tuple[GraphStep, ...]
    weights: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    output: str

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """The shape of a code, without the batch."""
        return self.shapes["code"][1:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of what it computes for one code: (C, H, W) of an image."""
        return self.shapes[self.output][1:]

    @property
    def multiply_adds(self) -> int:
        """Multiplications by weights, or of two values by each other, for one code."""
        total = 0
        for step in self.steps:
            if step.op not in (*_MULTIPLIED, "product"):
                continue
            inputs = [self.shapes.get(name) or self.weights[name].shape for name in step.inputs]
            size = math.prod(self.shapes[step.output])
            if step.op == "linear" or step.op == "product":
                total += size * inputs[0][-1]
            elif step.op == "conv":
                total += size * math.prod(inputs[1][1:])
            else:
                total += math.prod(inputs[0]) * math.prod(inputs[1][1:])
        return total

    @property
    def size(self) -> int:
        """Bytes of the weights, in 16 bits where that is exact, as the kernel keeps them."""
        arrays = self.weights.values()
        return sum(array.size * (2 if is_exact_in_half(array) else 4) for array in arrays)

    def rounded(self) -> DecoderGraph:
        """This graph with its matrices rounded to 16 bits, where these can hold their range."""
        matrices = {step.inputs[1] for step in self.steps if step.op in _MULTIPLIED}
        weights = dict(self.weights)
        for name in matrices & set(weights):
            if np.abs(weights[name]).max(initial=0) < _HALF_MAX:
                weights[name] = weights[name].astype(np.float16).astype(np.float32)
        return replace(self, weights=weights)

    @torch.no_grad()
    def run(self, codes: Tensor) -> Tensor:
        """Computes the outputs `(N, …)` of codes `(N, …)` step by step, in torch."""
        weights = {name: torch.from_numpy(array) for name, array in self.weights.items()}
        outputs = []
        for code in codes:
            values = weights | {"code": code.float().reshape(self.shapes["code"])}
            for step in self.steps:
                inputs = [values[name] for name in step.inputs]
                result = compute(step.op, inputs, step.attributes)
                values[step.output] = activate(result, step.activation)
            outputs.append(values[self.output][0])
        return torch.stack(outputs)


class GraphBuilder:
    """Collects steps and weights; shapes follow from running each step.

    Args:
        latent_shape: shape of one code.
        device: `meta` runs the steps without numbers, whatever sizes they claim, but imports
            torch's compiler, which takes four seconds; `cpu` runs them on zeros.
    """

    def __init__(self, latent_shape: tuple[int, ...], device: str = "meta") -> None:
        self._zero = torch.zeros((), device=device)
        self.steps: list[GraphStep] = []
        self.weights: dict[str, np.ndarray] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"code": (1, *latent_shape)}

    def weight(self, array: np.ndarray | Tensor, name: str | None = None) -> str:
        """Keeps a constant array; gives its name."""
        if isinstance(array, Tensor):
            array = array.detach().cpu().float().numpy()
        name = name or f"constant-{len(self.weights)}"
        self.weights[name] = np.array(array, np.float32)
        return name

    def add(
        self,
        op: str,
        *inputs: str,
        output: str | None = None,
        activation: Activation | None = None,
        **attributes: Any,
    ) -> str:
        """Adds a step; gives the name of its output.

        Raises:
            GraphError: if the shapes of its inputs do not fit, or its output is too large.
        """
        output = output or f"value-{len(self.steps)}"
        shapes = [self.shape(name) for name in inputs]
        try:
            shape = shape_of(op, shapes, attributes)
        except (ValueError, LookupError, TypeError) as error:
            found = ", ".join("×".join(map(str, shape)) for shape in shapes)
            raise GraphError(f"{op} of {found} does not fit: {error}") from error
        if math.prod(shape) > _MOST_NUMBERS:
            raise GraphError(f"an array of {math.prod(shape):,} numbers, which is too large")
        self.shapes[output] = shape
        self.steps.append(GraphStep(op, tuple(inputs), output, attributes, activation))
        return output

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value or weight."""
        return self.shapes[name] if name in self.shapes else self.weights[name].shape

    def graph(self, output: str) -> DecoderGraph:
        """What was collected, as a graph that ends in `output`."""
        return DecoderGraph(tuple(self.steps), self.weights, self.shapes, output)

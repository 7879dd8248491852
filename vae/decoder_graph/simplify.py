"""Fewer steps for the same function: constants folded into layers, parts put back together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .graph import Activation, DecoderGraph, GraphStep
from .upsampling import transposed_kernel

__all__ = ["simplified"]

_LAYERS = ("linear", "conv", "conv_transpose")
_NORMS = ("group_norm", "layer_norm")
_BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "prelu", "scale_shift")
_ACTIVATED = (*_LAYERS, *_NORMS, *_BINARY)
_CLOSE = 1e-3


def simplified(graph: DecoderGraph) -> DecoderGraph:
    """Rewrites a graph until no rule applies."""
    rewriter = _Rewriter(graph)
    while rewriter.rewrite():
        pass
    return rewriter.graph()


class _Rewriter:
    def __init__(self, graph: DecoderGraph) -> None:
        self.steps = list(graph.steps)
        self.weights = dict(graph.weights)
        self.shapes = dict(graph.shapes)
        self.output = graph.output

    def graph(self) -> DecoderGraph:
        """What is left, without steps and weights that nothing needs."""
        needed, kept = {self.output}, []
        for step in reversed(self.steps):
            if step.output in needed:
                needed |= set(step.inputs)
                kept.append(step)
        weights = {name: array for name, array in self.weights.items() if name in needed}
        shapes = {step.output: self.shapes[step.output] for step in kept}
        shapes["code"] = self.shapes["code"]
        return DecoderGraph(tuple(reversed(kept)), weights, shapes, self.output)

    def rewrite(self) -> bool:
        """One pass over all steps; says whether anything changed."""
        changed = False
        self.uses = Counter(name for step in self.steps for name in step.inputs)
        self.uses[self.output] += 1
        self.makers = {step.output: step for step in self.steps}
        for step in list(self.steps):
            if self.makers.get(step.output) is not step:
                continue  # it was absorbed in this pass
            for rule in _RULES:
                found = rule(self, step)
                if found is not None:
                    self.put(step, found)
                    changed = True
                    break
        self.steps = [self.makers[s.output] for s in self.steps if s.output in self.makers]
        return changed

    def put(self, old: GraphStep, new: GraphStep) -> None:
        """Replaces a step, and forgets those whose outputs nothing uses any more."""
        self.makers[old.output] = new
        for name in new.inputs:
            self.uses[name] += 1
        self.release(old)

    def insert(self, before: GraphStep, new: GraphStep) -> None:
        """Adds a step whose output another is about to use."""
        self.steps.insert(self.steps.index(before), new)
        self.makers[new.output] = new
        for name in new.inputs:
            self.uses[name] += 1

    def release(self, step: GraphStep) -> None:
        for name in step.inputs:
            self.uses[name] -= 1
            if not self.uses[name] and name in self.makers:
                self.release(self.makers.pop(name))

    def before(self, name: str, *ops: str) -> GraphStep | None:
        """The step that makes a value, if it is one of `ops`."""
        step = self.makers.get(name)
        return step if step and step.op in ops else None

    def alone_before(self, name: str, *ops: str) -> GraphStep | None:
        """The same, if nothing else uses the value and nothing was applied to it yet."""
        step = self.before(name, *ops)
        return step if step and self.uses[name] == 1 and step.activation is None else None

    def keep(self, array: np.ndarray) -> str:
        name = f"folded-{len(self.weights)}"
        self.weights[name] = np.ascontiguousarray(array, np.float32)
        return name


def _plain_identity(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    """A step that does nothing hands its work to the one that made its input."""
    if step.op != "identity" or step.activation is not None:
        return None
    maker = r.makers.get(step.inputs[0])
    if maker is None or r.uses[step.inputs[0]] > 1:
        return None
    return replace(maker, output=step.output)


def _activation(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    if step.op != "identity" or step.activation is None:
        return None
    maker = r.before(step.inputs[0], "identity")
    kinds = (maker.activation, step.activation) if maker else (None, None)
    if maker and r.uses[step.inputs[0]] == 1 and all(k and k.kind == "affine" for k in kinds):
        one, other = kinds
        assert one and other
        a, b = one.a * other.a, one.b * other.a + other.b
        trivial = math.isclose(a, 1, rel_tol=1e-6) and abs(b) < 1e-7
        return replace(
            step,
            inputs=maker.inputs,
            activation=None if trivial else Activation("affine", a, b),
        )
    steep = step.activation.kind == "leaky_relu" and not 0 <= step.activation.a <= 1
    maker = r.alone_before(step.inputs[0], *(_BINARY if steep else _ACTIVATED))
    return maker and replace(maker, output=step.output, activation=step.activation)


def _constant_operand(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    """Sums, differences, products and quotients with constants become scales and shifts."""
    if step.op not in ("add", "subtract", "multiply", "divide"):
        return None
    value, constant = step.inputs
    left = value in r.weights
    if left:
        value, constant = constant, value
    if constant not in r.weights or value in r.weights or (left and step.op == "divide"):
        return None
    array = r.weights[constant].astype(np.float64)
    shape = r.shapes[step.output]
    if r.shapes[value] != shape or array.ndim > len(shape):
        return None
    array = array.reshape(*[1] * (len(shape) - array.ndim), *array.shape)
    one, zero = np.ones_like(array), np.zeros_like(array)
    scale, shift = {
        "add": (one, array),
        "subtract": (-one, array) if left else (one, -array),
        "multiply": (array, zero),
        "divide": (1 / np.where(array == 0, np.nan, array), zero),
    }[step.op]
    if not np.isfinite(scale).all():
        return None
    inputs = (value, r.keep(scale), r.keep(shift))
    return replace(step, op="scale_shift", inputs=inputs)


def _along_channels(array: np.ndarray, axis: int, channels: int) -> np.ndarray | None:
    """A constant's numbers `(channels,)` if it differs along one axis only."""
    if array.ndim <= axis or array.size not in (1, array.shape[axis]):
        return None
    return np.broadcast_to(array.ravel(), (channels,)).astype(np.float64)


def _scale_shift(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    """Folds a scale and a shift of each channel into the layer or normalisation before."""
    if step.op != "scale_shift":
        return None
    maker = r.alone_before(step.inputs[0], *_LAYERS, *_NORMS, "scale_shift")
    if maker is None:
        return None
    shape = r.shapes[step.output]
    axis = len(shape) - 1 if maker.op in ("linear", "layer_norm") else 1
    constants = [r.weights[name] for name in step.inputs[1:]]
    if maker.op == "scale_shift":
        one, zero = (r.weights[name].astype(np.float64) for name in maker.inputs[1:])
        folded = (one * constants[0], zero * constants[0] + constants[1])
        return replace(
            maker,
            inputs=(maker.inputs[0], *map(r.keep, folded)),
            output=step.output,
            activation=step.activation,
        )
    constants = [c.reshape(*[1] * (len(shape) - c.ndim), *c.shape) for c in constants]
    found = [_along_channels(c, axis, shape[axis]) for c in constants]
    scale, shift = found
    if scale is None or shift is None:
        return None
    x, weight, bias = maker.inputs
    if weight not in r.weights:
        return None
    old = r.weights[weight].astype(np.float64)
    if maker.op == "conv":
        new = old * scale[:, None, None, None]
    elif maker.op == "conv_transpose":
        split = scale.reshape(maker.attributes["groups"], 1, -1)
        new = old * np.repeat(split, old.shape[0] // len(split), 0).reshape(
            old.shape[0], old.shape[1], 1, 1
        )
    else:  # linear has outputs last; a normalisation has one number a channel
        new = old * scale
    folded_bias = r.weights[bias].astype(np.float64) * scale + shift
    return replace(
        maker,
        inputs=(x, r.keep(new), r.keep(folded_bias)),
        output=step.output,
        activation=step.activation,
    )


def _group_norm(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    """Group normalisation written as reshape, instance normalisation and reshape."""
    if step.op != "reshape":
        return None
    norm = r.alone_before(step.inputs[0], "group_norm")
    first = norm and r.alone_before(norm.inputs[0], "reshape")
    if not norm or not first:
        return None
    shape, flat = r.shapes[step.output], r.shapes[norm.output]
    source = first.inputs[0]
    groups = norm.attributes["groups"]
    if r.shapes.get(source) != shape or len(flat) < 3 or flat[:2] != (1, groups):
        return None
    if len(shape) < 3 or shape[0] != 1 or shape[1] % groups:
        return None
    constants = [np.repeat(r.weights[n], shape[1] // groups) for n in norm.inputs[1:]]
    return replace(norm, inputs=(source, *map(r.keep, constants)), output=step.output)


def _silu(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    if step.op != "multiply" or step.activation is not None:
        return None
    for x, gate in (step.inputs, step.inputs[::-1]):
        maker = r.before(gate, "identity")
        if maker and maker.inputs[0] == x and maker.activation == Activation("sigmoid"):
            return replace(step, op="identity", inputs=(x,), activation=Activation("silu"))
    return None


def _gelu(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    """X · (1 + erf(x / √2)), which is 2 · GELU(x)."""
    if step.op != "multiply" or step.activation is not None:
        return None

    def affine(name: str, a: float, b: float) -> str | None:
        maker = r.before(name, "identity")
        found = maker.activation if maker else None
        if not maker or not found or found.kind != "affine":
            return None
        close = abs(found.a - a) < _CLOSE and abs(found.b - b) < _CLOSE
        return maker.inputs[0] if close else None

    for x, gate in (step.inputs, step.inputs[::-1]):
        inner = affine(gate, 1, 1)
        maker = inner and r.before(inner, "identity")
        if not maker or maker.activation != Activation("erf"):
            continue
        source = affine(maker.inputs[0], math.sqrt(0.5), 0)
        if source is None:
            continue
        if affine(x, 0.5, 0) == source:
            return replace(step, op="identity", inputs=(source,), activation=Activation("gelu"))
        if source == x:
            name = f"{step.output}-half"
            r.shapes[name] = r.shapes[step.output]
            part = GraphStep("identity", (x,), name, {}, Activation("gelu"))
            r.insert(step, part)
            return replace(
                step, op="identity", inputs=(name,), activation=Activation("affine", 2.0, 0.0)
            )
    return None


def _padded_conv(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    if step.op != "conv":
        return None
    pad = r.alone_before(step.inputs[0], "pad")
    if not pad or pad.attributes["value"] != 0:
        return None
    left, right, top, bottom, *others = (*pad.attributes["pads"], 0, 0, 0, 0)[:8]
    if any(others) or min(left, right, top, bottom) < 0:
        return None
    pads = step.attributes["pads"]
    more = tuple(a + b for a, b in zip(pads, (top, left, bottom, right), strict=True))
    attributes = {**step.attributes, "pads": more}
    return replace(step, inputs=(pad.inputs[0], *step.inputs[1:]), attributes=attributes)


def _upsampled_conv(r: _Rewriter, step: GraphStep) -> GraphStep | None:
    """A convolution of an image whose pixels were repeated, without the large image."""
    if step.op != "conv" or step.inputs[1] not in r.weights:
        return None
    resize = r.alone_before(step.inputs[0], "resize")
    weight = r.weights[step.inputs[1]]
    plain = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "groups": 1}
    if not resize or weight.shape[2:] != (3, 3) or step.attributes != plain:
        return None
    for name, size in zip(resize.inputs[1:], r.shapes[resize.inputs[0]][2:], strict=True):
        first, _, share = r.weights[name]
        if share.any() or not np.array_equal(first, np.arange(2 * size) // 2):
            return None
    return replace(
        step,
        op="conv_transpose",
        inputs=(resize.inputs[0], r.keep(transposed_kernel(weight)), *step.inputs[2:]),
        attributes={**plain, "strides": (2, 2)},
    )


_RULES: tuple[Callable[[_Rewriter, GraphStep], GraphStep | None], ...] = (
    _constant_operand,
    _scale_shift,
    _group_norm,
    _silu,
    _gelu,
    _padded_conv,
    _upsampled_conv,
    _activation,
    _plain_identity,
)

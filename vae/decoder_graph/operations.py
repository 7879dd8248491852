"""What each step of a graph computes, in torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from .graph import Activation

__all__ = ["ACTIVATIONS", "activate", "compute"]

ACTIVATIONS: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "leaky_relu": lambda x, a, b: F.leaky_relu(x, a),  # a = 0: ReLU
    "clip": lambda x, a, b: x.clamp(a, b),
    "elu": lambda x, a, b: F.elu(x, a),
    "gelu": lambda x, a, b: F.gelu(x),
    "gelu_tanh": lambda x, a, b: F.gelu(x, approximate="tanh"),
    "silu": lambda x, a, b: F.silu(x),
    "sigmoid": lambda x, a, b: torch.sigmoid(x),
    "tanh": lambda x, a, b: torch.tanh(x),
    "softplus": lambda x, a, b: F.softplus(x),
    "exp": lambda x, a, b: torch.exp(x),
    "sqrt": lambda x, a, b: torch.sqrt(x),
    "erf": lambda x, a, b: torch.erf(x),
    "abs": lambda x, a, b: torch.abs(x),
    "reciprocal": lambda x, a, b: torch.reciprocal(x),
    "affine": lambda x, a, b: a * x + b,
    "hard_sigmoid": lambda x, a, b: (a * x + b).clamp(0, 1),
    "square": lambda x, a, b: x * x,
}
"""Functions of single numbers; the order is the kernel's."""


def activate(x: Tensor, activation: Activation | None) -> Tensor:
    """Applies an activation to numbers of any shape `(…)`, if there is one."""
    if activation is None:
        return x
    return ACTIVATIONS[activation.kind](x, activation.a, activation.b)


def _conv(x: Tensor, weight: Tensor, bias: Tensor, a: Mapping[str, Any]) -> Tensor:
    top, left, bottom, right = a["pads"]
    padded = F.pad(x, (left, right, top, bottom))
    return F.conv2d(padded, weight, bias, a["strides"], 0, a["dilations"], a["groups"])


def _conv_transpose(x: Tensor, weight: Tensor, bias: Tensor, a: Mapping[str, Any]) -> Tensor:
    top, left, bottom, right = a["pads"]  # negative where the output is larger than what is hit
    whole = F.conv_transpose2d(x, weight, None, a["strides"], 0, 0, a["groups"], a["dilations"])
    return F.pad(whole, (-left, -right, -top, -bottom)) + bias[:, None, None]


def _group_norm(x: Tensor, scale: Tensor, shift: Tensor, a: Mapping[str, Any]) -> Tensor:
    return F.group_norm(x, a["groups"], scale, shift, a["epsilon"])


def _layer_norm(x: Tensor, scale: Tensor, shift: Tensor, a: Mapping[str, Any]) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], scale, shift, a["epsilon"])


def _reduce(x: Tensor, a: Mapping[str, Any]) -> Tensor:
    axes = tuple(a["axes"])
    if a["kind"] == "max":
        return x.amax(axes, keepdim=True)
    total = x.sum(axes, keepdim=True)
    return total / math.prod(x.shape[i] for i in axes) if a["kind"] == "mean" else total


def _slice(x: Tensor, a: Mapping[str, Any]) -> Tensor:
    start, step, count = a["start"], a["step"], a["count"]
    if start + (count - 1) * step >= x.shape[a["axis"]] or start < 0 or count < 1 or step < 1:
        raise ValueError(f"numbers from {start}, {count} in steps of {step}")
    return x.narrow(a["axis"], start, (count - 1) * step + 1)[
        (slice(None),) * a["axis"] + (slice(None, None, step),)
    ]


def _resize(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Mixes two rows and two columns: tables of first index, second, and the second's share."""
    for axis, table in ((2, rows), (3, columns)):
        share = table[2].reshape(-1, *([1] * (3 - axis)))
        one, other = (x.index_select(axis, table[i].long()) for i in (0, 1))
        x = one * (1 - share) + other * share
    return x


def _pad(x: Tensor, a: Mapping[str, Any]) -> Tensor:
    return F.pad(x, tuple(a["pads"]), value=a["value"])  # last axis first, as torch has them


_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "linear": lambda x, w, bias, a: x @ w + bias,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "product": lambda x, y, a: x @ y,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "softmax": lambda x, a: x.softmax(-1),
    "identity": lambda x, a: x,
    "add": lambda x, y, a: x + y,
    "subtract": lambda x, y, a: x - y,
    "multiply": lambda x, y, a: x * y,
    "divide": lambda x, y, a: x / y,
    "maximum": lambda x, y, a: torch.maximum(x, y),
    "minimum": lambda x, y, a: torch.minimum(x, y),
    "prelu": lambda x, slope, a: x.clamp(min=0) + slope * x.clamp(max=0),
    "scale_shift": lambda x, scale, shift, a: x * scale + shift,
    "reduce": _reduce,
    "reshape": lambda x, a: x.reshape(a["shape"]),
    "transpose": lambda x, a: x.permute(a["axes"]),
    "slice": _slice,
    "expand": lambda x, a: x.expand(a["shape"]),
    "concat": lambda *parts: torch.cat(parts[:-1], parts[-1]["axis"]),
    "pad": _pad,
    "resize": lambda x, rows, columns, a: _resize(x, rows, columns),
}


def compute(op: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """What a step gives, before its activation.

    Args:
        op: name of the operation.
        inputs: values and weights, of any shapes `(…)` that fit.
        attributes: what else the operation needs, such as strides.
    """
    return _OPERATIONS[op](*inputs, attributes)

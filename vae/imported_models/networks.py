"""Networks of any origin under one call: a tensor in, a list of tensors out."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor, nn

from ..decoder_graph import GraphError, graph_of_onnx
from ..decoder_graph.operations import activate, compute
from .onnx_file import ImportedModelError, read_onnx_model
from .session import OnnxSession

__all__ = ["ModuleNetwork", "Network", "OnnxNetwork", "network_of", "try_network"]

_open: WeakValueDictionary[tuple[str, int, int], OnnxSession] = WeakValueDictionary()
_opening = threading.Lock()
_MOST_IN_TORCH = 500_000_000  # multiply-adds; the app's own process computes gradients
_FIELDS = (  # of answers that are objects: of a posterior, and of what wraps one
    ("mean", ("log_variance", "logvar", "log_var", "log_covariance")),
    ("mean", ("stddev", "std", "scale")),
    ("embedding", ("log_covariance",)),
    ("embedding", ()),
    ("mean", ()),
)
_NAMES = (
    "latent_dist",
    "reconstruction",
    "sample",
    *dict.fromkeys(name for first, seconds in _FIELDS for name in (first, *seconds)),
)


class Network(nn.Module):
    """A network whose answer is a list of tensors, the batch first in each.

    Args:
        input_shape: shape of an input without the batch, or None where it is not known.
    """

    def __init__(self, input_shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.input_shape = input_shape

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, as far as they are known."""
        return ()


class ModuleNetwork(Network):
    """A PyTorch module, or one of its methods.

    Args:
        module: module, which is put into eval mode.
        method: name of the method that is called; its own call by default.
    """

    def __init__(self, module: nn.Module, method: str = "") -> None:
        super().__init__(None)
        self.module = module.eval()
        self.method = method
        self._names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs of the last call, where the answer has some."""
        return self._names

    def forward(self, x: Tensor) -> list[Tensor]:
        """Calls the module.

        Args:
            x: batch `(B, …)`.

        Raises:
            ImportedModelError: if the answer holds no tensors.
        """
        called: Callable[..., Any] = getattr(self.module, self.method or "__call__")
        answer = called(x)
        self._names, tensors = _tensors_in(answer)
        if not tensors or any(len(t) != len(x) for t in tensors):
            found = [tuple(t.shape) for t in tensors] or type(answer).__name__
            raise ImportedModelError(
                f"{type(self.module).__name__} returns {found} for {len(x)} inputs; expected a "
                "tensor with one row for each, or a tuple of such tensors."
            )
        return tensors


def _tensors_in(answer: Any) -> tuple[tuple[str, ...], list[Tensor]]:
    """The tensors of an answer, with their names where it has some."""
    if isinstance(answer, Tensor):
        return (), [answer]
    if isinstance(answer, torch.distributions.Distribution):
        return ("mean", "stddev"), [answer.mean, answer.stddev]
    if isinstance(answer, tuple | list):
        return (), [part for part in answer if isinstance(part, Tensor)]
    if isinstance(answer, Mapping):
        fields = dict(answer)
    else:
        fields = {name: getattr(answer, name) for name in _NAMES if hasattr(answer, name)}
    if (inner := fields.get("latent_dist")) is not None:
        return _tensors_in(inner)
    named = {name: value for name, value in fields.items() if isinstance(value, Tensor)}
    for first, seconds in _FIELDS:
        second = [name for name in seconds if name in named]
        if first in named and (second or not seconds):
            chosen = [first, *second[:1]]
            return tuple(chosen), [named[name] for name in chosen]
    return tuple(named), list(named.values())


class OnnxNetwork(Network):
    """An ONNX file, which runs in a process of its own.

    Where a gradient is asked for, torch computes the same steps, as far as the browser's kernel
    knows them; otherwise there is none.

    Args:
        file: path of a file that `read_onnx_model` accepts, with all weights inside.
        trial: whether to run it with little memory and time, as a stranger's is run first.

    Raises:
        ImportedModelError: if the file cannot be used.
    """

    def __init__(self, file: str | Path, *, trial: bool = False) -> None:
        self.file = Path(file)
        model = read_onnx_model(self.file)
        weights = {tensor.name for tensor in model.graph.initializer}
        entry = next(entry for entry in model.graph.input if entry.name not in weights)
        sides = [d.dim_value for d in entry.type.tensor_type.shape.dim]
        super().__init__(tuple(sides[1:]))
        batch = sides[0] or None
        if trial:
            self.session = OnnxSession(self.file, batch, memory=300_000_000, seconds=2)
            return
        status = self.file.stat()
        key = (str(self.file.resolve()), status.st_mtime_ns, status.st_size)
        with _opening:  # all who open a model share its process
            session = _open.get(key)
            if session is None:
                session = _open[key] = OnnxSession(self.file, batch)
        self.session = session

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self.session.names

    def forward(self, x: Tensor) -> list[Tensor]:
        """Computes the outputs `(B, …)`, float32, of inputs `(B, …)`."""
        assert self.input_shape is not None
        if x.requires_grad and torch.is_grad_enabled() and self._in_torch is not None:
            return [self._in_torch(x.float().reshape(len(x), *self.input_shape)).to(x.dtype)]
        given = x.detach().cpu().numpy().astype(np.float32).reshape(len(x), *self.input_shape)
        return [torch.from_numpy(np.array(a)).to(x.device) for a in self.session(given)]

    @functools.cached_property
    def _in_torch(self) -> Callable[[Tensor], Tensor] | None:
        """The network as steps of torch, for a batch; None where they are not known."""
        try:
            graph = graph_of_onnx(read_onnx_model(self.file), self.input_shape)
        except (GraphError, RuntimeError):
            return None
        if len(self.names) > 1 or graph.multiply_adds > _MOST_IN_TORCH:
            return None
        weights = {name: torch.from_numpy(array) for name, array in graph.weights.items()}

        def one(x: Tensor) -> Tensor:
            values = weights | {"code": x.reshape(graph.shapes["code"])}
            for step in graph.steps:
                inputs = [values[name] for name in step.inputs]
                result = compute(step.op, inputs, step.attributes)
                values[step.output] = activate(result, step.activation)
            return values[graph.output][0]

        return torch.vmap(one)


def try_network(file: str | Path) -> None:
    """Runs a stranger's network once, with little memory and time.

    Args:
        file: path of an ONNX file, with all weights inside.

    Raises:
        ImportedModelError: if it cannot be computed so.
    """
    network = OnnxNetwork(file, trial=True)
    assert network.input_shape is not None
    try:
        network(torch.zeros(1, *network.input_shape))
    finally:
        network.session.close()


def network_of(source: Any, method: str) -> Network:
    """A network of a module, of a module's method, or of an ONNX file.

    Args:
        source: `nn.Module`, or the path of an ONNX file.
        method: `"encode"` or `"decode"`: called if the module has it.

    Raises:
        ImportedModelError: if it is something else, or the file cannot be used.
    """
    if isinstance(source, Network):
        return source
    if isinstance(source, nn.Module):
        return ModuleNetwork(source, method if callable(getattr(source, method, None)) else "")
    if isinstance(source, str | Path):
        return OnnxNetwork(source)
    raise ImportedModelError(
        f"The {method}r is {type(source).__name__}; expected an nn.Module or an ONNX file."
    )

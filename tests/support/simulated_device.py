"""A device that is none: every tensor on it computes on the CPU, but by a GPU's rules.

Tensors of different devices do not mix, noise on the device comes from the device's generators,
`numpy()` needs `cpu()` first: where code breaks one of these rules, it breaks here too. What the
kernels of a real GPU compute, and how fast, is not simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

__all__ = ["DEVICE", "simulated_device"]


class _Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend(rename="simulated", backend_module=_Backend())
DEVICE = torch.device("simulated", 0)
_MARK = 1 << 62
_REAL = torch.Generator


class _There(Tensor):
    """A tensor on the device; `held` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> _There:
        made = Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), dtype=held.dtype, device=DEVICE
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _compute(func, args, kwargs or {})

    def tolist(self) -> list:  # as GPUs' tensors do
        return self.held.tolist()

    def __repr__(self) -> str:
        return f"on the device: {self.held!r}"


class _Everywhere(TorchDispatchMode):
    """Sees what only names the device, too."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _compute(func, args, kwargs or {})


class _Generator(torch.Generator):
    """One of the device is one of the CPU whose seeds have a mark that operations can see."""

    def __new__(cls, device: Any = "cpu") -> _Generator:
        made = super().__new__(cls, "cpu")
        made.there = torch.device(device).type == DEVICE.type
        return made.manual_seed(0)

    @property
    def device(self) -> torch.device:
        return DEVICE if self.there else torch.device("cpu")

    def manual_seed(self, seed: int) -> _Generator:
        return super().manual_seed(seed | _MARK if self.there else seed)


def _compute(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    lands = any(isinstance(tensor, _There) for tensor in tensors)
    copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    for tensor in tensors:
        if lands and not copies and not isinstance(tensor, _There) and tensor.dim() > 0:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device.")
    if kwargs.get("device") is not None:
        lands = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs = kwargs | {"device": torch.device("cpu")}
    for leaf in leaves:
        if isinstance(leaf, _REAL) and lands != bool(leaf.initial_seed() & _MARK):
            raise RuntimeError(f"{func}: the generator is of another device.")
    here = tree_map(lambda leaf: leaf.held if isinstance(leaf, _There) else leaf, (args, kwargs))
    made = func(*here[0], **here[1])
    known = {id(tensor.held): tensor for tensor in tensors if isinstance(tensor, _There)}

    def wrap(leaf: Any) -> Any:
        if not lands or not isinstance(leaf, Tensor):
            return leaf
        # What is changed in place, or handed through, stays the tensor that it was.
        return known[id(leaf)] if id(leaf) in known else _There(leaf)

    return tree_map(wrap, made)


@contextmanager
def simulated_device() -> Iterator[torch.device]:
    """Lets tensors live on `DEVICE` while it lasts."""
    with mock.patch.object(torch, "Generator", _Generator), _Everywhere():
        yield DEVICE

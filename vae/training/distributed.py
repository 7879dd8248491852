"""Processes that `torchrun` started to work together; one alone is a group too."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["Group", "end", "join", "leave"]


@dataclass(frozen=True)
class Group:
    """The processes that work together, as one of them sees them.

    Args:
        rank: this process's number; 0 alone writes files.
        size: how many there are.
        device: where this process computes.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this is the one process that writes."""
        return self.rank == 0

    def share(self, count: int) -> tuple[slice, float]:
        """This process's part of a batch of `count` images, and its weight.

        The weights add up to 1; where there are fewer images than processes, some process the
        first one with weight 0, because all must take part in every step.
        """
        part = slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)
        weight = (part.stop - part.start) / count
        return (part if weight else slice(0, 1)), weight

    def sum(self, values: Tensor) -> Tensor:
        """Adds the processes' tensors, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def from_first(self, values: Tensor) -> Tensor:
        """Overwrites a tensor with the first process's, in place."""
        if self.size > 1:
            dist.broadcast(values, 0)
        return values

    def object_from_first(self, value: Any) -> Any:
        """Gives every process the value that the first one passes."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, 0, device=self.device)
        return values[0]


def join(device: str | torch.device = "auto") -> Group:
    """Joins the processes that `torchrun` started: NCCL where there are GPUs, else gloo.

    Args:
        device: `cpu`; `cuda`; `auto`, which takes a GPU where there is one; or a device of
            torch's, for a process that is alone.
    """
    if isinstance(device, torch.device):
        return Group(device=device)
    cuda = torch.cuda.is_available() if device == "auto" else device == "cuda"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = torch.device("cpu")
    if cuda:
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(chosen)
    if size == 1:
        return Group(device=chosen)
    dist.init_process_group("nccl" if cuda else "gloo", device_id=chosen if cuda else None)
    return Group(dist.get_rank(), size, chosen)


def leave(group: Group) -> None:
    """Ends what `join` began."""
    if group.size > 1:
        dist.destroy_process_group()


def end(code: int) -> NoReturn:
    """Ends a command's process; one of several at once, without shutting the interpreter down.

    Gloo's threads outlive the group that DistributedDataParallel has used. One that releases its
    last tensor when the interpreter is gone aborts the process, and `torchrun` ends the others.

    Args:
        code: 0 where all went well.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)

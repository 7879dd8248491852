"""The group of processes that `torchrun` started; a single process is a group as well."""

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
    """A group of processes that train together, from the point of view of one of them.

    Args:
        rank: number of this process; rank 0 alone writes files.
        size: number of processes.
        device: device on which this process computes.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def share(self, count: int) -> tuple[slice, float]:
        """The slice of a batch of `count` images that this process handles, and its weight.

        The weights sum to 1. If there are fewer images than processes, some processes handle the
        first image with weight 0, because all have to take part in every step.
        """
        part = slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)
        weight = (part.stop - part.start) / count
        return (part if weight else slice(0, 1)), weight

    def sum(self, values: Tensor) -> Tensor:
        """Sums a tensor over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def from_first(self, values: Tensor) -> Tensor:
        """Overwrites a tensor with that of rank 0, in place."""
        if self.size > 1:
            dist.broadcast(values, 0)
        return values

    def object_from_first(self, value: Any) -> Any:
        """Returns the value that rank 0 passes, in every process."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, 0, device=self.device)
        return values[0]


def join(device: str | torch.device = "auto") -> Group:
    """Joins the processes that `torchrun` started, with NCCL on GPUs and Gloo otherwise.

    Args:
        device: `cpu`; `cuda`; `auto`, which uses a GPU if there is one; or a `torch.device`, for
            a single process.
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
    """Leaves the group that `join` returned."""
    if group.size > 1:
        dist.destroy_process_group()


def end(code: int) -> NoReturn:
    """Exits the process; under `torchrun` immediately (`os._exit`).

    Gloo threads may outlive the interpreter: a thread that releases its last tensor after
    shutdown aborts the process, and `torchrun` then ends the others.

    Args:
        code: exit status, 0 for success.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)

"""The batches of training, in an order that depends on the seed alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..datasets import DatasetError, Images
from .distributed import Group

__all__ = ["batches", "generator", "in_memory", "in_order", "steps_per_epoch"]

_FITS = 2 << 30  # bytes of images that are kept in memory; larger sets are read batch by batch


def steps_per_epoch(count: int, batch_size: int) -> int:
    """The number of batches in an epoch of `count` images; the last batch may be smaller."""
    return math.ceil(count / batch_size)


def batches(
    images: Any,
    batch_size: int,
    seed: int,
    first: int,
    last: int,
    *,
    group: Group,
    workers: int = 0,
) -> Iterator[tuple[Tensor, int]]:
    """Yields this process's part of the batches of steps `first` to `last` − 1.

    Args:
        images: `(N, C, H, W)`: a uint8 tensor, `Images`, or a sequence that returns float images
            in [0, 1] for a list of rows.
        batch_size: images in a batch, over all processes.
        seed: seed of the order, which differs between epochs.
        first: number of the first step, counted from the start of training.
        last: number of the step after the last one.
        group: processes that share each batch.
        workers: processes that prefetch images which are not in memory.

    Yields:
        Images `(b, C, H, W)`, float32 in [0, 1] on the group's device, and the size of the whole
        batch.

    Raises:
        DatasetError: if an image cannot be read.
    """
    device = group.device
    held = getattr(images, "uint8", images)
    if isinstance(held, Tensor):
        if device.type == "cuda" and held.nbytes < torch.cuda.mem_get_info(device)[0] // 4:
            held = held.to(device)
        for rows, size in _Order(len(held), batch_size, seed, first, last, group).steps():
            x = held.index_select(0, rows.to(held.device)).to(device)
            x = x / 255 if x.dtype == torch.uint8 else x
            yield x.contiguous(memory_format=torch.channels_last), size
        return
    order = _Order(len(images), batch_size, seed, first, last, group)
    loader = DataLoader(
        _ByRows(images),
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_same,
        pin_memory=device.type == "cuda",
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # workers' seeds, which nothing here uses
    )
    for x, (_, size) in zip(loader, order.steps(), strict=True):
        if isinstance(x, str):
            raise DatasetError(x)
        yield x.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last), size


def in_memory(images: Any, workers: int = 0, fits: int = _FITS) -> Any:
    """Reads images from disk into memory as bytes, if they fit.

    Args:
        images: images of a dataset.
        workers: processes that read them.
        fits: largest number of bytes that is kept in memory.

    Raises:
        DatasetError: if an image is damaged; the message names it.
    """
    if getattr(images, "uint8", images) is not None or math.prod(images.shape) > fits:
        return images
    held = torch.empty(images.shape, dtype=torch.uint8)
    start = 0
    for x in in_order(images, range(len(images)), 64, workers):
        held[start : start + len(x)] = x.mul(255).round_().byte()
        start += len(x)
    return Images(held)


def in_order(images: Any, rows: Sequence[int], batch: int, workers: int = 0) -> Iterator[Tensor]:
    """Yields batches `(b, C, H, W)` in [0, 1] of the given rows, prefetched if they lie on disk.

    Args:
        images: images of a dataset.
        rows: row numbers, in the order of the output.
        batch: images in a batch.
        workers: processes that read images from disk.

    Raises:
        DatasetError: if an image is damaged; the message names it.
    """
    parts = [list(rows[i : i + batch]) for i in range(0, len(rows), batch)]
    if getattr(images, "uint8", images) is not None:
        yield from (images[part] for part in parts)
        return
    loader = DataLoader(
        _ByRows(images),
        batch_sampler=parts,
        num_workers=workers,
        collate_fn=_same,
        generator=torch.Generator(),
    )
    for x in loader:
        if isinstance(x, str):
            raise DatasetError(x)
        yield x


def generator(seed: int, number: int, stream: int, device: torch.device) -> torch.Generator:
    """A random generator whose state depends on the arguments alone.

    Args:
        seed: seed of the training run.
        number: number of the step or the epoch.
        stream: distinguishes generators of the same number.
        device: device on which the noise is drawn.
    """
    return torch.Generator(device).manual_seed((seed * 1_000_003 + number) * 4 + stream)


@dataclass(frozen=True)
class _Order(Sampler):
    """Rows of each step, shuffled epoch by epoch, so that memory does not grow with the run."""

    count: int
    batch_size: int
    seed: int
    first: int
    last: int
    group: Group

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[list[int]]:
        return (rows.tolist() for rows, _ in self.steps())

    def steps(self) -> Iterator[tuple[Tensor, int]]:
        per_epoch = steps_per_epoch(self.count, self.batch_size)
        epoch, order = -1, torch.empty(0)
        for step in range(self.first, self.last):
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                source = generator(self.seed, epoch, 1, torch.device("cpu"))
                order = torch.randperm(self.count, generator=source)
            start = step % per_epoch * self.batch_size
            rows = order[start : start + self.batch_size]
            yield rows[self.group.share(len(rows))[0]], len(rows)


class _ByRows(Dataset):
    """Reads whole batches; of a damaged image it passes the error message on, not a traceback."""

    def __init__(self, images: Any) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitems__(self, rows: list[int]) -> Tensor | str:
        try:
            return self._images[rows]
        except DatasetError as error:
            return str(error)


def _same(batch: Any) -> Any:
    return batch

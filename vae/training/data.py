"""The images of each training step, in an order that follows from the seed alone."""

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

_FITS = 2 << 30  # bytes of images that are kept in memory; larger sets are read as they are needed


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Batches that `count` images make; the last may be smaller."""
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
    """Yields this process's images of the steps `first` to `last` − 1, and the whole batch's size.

    Args:
        images: `(N, C, H, W)`: a uint8 tensor or `Images`, batched by index, or anything that
            gives float images in [0, 1] when it is indexed by a list of rows.
        batch_size: images in each step, over all processes.
        seed: of the order, which is another one in each epoch.
        first: number of the first step, counted from the start of training.
        last: number of the step to end before.
        group: the processes that share each batch.
        workers: processes that read images ahead where they are not in memory.

    Yields:
        `(b, C, H, W)` float32 in [0, 1] on the group's device, and the batch's size.

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
    """Reads images that lie on disk into memory as bytes, if they fit.

    Args:
        images: of a dataset.
        workers: processes that read.
        fits: bytes of images that may be kept.

    Raises:
        DatasetError: an image is broken; the sentence names it.
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
    """Yields images `(b, C, H, W)` in [0, 1] of the rows given, read ahead if they lie on disk.

    Args:
        images: of a dataset.
        rows: in the order wanted.
        batch: images at a time.
        workers: processes that read.

    Raises:
        DatasetError: an image is broken; the sentence names it.
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
    """A source of noise that follows from its arguments alone.

    Args:
        seed: of the training.
        number: of the step or the epoch.
        stream: tells sources of the same number apart.
        device: where the noise is drawn.
    """
    return torch.Generator(device).manual_seed((seed * 1_000_003 + number) * 4 + stream)


@dataclass(frozen=True)
class _Order(Sampler):
    """Rows of each step, drawn epoch by epoch: a long run takes no more memory than a short."""

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
    """Reads whole batches, and hands a broken image's sentence on instead of a traceback."""

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

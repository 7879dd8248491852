"""Preparation of a run (data, network, estimated time), and explanations of its errors."""

from __future__ import annotations

import functools
import math
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import CheckpointError, load_card, load_checkpoint, load_codes
from ..code_distribution import load_code_distribution
from ..code_fitting import IMAGES, plan_fit
from ..config import ConfigError, VAEConfig
from ..datasets import Dataset, is_path, load_dataset
from ..datasets.base import Progress
from ..files import explain_refusal, is_full
from ..imports import BrokenPictures, find_import, import_source, name_for
from ..locations import data_folder
from ..model import VAE, Decoder
from ..tensors import read_tensors
from ..training.data import steps_per_epoch
from ..training.distributed import join, leave
from ..training.loop import TrainingError, train
from .config import RunConfig

__all__ = [
    "SHARE",
    "describe_damage",
    "describe_data",
    "estimate",
    "explain",
    "prepare",
    "settle_dataset",
    "threads",
]


SHARE = 0.2  # of the time of training, that the distribution of codes may take


def settle_dataset(
    config: RunConfig,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    follow_links: bool = False,
) -> RunConfig:
    """Imports the pictures of a path, and settles which version of an import a run uses.

    Args:
        config: configuration of a new run.
        progress: called with the fraction done, 0…1, and a message, while pictures are imported.
        cancelled: function that returns whether to stop.
        follow_links: whether to follow links in the folder.

    Returns:
        The configuration, whose dataset is `NAME@VERSION` unless it is a shipped one.

    Raises:
        DatasetError: if the pictures cannot be used.
        BrokenPictures: if some cannot be read; the message names a command that leaves them out.
        CheckpointError: if the checkpoint to start from cannot be read.
    """
    name, imported = config.dataset, find_import(config.dataset)
    if name == "celeba":  # its photographs would be decoded anew in every epoch
        load_dataset(name, "train", progress)
        name = str(data_folder() / "celeba")
    if imported is not None and (
        not is_path(name) or imported.card["source"] != os.path.abspath(name)
    ):
        return replace(config, dataset=imported.reference)
    if not is_path(name):
        return config
    sides = _load_start(config.start).config.image_shape if config.start else None
    try:
        imported = import_source(
            name,
            f"celeba-{sides[1] if sides else 64}"
            if config.dataset == "celeba"
            else name_for(name),
            image_size=sides[1:] if sides else None,
            colour=None if sides is None else "grey" if sides[0] == 1 else "colour",
            progress=progress,
            cancelled=cancelled,
            follow_links=follow_links,
        )
    except BrokenPictures as error:
        raise BrokenPictures(
            f"{error} Mend them, or leave them out: python -m vae import {shlex.quote(name)} "
            f"--name {name_for(name)} --skip-broken"
        ) from error
    return replace(config, dataset=imported.reference)


def _load_start(name: str) -> VAE:
    """The model whose weights a run starts from."""
    model = load_checkpoint(name)
    if not isinstance(model.decoder, Decoder):
        raise ConfigError(
            f"{name} is an imported model, which is not trained here; expected one that was "
            "trained here. Leave out --from."
        )
    return model


def prepare(config: RunConfig) -> tuple[Dataset, Dataset, VAE]:
    """Loads the data and builds the network, with weights that depend on the seed alone.

    Returns:
        Training images, held-out images, and the model.

    Raises:
        DatasetError: if the data cannot be used.
        ConfigError: if the configuration does not fit the data or the checkpoint.
        CheckpointError: if the initial weights cannot be read.
        TrainingError: if there are no training images.
    """
    shape = None
    if config.start:
        model = _load_start(config.start)
        shape = model.config.image_shape
    data = load_dataset(config.dataset, "train", image_shape=shape)
    heldout = load_dataset(config.dataset, "test", image_shape=shape)
    if config.start:
        for name, value in config.model.items():
            inherited = getattr(model.config, name)
            if inherited != (tuple(value) if isinstance(value, list) else value):
                raise ConfigError(
                    f"{name} is {value} here and {inherited} in {config.start}. Leave it out: the "
                    "network is the checkpoint's."
                )
    else:
        if len(data) == 0:
            raise TrainingError("There are no images to train on; choose a dataset with some.")
        fields = {**config.model, "image_shape": data.images.shape[1:]}
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(config.training.seed)
            model = VAE(VAEConfig.from_dict(fields))
    return data, heldout, model


def describe_data(data: Dataset, before: dict[str, Any]) -> dict[str, Any]:
    """The fields of a run's card that describe its images.

    Args:
        data: training images.
        before: card of the run before it was resumed; empty for a new run.

    Returns:
        `fingerprint`, `notices` (messages for visitors), and `changed_meanwhile`: whether the
        images changed while the run was stopped.
    """
    changed = before.get("fingerprint", data.fingerprint) != data.fingerprint
    changed = changed or before.get("images", len(data)) != len(data)  # of a dataset that ships
    changed = changed or bool(before.get("changed_meanwhile"))
    notice = (
        "The pictures changed while this run was stopped: some that are held out now may have "
        "been trained on before."
    )
    return {
        "fingerprint": data.fingerprint,
        "notices": [*data.notices, *([notice] if changed else [])],
        "changed_meanwhile": changed,
    }


def estimate(
    config: RunConfig, device: str | torch.device = "auto", batches: int = 5
) -> dict[str, float]:
    """Estimates the time of a run from a few steps.

    Args:
        config: configuration of the run.
        device: `cpu`, `cuda`, `auto`, or another device of torch.
        batches: number of measured steps, after two for warm-up.

    Returns:
        `seconds_per_epoch`, `seconds`, `images_per_second`, `images`, `parameters`, and
        `fit_seconds`, for the distribution of the codes at the end.
    """
    group = join(device)
    with threads(config.threads):
        data, _, model = prepare(settle_dataset(config))
        model.to(group.device)
        per_epoch = steps_per_epoch(len(data), config.training.batch_size)
        training = replace(config.training, epochs=math.ceil((batches + 2) / per_epoch))
        since, images_seen = 0.0, 0
        for progress in train(model, data.images, training, group=group):
            if progress.step == 2 or (per_epoch == 1 and progress.step == 1):
                since, images_seen = time.perf_counter(), 0
            images_seen += min(config.training.batch_size, len(data))
            if progress.step >= batches + 2:
                break
        images_seen -= min(config.training.batch_size, len(data))
        speed = max(images_seen, 1) / max(time.perf_counter() - since, 1e-9)
        seconds = len(data) / speed * config.training.epochs
        fit = 0.0
        if config.fit_codes:
            count = min(len(data), IMAGES)
            fit = plan_fit(count, model.latent_dim, budget=SHARE * seconds).seconds
    leave(group)
    return {
        "seconds_per_epoch": len(data) / speed,
        "seconds": seconds,
        "fit_seconds": fit,
        "images_per_second": speed,
        "images": len(data),
        "parameters": model.config.parameter_count(),
    }


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Sets the number of torch's threads during the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe_damage(folder: str | Path) -> list[str]:
    """Messages on the damaged files of a run's checkpoint, and on what is lost with each.

    Args:
        folder: folder of a run on which no process works.
    """
    changed = tuple(
        file.stat().st_mtime_ns for name in _CHECKPOINT if (file := Path(folder) / name).exists()
    )
    return list(_describe_damage(Path(folder), changed))


# The function that reads each file, and the consequence if it is damaged.
_CHECKPOINT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "state.safetensors": (
        lambda folder: read_tensors(folder / "state.safetensors"),
        "Without it the run cannot be resumed; its other files can be used.",
    ),
    "model.safetensors": (load_checkpoint, "A resumed run writes it again."),
    "codes.safetensors": (load_codes, ""),
    "code-distribution.safetensors": (load_code_distribution, ""),
    "card.json": (load_card, "A resumed run does so as well."),
}


@functools.lru_cache(maxsize=64)
def _describe_damage(folder: Path, _changed: tuple[int, ...]) -> tuple[str, ...]:
    messages = []
    for name, (read, consequence) in _CHECKPOINT.items():
        if (folder / name).exists():
            try:
                read(folder)
            except CheckpointError as error:
                messages.append(f"{error} {consequence}".strip())
    return tuple(messages)


def explain(error: BaseException) -> str:
    """A message that explains why training ended, and what to do."""
    text = str(error)
    if is_full(error):
        return "The disk is full. Free some space, then resume."
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in text
    ):
        return "Memory ran out. Choose a smaller network or fewer images in a batch."
    if isinstance(error, ValueError) and type(error) is not ValueError:
        return text
    if isinstance(error, OSError):
        return explain_refusal(error)
    return f"Training ended unexpectedly ({type(error).__name__}: {text[:200]})."

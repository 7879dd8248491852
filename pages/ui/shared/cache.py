"""What lasts: caches that all visitors share, and what one visitor carries from page to page.

This is the only module with `st.cache_*`. Cached objects belong to everybody: never change one.

Each visitor's own things lie in `st.session_state`, under these keys:

- `model`, `chosen-model`: name of the chosen checkpoint, on this page and on all; also in the
  address (`?model=`)
- `pins`: list of `Pin`, newest last, at most `MOST_PINS`
- `groups`: `{(model, "A" or "B"): rows of that model's reference images}`
- `vectors`: `{(model, name): NamedConcept}`, the concept vectors made so far
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable
from typing import Any

import streamlit as st
import torch

from pages.ui.shared import images, scatter
from pages.ui.shared.latent_space import LatentSpace, read_latent_space
from vae import CheckpointError, DatasetError, list_checkpoints
from vae.datasets import Dataset, load_dataset
from vae.locations import Checkpoint, list_lab_checkpoints

__all__ = [
    "atlas",
    "codes_block",
    "dataset",
    "keep",
    "latent_space",
    "map_figure",
    "remember",
    "warm",
]

KINDS = ("real", "generated", "sample", "upload")


@st.cache_resource(max_entries=8, show_spinner="Loading the images…")
def dataset(name: str, split: str = "test") -> Dataset:
    """Loads a dataset once for all visitors.

    Raises:
        DatasetError: as `load_dataset` says.
    """
    return load_dataset(name, split)


@st.cache_resource(max_entries=8, show_spinner="Opening the model…")
def _latent_space(checkpoint: Checkpoint, stamp: str) -> LatentSpace:
    return read_latent_space(checkpoint, stamp, dataset)


def latent_space(name: str) -> LatentSpace:
    """Opens a checkpoint with its images and codes, read again only when its files change.

    Args:
        name: as `list_checkpoints` or `list_lab_checkpoints` gives it.

    Raises:
        CheckpointError: unknown or damaged.
        DatasetError: its images cannot be had.
    """
    known = {c.name: c for c in [*list_checkpoints(), *list_lab_checkpoints()]}
    if name not in known:
        raise CheckpointError(f"There is no model named {name!r}; choose one of {list(known)}.")
    folder = known[name].folder
    files = [folder / f for f in ("model.safetensors", "codes.safetensors", "card.json")]
    stamp = "-".join(f"{f.stat().st_mtime_ns:x}" for f in files if f.exists())
    return _latent_space(known[name], stamp)


@st.cache_data(max_entries=64, show_spinner=False)
def _map_figure(name: str, stamp: str, projection: str, axes: tuple[int, int], colour: str) -> str:
    if "pandas" in sys.modules:  # wait for it: Plotly breaks on one that is half imported
        importlib.import_module("pandas")
    return scatter.map_figure(latent_space(name), projection, axes, colour).to_json()


def map_figure(space: LatentSpace, projection: str, axes: tuple[int, int], colour: str) -> str:
    """The scatter of `scatter.map_figure` as JSON."""
    return _map_figure(space.name, space.stamp, projection, axes, colour)


@st.cache_resource(max_entries=8, show_spinner=False)
def _codes_block(name: str, stamp: str) -> bytes:
    space = latent_space(name)
    ids = space.index.astype("<i4")
    return (
        space.mean.astype("<f4").tobytes() + ids.tobytes() + space.class_of.astype("<i4").tobytes()
    )


def codes_block(space: LatentSpace) -> bytes:
    """Codes `(N, D)` float32, ids `(N,)` int32 and classes `(N,)` int32 (-1: none), in a row."""
    return _codes_block(space.name, space.stamp)


@st.cache_resource(max_entries=8, show_spinner=False)
def _atlas(name: str, stamp: str) -> bytes:
    space = latent_space(name)
    return images.atlas(space.dataset.images, space.index)


def atlas(space: LatentSpace) -> bytes:
    """All reference images in one small picture, as `images.atlas` lays them out."""
    return _atlas(space.name, space.stamp)


@st.cache_resource(max_entries=256, show_spinner=False)
def _remember(key: tuple[Any, ...], _compute: Callable[[], Any]) -> Any:
    return _compute()


def remember(space: LatentSpace, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
    """Computes something about a model once for all visitors.

    Args:
        space: the model.
        key: tells it from everything else that is kept: text, numbers, bytes.
        compute: called where it is not yet known. Never change what it gave.
    """
    return _remember((space.name, space.stamp, *key), compute)


def warm(name: str) -> None:
    """Opens a model and its map before the first visitor asks for them."""
    torch.set_num_threads(1)  # single decodes are quicker so, and visitors share the cores
    try:
        space = latent_space(name)
        map_figure(space, *scatter.first_view(space))
    except (CheckpointError, DatasetError):
        return  # the page that opens it says why


def keep() -> None:
    """Keeps all that is in memory out of the garbage collector.

    Python collects in full now and then, in whoever's run it happens to be, and walking what was
    loaded takes longer than walking what the visitors have.
    """
    gc.collect()
    gc.freeze()

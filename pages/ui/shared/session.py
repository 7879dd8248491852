"""What lasts: caches that all visitors share, and what one visitor carries from page to page.

This is the only module with `st.cache_*`. Cached objects belong to everybody: never change one.

Each visitor's own things lie in `st.session_state`, under these keys:

- `model`: name of the chosen checkpoint, also in the address (`?model=`)
- `pins`: list of `Pin`, newest last, at most `MOST_PINS`
- `groups`: `{(model, "A" or "B"): rows of that model's reference images}`
- `vectors`: `{(model, name): {"vector": (D,) array, ...}}`, the concept vectors made so far
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.shared import images, scatter
from pages.ui.shared.latent_space import Reference, read_reference
from vae import CheckpointError, DatasetError, list_checkpoints
from vae.checkpoint import Checkpoint, list_lab_checkpoints
from vae.datasets import Dataset, load_dataset

__all__ = [
    "MOST_PINS",
    "Pin",
    "add_pin",
    "add_vector",
    "atlas",
    "base_path",
    "choose_model",
    "codes_block",
    "dataset",
    "group",
    "keep",
    "map_figure",
    "pins",
    "reference",
    "remember",
    "remove_pin",
    "remove_vector",
    "select_pin",
    "set_group",
    "vectors",
    "warm",
]

MOST_PINS = 12
KINDS = ("real", "generated", "sample", "upload")


@dataclass(frozen=True, eq=False)
class Pin:
    """A place that a visitor keeps.

    Args:
        model: the checkpoint's name.
        kind: "real" (an image of the dataset), "upload", "sample" or "generated".
        z: code `(D,)`; the posterior mean of real and uploaded images.
        title: what to call it, such as "Real #17 · seven".
        row: its row among the reference images; -1 for everything but "real".
        variance: posterior variances `(D,)` of an upload, else None.
        image: `(C, H, W)` in [0, 1], of an upload, else None.
        approximate: decoded as a mean of nearby codes, as between the points of a t-SNE map.
        number: tells a visitor's pins apart.
    """

    model: str
    kind: str
    z: np.ndarray
    title: str
    row: int = -1
    variance: np.ndarray | None = None
    image: Tensor | None = None
    approximate: bool = False
    number: int = 0


def base_path() -> str:
    """The app's base path without a slash at its end: "" for an app at the root."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


@st.cache_resource(max_entries=8, show_spinner="Loading the images…")
def dataset(name: str, split: str = "test") -> Dataset:
    """Loads a dataset once for all visitors.

    Raises:
        DatasetError: as `load_dataset` says.
    """
    return load_dataset(name, split)


@st.cache_resource(max_entries=8, show_spinner="Opening the model…")
def _reference(checkpoint: Checkpoint, stamp: str) -> Reference:
    return read_reference(checkpoint, stamp, dataset)


def reference(name: str) -> Reference:
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
    return _reference(known[name], stamp)


@st.cache_data(max_entries=64, show_spinner=False)
def _map_figure(name: str, stamp: str, projection: str, axes: tuple[int, int], colour: str) -> str:
    if "pandas" in sys.modules:  # wait for it: Plotly breaks on one that is half imported
        importlib.import_module("pandas")
    return scatter.map_figure(reference(name), projection, axes, colour).to_json()


def map_figure(ref: Reference, projection: str, axes: tuple[int, int], colour: str) -> str:
    """The scatter of `figures.map_figure` as JSON."""
    return _map_figure(ref.name, ref.stamp, projection, axes, colour)


@st.cache_resource(max_entries=8, show_spinner=False)
def _codes_block(name: str, stamp: str) -> bytes:
    ref = reference(name)
    ids = ref.index.astype("<i4")
    return ref.mean.astype("<f4").tobytes() + ids.tobytes() + ref.class_of.astype("<i4").tobytes()


def codes_block(ref: Reference) -> bytes:
    """Codes `(N, D)` float32, ids `(N,)` int32 and classes `(N,)` int32 (-1: none), in a row."""
    return _codes_block(ref.name, ref.stamp)


@st.cache_resource(max_entries=8, show_spinner=False)
def _atlas(name: str, stamp: str) -> bytes:
    ref = reference(name)
    return images.atlas(ref.dataset.images, ref.index)


def atlas(ref: Reference) -> bytes:
    """All reference images in one small picture, as `images.atlas` lays them out."""
    return _atlas(ref.name, ref.stamp)


@st.cache_resource(max_entries=256, show_spinner=False)
def _remember(key: tuple[Any, ...], _compute: Callable[[], Any]) -> Any:
    return _compute()


def remember(ref: Reference, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
    """Computes something about a model once for all visitors.

    Args:
        ref: the model.
        key: tells it from everything else that is kept: text, numbers, bytes.
        compute: called where it is not yet known. Never change what it gave.
    """
    return _remember((ref.name, ref.stamp, *key), compute)


def warm(name: str) -> None:
    """Opens a model and its map before the first visitor asks for them."""
    torch.set_num_threads(1)  # single decodes are quicker so, and visitors share the cores
    try:
        ref = reference(name)
        map_figure(ref, *scatter.first_view(ref))
    except (CheckpointError, DatasetError):
        return  # the page that opens it says why


def keep() -> None:
    """Keeps all that is in memory out of the garbage collector.

    Streamlit collects after every run of a script, and walking what was loaded takes longer than
    our own code.
    """
    gc.collect()
    gc.freeze()


def choose_model(label: str = "Model") -> Reference:
    """Lets the visitor choose a model, the same on every page, and opens it.

    Stops the page with a sentence where there is none or it cannot be opened.

    Args:
        label: of the select box.
    """
    names = [c.name for c in list_checkpoints()]
    if not names:
        st.error("There is no model yet. Train one: python -m vae train --help tells how.")
        st.stop()
    asked = str(st.query_params.get("model") or names[0])
    name = st.selectbox(label, names, key="model", bind="query-params", persist_state="session")
    if asked not in names:
        words = "".join(c for c in asked if c.isalnum() or c in " -_")[:60]
        st.toast(
            f"This link asks for a model named “{words}”, which is not here. Shown is {name}.",
            icon=":material/link_off:",
            duration="long",
        )
    try:
        return reference(name)
    except (CheckpointError, DatasetError) as problem:
        st.error(f"This model cannot be shown. {problem}")
        st.stop()


def pins(model: str | None = None) -> list[Pin]:
    """The visitor's pins, newest last; of one model if it is named."""
    kept = st.session_state.setdefault("pins", [])
    return [p for p in kept if model in (None, p.model)]


def add_pin(pin: Pin) -> Pin:
    """Keeps a pin; the same image again only moves to the end. The oldest go first."""
    kept = pins()
    number = 1 + max((p.number for p in kept), default=0)
    same = [p for p in kept if pin.row >= 0 and (p.model, p.row) == (pin.model, pin.row)]
    pin = replace(pin, number=same[0].number if same else number)
    kept = [p for p in kept if p.number != pin.number]
    st.session_state["pins"] = [*kept, pin][-MOST_PINS:]
    return pin


def remove_pin(number: int) -> None:
    """Forgets one pin."""
    st.session_state["pins"] = [p for p in pins() if p.number != number]


def select_pin(number: int) -> None:
    """Moves a pin to the end: the newest is the one that pages show."""
    st.session_state["pins"] = sorted(pins(), key=lambda p: p.number == number)


def group(model: str, name: str) -> np.ndarray:
    """Rows of a model's reference images that the visitor put in group "A" or "B"."""
    rows = st.session_state.setdefault("groups", {}).get((model, name), ())
    return np.asarray(rows, dtype=np.int64)


def set_group(ref: Reference, name: str, rows: Sequence[int]) -> None:
    """Sets group "A" or "B"; rows that the model does not have are left out."""
    wanted = {int(r) for r in rows if isinstance(r, int) and 0 <= r < len(ref)}
    groups = st.session_state.setdefault("groups", {})
    st.session_state["groups"] = groups | {(ref.name, name): sorted(wanted)}


def vectors(model: str) -> dict[str, dict[str, Any]]:
    """The concept vectors that the visitor made for a model, by name."""
    kept = st.session_state.setdefault("vectors", {})
    return {name: entry for (owner, name), entry in kept.items() if owner == model}


def add_vector(model: str, name: str, vector: np.ndarray, **about: Any) -> None:
    """Keeps a concept vector `(D,)` under a name, with whatever is to be known about it."""
    kept = st.session_state.setdefault("vectors", {})
    st.session_state["vectors"] = kept | {(model, name): {"vector": np.asarray(vector), **about}}


def remove_vector(model: str, name: str) -> None:
    """Forgets a concept vector of the visitor's."""
    kept = st.session_state.get("vectors", {})
    st.session_state["vectors"] = {k: v for k, v in kept.items() if k != (model, name)}

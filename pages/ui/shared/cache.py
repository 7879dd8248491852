"""What all visitors share: opened models and images, and what was computed from them.

This is the only module with `st.cache_*`. Cached objects belong to everybody: never change one.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import streamlit as st
import torch

from pages.ui.shared import images, scatter
from pages.ui.shared.checkpoint_reading import read_latent_space
from pages.ui.shared.kept import Results
from pages.ui.shared.latent_space import LatentSpace
from vae import CheckpointError, DatasetError, latent
from vae.checkpoint import load_card
from vae.classifier import classifier_file
from vae.codes import change_since
from vae.datasets import Dataset, load_dataset, source_fingerprint, source_stamp
from vae.imports import find_import
from vae.likely_codes import LEVEL, complete
from vae.locations import FILES, Checkpoint, all_checkpoints

__all__ = [
    "atlas",
    "change_of",
    "code_bits",
    "codes_block",
    "dataset",
    "forget",
    "keep",
    "latent_space",
    "likely_places",
    "map_figure",
    "map_marks",
    "map_places",
    "noise_block",
    "shared",
    "stamp_of",
    "still",
    "warm",
]

F = TypeVar("F", bound=Callable[..., Any])

_MOST = 128_000_000  # bytes of results that are kept, the small ones left out
_EXACT = 1_000_000  # numbers of codes that a browser gets as they are
_REST = 20  # times as long as it took before a dataset's files are looked at again
_PATIENCE = 0.3  # seconds that a run waits for a look at files where it knows what was there
_SECOND = 1.0  # for which a look at a model's files stands for all requests
_seen: dict[tuple[str, str], tuple[float, LatentSpace]] = {}  # by name and stamp: until when
_checked: dict[str, tuple[float, str]] = {}  # by dataset: until when its stamp holds, the stamp
_looks: dict[str, tuple[Future[str], float]] = {}  # by dataset: looks being taken, since when
_looking = ThreadPoolExecutor(2, "looking")
_lock = threading.Lock()


def shared(
    entries: int, keys: Mapping[type, Callable[[Any], Any]] | None = None
) -> Callable[[F], F]:
    """Makes a function compute once for all visitors what equal arguments give.

    Two that ask for the same at the same time wait for one computation. A model counts as equal
    as long as neither its files nor its images change, arrays and tensors by their content. An
    argument whose name begins with "_" does not count.

    Args:
        entries: results that are kept; the one that was used longest ago goes first. Large ones
            go before that where those of all functions exceed what `Results` keeps.
        keys: functions by type of argument, whose results decide whether two arguments are equal.
    """

    def decorate(function: F) -> F:
        return _RESULTS.keep(function, entries, {**_KEYS, **(keys or {})})

    return decorate


_RESULTS = Results(_MOST)
_KEYS = {LatentSpace: lambda space: (space.name, space.stamp)}


def forget() -> None:
    """Forgets all that is kept, as a new process would."""
    _RESULTS.clear()
    st.cache_resource.clear()
    st.cache_data.clear()


def stamp_of(name: str) -> str:
    """Text that changes whenever a dataset's files do.

    Looking at them takes a while where there are many: it is done in a thread and for 5 % of the
    time at most, and nobody waits longer than a moment for it who can go on with what was there
    last, or with an import, which stays as it was. So a change shows at once in a small folder,
    and after seconds in one of a hundred thousand pictures.

    Raises:
        DatasetError: if the folder or archive cannot be used.
    """
    until, stamp = _checked.get(name, (0.0, None))
    if stamp is not None and time.monotonic() < until:
        return stamp
    with _lock:
        if name not in _looks:
            _looks[name] = _looking.submit(_look, name), time.monotonic()
        look, begun = _looks[name]
    if stamp is None and (found := find_import(name)) is not None:
        stamp = found.card["content"]
    if stamp is None:
        return look.result()
    try:
        return look.result(max(0.0, begun + _PATIENCE - time.monotonic()))
    except TimeoutError:
        return stamp


def _look(name: str) -> str:
    try:
        start = time.monotonic()
        stamp = source_stamp(name)
        end = time.monotonic()
        _checked[name] = end + _REST * (end - start), stamp
        return stamp
    finally:
        with _lock:
            del _looks[name]


@st.cache_resource(max_entries=8, show_spinner="Loading the images…")
def _dataset(
    name: str, split: str, image_shape: tuple[int, int, int] | None, stamp: str
) -> Dataset:
    return load_dataset(name, split, image_shape=image_shape)


def dataset(
    name: str, split: str = "test", image_shape: tuple[int, int, int] | None = None
) -> Dataset:
    """Loads a dataset for all visitors, again only when its files change.

    Raises:
        DatasetError: if the dataset cannot be loaded, as in `load_dataset`.
    """
    return _dataset(name, split, image_shape, stamp_of(name))


@st.cache_data(max_entries=64, show_spinner=False)
def _fingerprint(name: str, stamp: str) -> str:
    return stamp if find_import(name) is not None else source_fingerprint(name)


def change_of(folder: Path) -> str:
    """Says that the images of a checkpoint or run have changed since it was trained; "" if not.

    Raises:
        CheckpointError: a damaged card.
        DatasetError: the images cannot be had.
    """
    card = load_card(folder)
    name = card.get("dataset")
    if not isinstance(name, str):
        return ""
    return change_since(card, name, _fingerprint(name, stamp_of(name)))


# More than are shipped: callbacks of widgets that a session has shown refer to a model as long as
# the session lasts, and opened again it would be in memory twice.
@st.cache_resource(max_entries=24, show_spinner="Opening the model…")
def _latent_space(checkpoint: Checkpoint, stamp: str, _images_stamp: str) -> LatentSpace:
    return read_latent_space(checkpoint, stamp, dataset, _images_stamp)


@st.cache_data(max_entries=64, show_spinner=False)
def _name_of_dataset(folder: Path, stamp: str) -> str:
    return str(load_card(folder).get("dataset") or "")


def latent_space(name: str) -> LatentSpace:
    """Opens a checkpoint with its images and codes, again only when its files or those change.

    Args:
        name: name listed by `all_checkpoints`.

    Raises:
        CheckpointError: unknown or damaged.
        DatasetError: its images cannot be had.
    """
    known = {c.name: c for c in all_checkpoints()}
    if name not in known:
        raise CheckpointError(f"There is no model named {name!r}; choose one of {list(known)}.")
    folder = known[name].folder
    stamp = "-".join(_changed(folder / name) for name in FILES)
    dataset = _name_of_dataset(folder, stamp)
    images_stamp = stamp_of(dataset)
    if images_stamp:  # of data that somebody brought, whose classifier may come later
        stamp = f"{stamp}-{images_stamp}{_changed(classifier_file(dataset))}"
    return _latent_space(known[name], stamp, images_stamp)


def still(name: str, stamp: str) -> LatentSpace | None:
    """A model with this stamp; None if it is another one by now, or gone.

    One look at the files stands for all requests of a second.
    """
    now, key = time.monotonic(), (name, stamp)
    until, space = _seen.get(key, (0.0, None))
    if now < until:
        return space
    try:
        space = latent_space(name)
    except (CheckpointError, DatasetError):
        space = None
    if space is None or space.stamp != stamp:
        _seen.pop(key, None)
        return None
    for old in [k for k, (end, _) in list(_seen.items()) if end < now]:
        _seen.pop(old, None)
    _seen[key] = now + _SECOND, space
    return space


def _changed(file: Path) -> str:
    try:
        status = file.stat()
    except OSError:  # none, or none any more
        return ""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


@shared(64)
def map_figure(space: LatentSpace, projection: str, axes: tuple[int, int], colour: str) -> str:
    """The axes and the legend of `scatter.map_figure` as JSON."""
    figure = scatter.map_figure(space, projection, axes, colour)
    return msgspec.json.encode(figure).decode()  # what is not finite as null, which browsers read


@shared(16)
def map_places(space: LatentSpace, projection: str, axes: tuple[int, int]) -> bytes:
    """Where the points of a map lie: x `(N,)` and y `(N,)`, float32."""
    return scatter.positions(space, projection, axes).T.astype("<f4").tobytes()


@shared(16)
def map_marks(space: LatentSpace, colour: str) -> bytes:
    """How the points of a map look, as `scatter.marks` says."""
    return scatter.marks(space, colour).tobytes()


def code_bits(space: LatentSpace) -> int:
    """Bits of each number of the codes that a browser gets: 16 where there are many, else 32."""
    return 32 if space.mean.size <= _EXACT else 16


@shared(8)
def codes_block(space: LatentSpace) -> bytes:
    """Ids `(N,)` int32, classes `(N,)` int32 (-1: none) and codes `(N, D)`, in a row.

    Codes of 32 bits are float32. Those of 16 bits are uint16 between the lowest and the highest
    value of each dimension; low `(D,)` and step `(D,)` float32 stand before them.
    """
    block = b"".join(array.astype("<i4").tobytes() for array in (space.index, space.class_of))
    if code_bits(space) == 32:
        return block + space.mean.astype("<f4").tobytes()
    low = space.mean.min(0).astype(np.float32)
    step = np.maximum((space.mean.max(0) - low) / 65_535, 1e-30).astype(np.float32)
    packed = ((space.mean - low) / step).round().clip(0, 65_535).astype("<u2")
    return block + low.astype("<f4").tobytes() + step.astype("<f4").tobytes() + packed.tobytes()


@shared(8)
def noise_block(space: LatentSpace) -> bytes:
    """The codes' noise `(N, D)` float32 of the level at which codes are averaged."""
    return space.distribution.to_noise(space.mean, LEVEL).astype("<f4").tobytes()


@shared(32)
def likely_places(
    space: LatentSpace, projection: str, axes: tuple[int, int], like: np.ndarray | None
) -> bytes:
    """Codes `(M, M, D)` float32 of places on a plane, completed so that they are likely.

    Args:
        space: a model whose distribution was learned.
        projection: "latent" or "pca".
        axes: dimensions of the latent axes.
        like: code `(D,)` from whose noise they are completed; None for a draw.

    Returns:
        Bottom row first, each from left to right, over `scatter.lattice_bounds`.
    """
    left, right, bottom, top = scatter.lattice_bounds(space, projection, axes)
    flat = scatter.plane(space, projection, axes)
    shown = np.array([flat["u"], flat["v"]])
    at = latent.grid((left, right), (top, bottom), scatter.LATTICE, scatter.LATTICE)
    z = latent.plane(flat["origin"], *shown, at).astype(np.float32)
    noise = None if like is None else space.distribution.to_noise(like)[0]
    return complete(space.distribution, z, shown, noise).astype("<f4").tobytes()


@shared(8)
def atlas(space: LatentSpace) -> bytes:
    """All reference images in one small picture, as `images.atlas` lays them out."""
    return images.atlas(space.dataset.images, space.index)


def warm(name: str) -> None:
    """Opens a model and its map before the first visitor asks for them."""
    torch.set_num_threads(1)  # single decodes are quicker so, and visitors share the cores
    try:
        space = latent_space(name)
        projection, axes, colour = scatter.first_view(space)
        map_figure(space, projection, axes, colour)
        map_places(space, projection, axes)
        map_marks(space, colour)
    except (CheckpointError, DatasetError):
        return  # the page that opens it says why


def keep() -> None:
    """Keeps all that is in memory out of the garbage collector.

    Python collects in full now and then, in whoever's run it happens to be, and walking what was
    loaded takes longer than walking what the visitors have.
    """
    gc.collect()
    gc.freeze()

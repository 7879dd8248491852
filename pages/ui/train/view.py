"""What a run looks like now, computed once for all who watch it: its lines, figures, pictures."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import plotly.graph_objects as go
import torch

from pages.ui.components.live_part import Shown
from pages.ui.components.plotly_chart import Drawn, drawn, part_of
from pages.ui.shared import cache, feeds, images
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import time_words
from pages.ui.train import plots
from pages.ui.train.metrics import read_so_far
from pages.ui.train.warnings import warnings_of
from vae import CheckpointError, DatasetError
from vae.runs.config import RunConfig, RunError, read_config
from vae.runs.control import read_changes, read_control
from vae.runs.manager import Run
from vae.runs.presets import PRESETS, read_band
from vae.runs.snapshots import list_snapshots, read_pictures, read_shared
from vae.runs.status import Status, read_status

__all__ = [
    "Chart",
    "Pictures",
    "curves_of",
    "follow",
    "frame_of",
    "map_of",
    "moved",
    "pictures_of",
    "seen",
    "sheets_of",
    "status_line",
    "terms_of",
]

_ICONS = {
    "waiting": "hourglass_top",
    "starting": "hourglass_top",
    "running": "play_circle",
    "paused": "pause_circle",
    "finishing": "map",
    "fitting": "blur_on",
    "finished": "check_circle",
    "stopped": "stop_circle",
}
_LONGEST = 600  # characters of a message


class Chart(NamedTuple):
    """A figure, and its alternative text."""

    figure: Drawn
    alt: str


class Pictures(NamedTuple):
    """The pictures of an epoch as they are kept, and the names of the classes of the codes."""

    arrays: dict[str, np.ndarray]
    classes: tuple[str, ...] | None


def seen(run: Run) -> tuple[str, str, float | None, float | None]:
    """What the controls depend on; other visitors change it, too."""
    stored = read_control(run.folder)
    return run.name, read_status(run.folder).state, stored.beta, stored.learning_rate


def status_line(status: Status) -> Shown:
    """How far a run is that has not gone wrong."""
    facts = []
    if status.steps:
        facts.append(f"epoch {min(int(status.epoch) + 1, status.epochs)} of {status.epochs}")
    if status.state in ("running", "paused"):
        facts.append(f"step {status.step:,} of {status.steps:,}")
        facts.append(f"{status.images_per_second:,.0f} images a second")
    if status.seconds_left and status.live:
        facts.append(f"about {time_words(status.seconds_left)} left")
    strong, said = f"{status.state.capitalize()}.", plain(status.message, "text", longest=_LONGEST)
    if status.state in ("waiting", "starting"):
        strong, facts = "", [said]
    elif status.state == "stopped":
        strong = said
    elif status.state == "finishing":
        facts = [said]
    elif status.state == "fitting":
        facts = [said, *facts[1:]]
    share = min(status.step / status.steps, 1.0) if status.steps else None
    if status.state == "fitting":
        share = min(status.fitted, 1.0)
    text = f"{' ' if strong else ''}{' · '.join(facts)}"
    return Shown(icon=_ICONS.get(status.state, ""), strong=strong, text=text, share=share)


def moved(run: Run, rows: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """At which epochs visitors moved beta or the learning rate, and to what.

    Raises:
        RunError: the changes cannot be read.
    """
    pace = rows[-1]["epoch"] / rows[-1]["step"]
    names = {"beta": "beta", "learning_rate": "rate"}
    return [
        (change["step"] * pace, f"{names[name]} {change[name]:g}")
        for change in read_changes(run.folder)
        for name in names
        if change.get(name) is not None
    ]


def band_of(config: RunConfig) -> dict[str, dict[str, list[float]]] | None:
    """What other seeds gave, of a run that is as its preset."""
    preset = next((p for p in PRESETS if p.key == config.preset and p.describes(config)), None)
    return read_band(preset) if preset else None


def curves_of(
    run: Run,
    config: RunConfig,
    epochs: int,
    rows: list[dict[str, Any]],
    changes: list[tuple[float, str]],
    now: float | None = None,
) -> dict[str, Chart]:
    """The curve of each term by the key of its chart.

    Args:
        run: run.
        config: its configuration.
        epochs: number of its epochs.
        rows: its metrics, at least one row.
        changes: output of `moved`.
        now: epoch that is replayed.
    """
    charts = {}
    for term in plots.terms_of(rows):
        asked = (rows, term, band_of(config), max(epochs, 1), changes, now)
        version = ("curve", *_step(run, rows), term, epochs, tuple(changes), now, config.preset)
        figure = _drawn(version, functools.partial(plots.curve_figure, *asked))
        charts[f"curve-{term}"] = Chart(figure, f"{term} by epoch, nats per image")
    return charts


def terms_of(run: Run, rows: list[dict[str, Any]]) -> dict[str, Shown | Chart]:
    """The KL of each dimension, and rate and distortion; nothing before they were measured."""
    last = next((row for row in reversed(rows) if row.get("kl_per_dimension")), {})
    if "active_units" not in last:
        return {}
    dimensions = last["kl_per_dimension"]
    units = "–" if last["active_units"] is None else last["active_units"]
    step = _step(run, rows)
    bars = _drawn(("dimensions", *step), functools.partial(plots.dimensions_figure, dimensions))
    path = _drawn(("path", *step), functools.partial(plots.path_figure, rows))
    return {
        "dimensions-title": Shown(
            strong="KL of each dimension", text=f" · {units} of {len(dimensions)} active"
        ),
        "dimensions": Chart(bars, "KL of each latent dimension, nats"),
        "path": Chart(path, "Distortion against rate, epoch by epoch"),
    }


def pictures_of(run: Run, config: RunConfig, epoch: int) -> Pictures:
    """The pictures of an epoch.

    Raises:
        CheckpointError: they cannot be read.
        DatasetError: likewise, or the images.
    """
    arrays, about = read_pictures(run.folder, epoch), read_shared(run.folder)
    classes = about.get("classes")
    if "classes" not in about:  # an early version did not keep them with the pictures
        classes = cache.dataset(config.dataset, "test").classes
    return Pictures(arrays, tuple(classes) if classes else None)


def map_of(
    pictures: Pictures,
    epoch: int,
    labels: np.ndarray | None,
    classes: tuple[str, ...] | None,
) -> dict[str, Shown | Chart]:
    """The map of the codes of an epoch by these classes, and its title."""
    arrays = pictures.arrays
    plane = "in the plane that separates the classes best"
    if arrays["codes"].shape[1] <= 2:
        plane = "the whole latent space"
    elif arrays.get("labels") is None:
        plane = "in the plane of largest variance"
    title = Shown(strong="Codes of held-out images", text=f" · after epoch {epoch}, {plane}")
    figure = _map_drawn(arrays["map"], labels, classes)
    alt = f"Map of {len(arrays['map'])} codes at epoch {epoch}"
    return {"codes-title": title, "codes": Chart(figure, alt)}


def sheets_of(pictures: Pictures) -> dict[str, Shown]:
    """Reconstructions and samples of an epoch."""
    arrays = pictures.arrays
    pairs = np.stack([arrays["originals"][:8], arrays["reconstructions"][:8]], 1)
    pairs = pairs.reshape(-1, *pairs.shape[2:])
    pairs = np.concatenate([pairs[0::2], pairs[1::2]])
    return {
        "reconstructions": _sheet(pairs, "Held-out images, and below each its reconstruction"),
        "samples": _sheet(
            arrays["samples"],
            "Generated: samples of the prior, from the same noise at every epoch",
        ),
    }


def _sheet(pictures: np.ndarray, caption: str) -> Shown:
    height = 2 * 72 if len(pictures) == 2 * 8 else 72
    # In the page itself: a file would be gone before the browser has fetched it.
    return Shown(url=_sheet_url(pictures, 8, height), text=caption)


@cache.shared(128)
def _sheet_url(pictures: np.ndarray, columns: int, height: int) -> str:
    return images.data_url(images.sheet(torch.from_numpy(pictures).float() / 255, columns), height)


@cache.shared(64)
def _map_drawn(
    places: np.ndarray, labels: np.ndarray | None, classes: tuple[str, ...] | None
) -> Drawn:
    return drawn(plots.map_figure(places, labels, classes))


@cache.shared(256)
def _drawn(version: tuple[object, ...], _draw: Callable[[], go.Figure]) -> Drawn:
    """A figure, made once for all who watch the same step."""
    return drawn(_draw())


def _step(run: Run, rows: list[dict[str, Any]]) -> tuple[object, ...]:
    """Tells a step of a run from all others, those of an earlier run of its name included."""
    return run.name, len(rows), rows[-1]["step"], rows[0]["seconds"], rows[-1]["seconds"]


def by_attribute(pictures: Pictures) -> bool:
    """Whether a visitor chooses what colours the codes, so that no two need to see the same."""
    names = pictures.arrays
    return "labels" not in names and any(name.startswith("attribute.") for name in names)


def frame_of(run: Run) -> str:
    """Tells all that is drawn around the parts of a feed from what it was and will be."""
    rows, damaged = read_so_far(run.folder)
    config, epochs = read_config(run.folder), list_snapshots(run.folder)
    around: list[Any] = [seen(run), damaged, bool(rows), bool(epochs)]
    if rows:  # which warnings there are, but not their numbers, which change with each epoch
        around += [[icon for _, icon in warnings_of(rows, config)]]
        around += [plots.terms_of(rows), bool(terms_of(run, rows))]
    if epochs:
        try:
            if by_attribute(pictures_of(run, config, epochs[-1])):
                around.append(epochs[-1])
        except (CheckpointError, DatasetError) as problem:
            around.append([epochs[-1], str(problem)])
    return hashlib.sha256(json.dumps(around).encode()).hexdigest()[:16]


def follow(run: Run) -> str:
    """Offers a run that trains to all who watch it; gives the address of the feed."""
    identity = f"{(run.folder / 'config.json').stat().st_mtime_ns:x}"
    return feeds.offer(run.name, identity, lambda: _parts(run))


def _parts(run: Run) -> dict[str, bytes]:
    """All that changes while a run trains, by the keys of the components that show it."""
    try:
        parts = {"frame": frame_of(run), **_now(run)}
    except (RunError, CheckpointError, DatasetError, OSError) as problem:
        parts = {"frame": str(problem)}  # which the page shows
    return {name: msgspec.json.encode(_sent(part)) for name, part in parts.items()}


def _sent(part: str | Shown | Chart) -> Any:
    return part_of(*part) if isinstance(part, Chart) else part


def _now(run: Run) -> dict[str, Any]:
    status, config = read_status(run.folder), read_config(run.folder)
    parts: dict[str, Any] = {"status": status_line(status)}
    rows, epochs = read_so_far(run.folder)[0], list_snapshots(run.folder)
    if not rows:
        return parts
    parts |= curves_of(run, config, status.epochs, rows, moved(run, rows)) | terms_of(run, rows)
    if epochs:
        pictures = pictures_of(run, config, epochs[-1])
        parts |= sheets_of(pictures)
        if not by_attribute(pictures):
            labels = pictures.arrays.get("labels")
            parts |= map_of(pictures, epochs[-1], labels, pictures.classes)
    return parts

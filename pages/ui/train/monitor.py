"""A run as it is watched: its state, its curves, its pictures; live while a process is at work."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from pages.ui.components.plotly_chart import Drawn, chart, drawn
from pages.ui.shared import cache, formatting, images, permissions, visitor
from pages.ui.shared.changes import control
from pages.ui.shared.foreign_text import message
from pages.ui.shared.formatting import time_words
from pages.ui.shared.glossary import links_to
from pages.ui.train import plots
from pages.ui.train.metrics import read_so_far
from pages.ui.train.replay import choose_epoch
from pages.ui.train.warnings import collapsed, warn_of_collapse, warn_of_memorising
from vae import CheckpointError, DatasetError
from vae.runs.config import RunConfig, RunError, read_config
from vae.runs.control import read_changes, read_control
from vae.runs.manager import Run
from vae.runs.presets import PRESETS, read_band
from vae.runs.snapshots import UNKNOWN, read_pictures, read_shared
from vae.runs.status import Status, read_status

__all__ = [
    "show_controls",
    "show_run",
]

_ICONS = {
    "waiting": ":material/hourglass_top:",
    "starting": ":material/hourglass_top:",
    "running": ":material/play_circle:",
    "paused": ":material/pause_circle:",
    "finishing": ":material/map:",
    "fitting": ":material/blur_on:",
    "finished": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "failed": ":material/error:",
    "diverged": ":material/trending_up:",
    "interrupted": ":material/power_off:",
}
_GLOSSARY = ("ELBO", "reconstruction", "KL", "beta", "active unit", "rate and distortion")
_RATES = [0.00001, 0.00003, 0.0001, 0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01]


def show_controls(run: Run) -> None:
    """Pause, single step, stop, and beta and learning rate while it trains."""
    status = read_status(run.folder)
    if not status.live:
        return
    if not permissions.explain("pauses, stops and steers runs"):
        return
    config = read_config(run.folder)
    stored = read_control(run.folder)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        do = {"on_click": _tell}
        if stored.action == "pause":
            go_on = {"icon": ":material/play_arrow:", "type": "primary"}
            st.button("Continue", key="go-on", args=(run.folder, "run"), **go_on, **do)
            st.button(
                "One step",
                icon=":material/skip_next:",
                key="one-step",
                args=(run.folder,),
                kwargs={"single": True},
                **do,
            )
        else:
            st.button(
                "Pause",
                icon=":material/pause:",
                key="pause",
                args=(run.folder, "pause"),
                disabled=status.state in ("finishing", "fitting"),
                **do,
            )
        st.button(
            "Stop",
            icon=":material/stop:",
            key="stop",
            args=(run.folder, "stop"),
            help="The run is finished without it."
            if status.state == "fitting"
            else "A stopped run can be resumed later.",
            disabled=status.state == "finishing",
            **do,
        )
        steer = {"on_change": _steer, "width": 260}
        if config.model.get("variational", True):
            beta = config.training.beta if stored.beta is None else stored.beta
            key = f"beta-{run.name}"
            st.session_state[key] = float(beta)
            st.slider(
                "beta: weight of the KL",
                0.0,
                float(max(10, config.training.beta, beta)),
                step=0.1,
                key=key,
                args=(run, "beta", key),
                help="Takes effect at the next step, for everyone who watches.",
                **steer,
            )
        rate = stored.learning_rate or config.training.learning_rate
        key = f"rate-{run.name}"
        st.session_state[key] = rate
        st.select_slider(
            "Peak learning rate",
            sorted({*_RATES, rate}),
            key=key,
            args=(run, "learning_rate", key),
            help="Decays to 0 on a cosine schedule.",
            **steer,
        )


def _tell(folder: Path, *action: str, **changes: Any) -> None:
    try:
        control(folder, *action, **changes)
    except RunError as problem:  # another visitor has deleted it meanwhile
        st.toast(message(problem), icon=":material/error:")


def _steer(run: Run, name: str, key: str) -> None:
    _tell(run.folder, **{name: st.session_state[key]})
    visitor.current().train.seen = _seen(run)  # this visitor's own change is no news


def _seen(run: Run) -> tuple[str, str, float | None, float | None]:
    """What the controls depend on; other visitors change it, too."""
    stored = read_control(run.folder)
    return run.name, read_status(run.folder).state, stored.beta, stored.learning_rate


def show_run(run: Run) -> None:
    """Everything there is to see of a run, as it is now."""
    state = visitor.current().train
    before, now = state.seen, _seen(run)
    state.seen = now
    _show_run(run)
    # Only now: what is not drawn before a rerun would vanish for a moment.
    if before is not None and before[0] == run.name and before != now:
        st.rerun()  # buttons and sliders outside of this fragment depend on it


def _show_run(run: Run) -> None:
    status, config = read_status(run.folder), read_config(run.folder)
    # Each part in a place of its own: what comes and goes in one moves nothing in the others.
    head, replay, curves, pictures, terms = (st.container() for _ in range(5))
    with head:
        _show_status(status, config)
        _show_notices(run, status)
    rows, damaged = read_so_far(run.folder)
    with head:
        if damaged:
            lines = "1 line" if damaged == 1 else f"{damaged:,} lines"
            st.warning(
                f"Skipped {lines} of metrics.jsonl that cannot be read. The run is not "
                "affected, but its curves have gaps."
            )
    if not rows:
        if status.state in ("starting", "running"):
            head.caption("The first curves appear in a few seconds.")
        elif not status.live:
            head.caption("There are no curves: metrics.jsonl is missing or holds no metrics.")
        return
    with head:
        warn_of_collapse(rows, config)
        warn_of_memorising(rows, config)
    with replay:
        epoch = choose_epoch(run, status.live)
    until = rows
    if epoch is not None and not status.live:  # all panels show the epoch that is replayed
        until = [row for row in rows if row["epoch"] < epoch + 1e-3]
    with curves:
        preset = next((p for p in PRESETS if p.key == config.preset and p.describes(config)), None)
        band = read_band(preset) if preset else None
        known = plots.terms_of(rows)
        moved = _moved(run, rows)
        for place, term in zip(st.columns(max(1, len(known))), known, strict=False):
            now = epoch if len(until) < len(rows) else None
            asked = (rows, term, band, max(status.epochs, 1), moved, now)
            figure = _drawn(
                (
                    "curve",
                    *_step(run, rows),
                    term,
                    status.epochs,
                    tuple(moved),
                    now,
                    config.preset,
                ),
                functools.partial(plots.curve_figure, *asked),
            )
            with place:
                chart(figure, key=f"curve-{term}", alt=f"{term} by epoch, nats per image")
        _explain_curves(rows, config, band is not None)
    with pictures:
        if epoch is not None:
            show_pictures(run, config, epoch)
    with terms:
        _show_terms(run, until, config)


def _step(run: Run, rows: list[dict[str, Any]]) -> tuple[object, ...]:
    """Tells a step of a run from all others, those of an earlier run of its name included."""
    return run.name, len(rows), rows[-1]["step"], rows[0]["seconds"], rows[-1]["seconds"]


@cache.shared(256)
def _drawn(version: tuple[object, ...], _draw: Callable[[], go.Figure]) -> Drawn:
    """A figure, made once for all who watch the same step."""
    return drawn(_draw())


def _show_terms(run: Run, rows: list[dict[str, Any]], config: RunConfig) -> None:
    last = next((row for row in reversed(rows) if row.get("kl_per_dimension")), {})
    if config.model.get("prior_components"):
        st.caption("The prior is a mixture: the KL is estimated, and no sum over dimensions.")
    if "active_units" not in last:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        dimensions = last["kl_per_dimension"]
        units = "–" if last["active_units"] is None else last["active_units"]
        active = f"{units} of {len(dimensions)} active"
        st.markdown(f"**KL of each dimension** · {active}")
        version = ("dimensions", *_step(run, rows))
        figure = _drawn(version, functools.partial(plots.dimensions_figure, dimensions))
        chart(figure, key="dimensions", alt="KL of each latent dimension, nats")
        st.caption(
            "A dimension with a KL of 0 carries no information about the image: the decoder has "
            "learned to ignore it. In an active dimension the posterior mean varies between "
            "images."
        )
    with right:
        st.markdown("**Rate and distortion**")
        version = ("path", *_step(run, rows))
        figure = _drawn(version, functools.partial(plots.path_figure, rows))
        chart(figure, key="path", alt="Distortion against rate, epoch by epoch")
        st.caption(
            "Further right the codes carry more information; further down reconstructions are "
            "better. The ELBO is constant along the dashed line, at its best value so far, which "
            "training moves downwards."
        )
    st.caption(f"Terms in the glossary: {links_to(_GLOSSARY)}")


def show_pictures(run: Run, config: RunConfig, epoch: int) -> None:
    """The map of codes, samples and reconstructions of an epoch."""
    try:
        arrays, about = read_pictures(run.folder, epoch), read_shared(run.folder)
        classes = about.get("classes")
        if "classes" not in about:  # an early version did not keep them with the pictures
            classes = cache.dataset(config.dataset, "test").classes
    except (CheckpointError, DatasetError) as problem:
        st.caption(f"The pictures of epoch {epoch} cannot be shown. {message(problem)}")
        return
    labels = arrays.get("labels")
    plane = "in the plane that separates the classes best"
    if arrays["codes"].shape[1] <= 2:
        plane = "the whole latent space"
    elif labels is None:
        plane = "in the plane of largest variance"
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**Codes of held-out images** · after epoch {epoch}, {plane}")
        attributes = [n.removeprefix("attribute.") for n in arrays if n.startswith("attribute.")]
        if labels is None and attributes:
            labels, classes = _colour_by(arrays, sorted(attributes), run)
        figure = _map_drawn(arrays["map"], labels, tuple(classes) if classes else None)
        chart(figure, key="codes", alt=f"Map of {len(arrays['map'])} codes at epoch {epoch}")
    with right:
        pairs = np.stack([arrays["originals"][:8], arrays["reconstructions"][:8]], 1)
        pairs = pairs.reshape(-1, *pairs.shape[2:])
        _sheet(
            np.concatenate([pairs[0::2], pairs[1::2]]),
            8,
            "Held-out images, and below each its reconstruction",
        )
        _sheet(
            arrays["samples"],
            8,
            "Generated: samples of the prior, from the same noise at every epoch",
        )


def _colour_by(
    arrays: dict[str, np.ndarray], attributes: list[str], run: Run
) -> tuple[np.ndarray, tuple[str, ...]]:
    name = st.selectbox(
        "Colour by",
        attributes,
        attributes.index("glasses") if "glasses" in attributes else 0,
        key=f"colour-{run.name}",
        format_func=formatting.option,
    )
    shown = formatting.words(name).lower()
    values = arrays[f"attribute.{name}"].astype(int)
    unknown = ("not known",) if (values == UNKNOWN).any() else ()
    return values, (f"without {shown}", f"with {shown}", *unknown)


@cache.shared(64)
def _map_drawn(
    places: np.ndarray, labels: np.ndarray | None, classes: tuple[str, ...] | None
) -> Drawn:
    return drawn(plots.map_figure(places, labels, classes))


@cache.shared(128)
def _sheet_url(pictures: np.ndarray, columns: int, height: int) -> str:
    return images.data_url(images.sheet(torch.from_numpy(pictures).float() / 255, columns), height)


def _sheet(pictures: np.ndarray, columns: int, caption: str) -> None:
    height = 2 * 72 if len(pictures) == 2 * columns else 72
    # In the page itself: a file would be gone before the browser has fetched it.
    st.image(
        _sheet_url(pictures, columns, height),
        caption=caption,
        width="stretch",
        alt=caption,
    )


def _show_status(status: Status, config: RunConfig) -> None:
    facts = []
    if status.steps:
        facts.append(f"epoch {min(int(status.epoch) + 1, status.epochs)} of {status.epochs}")
    if status.state in ("running", "paused"):
        facts.append(f"step {status.step:,} of {status.steps:,}")
        facts.append(f"{status.images_per_second:,.0f} images a second")
    if status.seconds_left and status.live:
        facts.append(f"about {time_words(status.seconds_left)} left")
    line = f"{_ICONS[status.state]} **{status.state.capitalize()}.** "
    if status.state in ("failed", "diverged", "interrupted"):
        st.error(f"{status.state.capitalize()}. {message(status.message)}")
    elif status.state == "stopped":
        st.markdown(f"{_ICONS[status.state]} {message(status.message)} " + " · ".join(facts))
    elif status.state in ("waiting", "starting"):
        st.markdown(f"{_ICONS[status.state]} {message(status.message)}")
    elif status.state == "finishing":
        st.markdown(line + message(status.message))
    elif status.state == "fitting":
        st.markdown(" · ".join([line + message(status.message), *facts[1:]]))
    else:
        st.markdown(line + " · ".join(facts))
    if status.state == "fitting":
        st.progress(min(status.fitted, 1.0))
    elif status.steps:
        st.progress(min(status.step / status.steps, 1.0))


def _show_notices(run: Run, status: Status) -> None:
    """What there is to know of a run's images: changed since, left out, or without a map."""
    try:
        changed = cache.change_of(run.folder)
    except (CheckpointError, DatasetError) as problem:
        changed = str(problem)
    if changed:
        st.warning(message(changed), icon=":material/history:")
    notice = status.message.removeprefix("Finished.").strip()
    if status.state == "finished" and notice:
        st.caption(message(notice))


def _moved(run: Run, rows: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """At which epochs visitors moved beta or the learning rate, and to what."""
    pace = rows[-1]["epoch"] / rows[-1]["step"]
    try:
        changes = read_changes(run.folder)
    except RunError as problem:
        st.warning(message(problem))
        return []
    names = {"beta": "beta", "learning_rate": "rate"}
    return [
        (change["step"] * pace, f"{names[name]} {change[name]:g}")
        for change in changes
        for name in names
        if change.get(name) is not None
    ]


def _explain_curves(rows: list[dict[str, Any]], config: RunConfig, band: bool) -> None:
    if not config.model.get("variational", True):
        st.caption(
            "A standard autoencoder has neither KL nor ELBO: only the reconstruction counts."
        )
        return
    parts = ["In nats per image. ELBO = reconstruction − KL; higher is better."]
    if collapsed(rows, config):
        parts.append(
            "The KL stays low: at this beta, information in the code costs more than the "
            "reconstruction gains from it."
        )
    else:
        parts.append(
            "The KL rises at first, as it should: the encoder starts to store information, at a "
            "cost in nats that the reconstruction must repay."
        )
    if config.model.get("likelihood") == "bernoulli":
        parts.append(
            "The held-out curve may lie above the training curve: grey levels of held-out images "
            "are rounded to black or white, those of training images are binarised at random in "
            "each epoch."
        )
    if band:
        parts.append("Shaded bands: three runs with other seeds, shipped with the app.")
    st.caption(" ".join(parts))

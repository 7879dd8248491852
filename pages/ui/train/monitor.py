"""A run as it is watched: its state, its curves, its pictures; live while a process is at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.components.live_part import show_part
from pages.ui.components.plotly_chart import chart
from pages.ui.shared import cache, formatting, permissions, visitor
from pages.ui.shared.changes import control
from pages.ui.shared.foreign_text import message
from pages.ui.shared.glossary import links_to
from pages.ui.train import view
from pages.ui.train.metrics import read_so_far
from pages.ui.train.replay import choose_epoch
from pages.ui.train.warnings import collapsed, warnings_of
from vae import CheckpointError, DatasetError
from vae.runs.config import RunConfig, RunError, read_config
from vae.runs.control import read_control
from vae.runs.manager import Run
from vae.runs.snapshots import UNKNOWN
from vae.runs.status import Status, read_status

__all__ = [
    "show_controls",
    "show_run",
]

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
    visitor.current().train.seen = view.seen(run)  # this visitor's own change is no news


def show_run(run: Run) -> None:
    """Everything there is to see of a run, as it is now."""
    state = visitor.current().train
    before, now = state.seen, view.seen(run)
    state.seen = now
    _show_run(run)
    # Only now: what is not drawn before a rerun would vanish for a moment.
    if before is not None and before[0] == run.name and before != now:
        st.rerun()  # buttons and sliders outside of this fragment depend on it


def _show_run(run: Run) -> None:
    status, config = read_status(run.folder), read_config(run.folder)
    # What changes while it trains follows a feed; the rest is drawn again when the frame changes.
    feed, frame = (view.follow(run), view.frame_of(run)) if status.live else ("", "")
    # Each part in a place of its own: what comes and goes in one moves nothing in the others.
    head, replay, curves, pictures, terms = (st.container() for _ in range(5))
    with head:
        if status.state in ("failed", "diverged", "interrupted"):
            st.error(f"{status.state.capitalize()}. {message(status.message)}")
            if status.steps:
                st.progress(min(status.step / status.steps, 1.0))
        else:
            show_part(view.status_line(status), key="status", feed=feed, frame=frame)
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
        for sentence, icon in warnings_of(rows, config):
            st.warning(sentence, icon=icon)
    with replay:
        epoch = choose_epoch(run, status.live)
    until = rows
    if epoch is not None and not status.live:  # all panels show the epoch that is replayed
        until = [row for row in rows if row["epoch"] < epoch + 1e-3]
    with curves:
        try:
            moved = view.moved(run, rows)
        except RunError as problem:
            st.warning(message(problem))
            moved = []
        now = epoch if len(until) < len(rows) else None
        known = view.curves_of(run, config, status.epochs, rows, moved, now)
        for place, (key, (figure, alt)) in zip(
            st.columns(max(1, len(known))), known.items(), strict=False
        ):
            with place:
                chart(figure, key=key, alt=alt, feed=feed)
        _explain_curves(rows, config, view.band_of(config) is not None)
    with pictures:
        if epoch is not None:
            _show_pictures(run, config, epoch, feed)
    with terms:
        _show_terms(run, until, config, feed)


def _show_terms(run: Run, rows: list[dict[str, Any]], config: RunConfig, feed: str) -> None:
    if config.model.get("prior_components"):
        st.caption("The prior is a mixture: the KL is estimated, and no sum over dimensions.")
    parts = view.terms_of(run, rows)
    if not parts:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        show_part(parts["dimensions-title"], key="dimensions-title", feed=feed)
        figure, alt = parts["dimensions"]
        chart(figure, key="dimensions", alt=alt, feed=feed)
        st.caption(
            "A dimension with a KL of 0 carries no information about the image: the decoder has "
            "learned to ignore it. In an active dimension the posterior mean varies between "
            "images."
        )
    with right:
        st.markdown("**Rate and distortion**")
        figure, alt = parts["path"]
        chart(figure, key="path", alt=alt, feed=feed)
        st.caption(
            "Further right the codes carry more information; further down reconstructions are "
            "better. The ELBO is constant along the dashed line, at its best value so far, which "
            "training moves downwards."
        )
    st.caption(f"Terms in the glossary: {links_to(_GLOSSARY)}")


def _show_pictures(run: Run, config: RunConfig, epoch: int, feed: str) -> None:
    """The map of codes, samples and reconstructions of an epoch."""
    try:
        pictures = view.pictures_of(run, config, epoch)
    except (CheckpointError, DatasetError) as problem:
        st.caption(f"The pictures of epoch {epoch} cannot be shown. {message(problem)}")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        title, place = st.container(), st.container()
        labels, classes, followed = pictures.arrays.get("labels"), pictures.classes, feed
        if view.by_attribute(pictures):
            labels, classes = _colour_by(pictures.arrays, run)
            followed = ""  # each visitor's own choice
        parts = view.map_of(pictures, epoch, labels, classes)
        with title:
            show_part(parts["codes-title"], key="codes-title", feed=followed)
        with place:
            figure, alt = parts["codes"]
            chart(figure, key="codes", alt=alt, feed=followed)
    with right:
        for key, sheet in view.sheets_of(pictures).items():
            show_part(sheet, key=key, feed=feed)


def _colour_by(arrays: dict[str, np.ndarray], run: Run) -> tuple[np.ndarray, tuple[str, ...]]:
    names = [name for name in arrays if name.startswith("attribute.")]
    attributes = sorted(name.removeprefix("attribute.") for name in names)
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

"""Actions on a run that has ended: resume, save, open, export, delete; and comparison of runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.ui.components.plotly_chart import chart
from pages.ui.shared import formatting, images, permissions, visitor
from pages.ui.shared.changes import delete_run, resume_run, save_run, write_note
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.formatting import time_words
from pages.ui.shared.grid import show_table
from pages.ui.train import plots
from pages.ui.train.metrics import metrics_of
from vae import CheckpointError
from vae.runs.config import RunConfig, RunError, read_config
from vae.runs.control import read_changes
from vae.runs.folder import LONGEST_NOTE, read_note
from vae.runs.manager import Run, export_run
from vae.runs.setup import describe_damage
from vae.runs.snapshots import list_snapshots, read_pictures
from vae.runs.status import read_status

__all__ = ["show_actions", "show_comparison", "show_note"]


_COMPARED = 8  # pictures of each run


def show_actions(run: Run) -> None:
    """Buttons for a run without a training process."""
    status = read_status(run.folder)
    if status.live:
        return
    for damage in describe_damage(run.folder):
        st.warning(message(damage))
    saved = (run.folder / "model.safetensors").exists()
    locked = {"disabled": not permissions.explain("resumes, saves and deletes runs")}
    try:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if status.state != "finished" and st.button(
                "Resume", icon=":material/resume:", type="primary", key="resume", **locked
            ):
                resume_run(run.folder)
                st.rerun()
            if saved:
                if st.button("Open in the map", icon=":material/explore:", key="open"):
                    st.switch_page("map.py", query_params={"model": run.name})
                with st.popover("Save as a checkpoint", icon=":material/save:", **locked):
                    name = st.text_input("Name", re.sub(r"-\d{4}-\d{6}b*$", "", run.name))
                    if st.button("Save", key="save"):
                        save_run(run.folder, name.strip())
                        st.success("Saved. The model is now in the list on every page.")
                st.download_button(
                    "Export",
                    lambda: export_run(run.folder),
                    f"{run.name}.zip",
                    "application/zip",
                    icon=":material/download:",
                    on_click="ignore",
                    help="Weights, codes, settings and metrics in a zip archive.",
                )
            if st.button(
                "Again, with changes",
                icon=":material/replay:",
                key="again",
                help="Opens the form with the settings of this run: same images, same start, "
                "and for instance another beta.",
            ):
                state = visitor.current().train
                state.again, state.to_form = run.name, True
                st.rerun()
            delete = {"icon": ":material/delete:", "key": f"ask-{run.name}"}
            with st.popover("Delete", **delete, **locked):
                st.write("This deletes the run, its curves and its checkpoint for all visitors.")
                label = f"Delete {plain(run.name)} permanently"
                if st.button(label, key="delete", type="primary"):
                    left = delete_run(run.folder)
                    words = f"{run.name} is deleted."
                    if left:
                        words += (
                            " Its folder stays, because it holds other files: "
                            f"{', '.join(left[:3])}{'…' if left[3:] else ''}"
                        )
                    visitor.current().train.deleted = words
                    st.rerun()
    except RunError as problem:
        st.error(message(problem))


def show_note(run: Run) -> None:
    """What was noted about a run; whoever may change runs may change it."""
    note = read_note(run.folder)
    with st.container(horizontal=True, vertical_alignment="center"):
        words = "Change the note" if note else "Add a note"
        locked = not permissions.may_change()
        with st.popover(words, icon=":material/edit_note:", disabled=locked):
            text = st.text_area("Note", note, max_chars=LONGEST_NOTE, key=f"note-{run.name}")
            if st.button("Keep the note", key="keep-note"):
                write_note(run.folder, text)
                st.rerun()
        if note:
            st.markdown(plain(note, longest=LONGEST_NOTE))


def show_comparison(runs: list[Run]) -> None:
    """Curves, pictures and a table of several runs of the same images."""
    kinds: dict[str, list[Run]] = {}
    damaged: dict[str, RunError] = {}
    for run in runs:
        try:
            kinds.setdefault(read_config(run.folder).dataset, []).append(run)
        except RunError as problem:
            damaged[run.name] = problem
    if kinds:
        _compare(kinds, damaged)
    else:
        st.info("There are no runs yet." if not damaged else "There are no runs to compare.")
    for name, problem in damaged.items():
        st.warning(f"{plain(name)} is left out. {message(problem)}")


def _compare(kinds: dict[str, list[Run]], damaged: dict[str, RunError]) -> None:
    kind = st.selectbox("Images", list(kinds), format_func=formatting.verbatim, key="kind")
    likelihoods = {run.name: _likelihood(read_config(run.folder)) for run in kinds[kind]}
    names = list(likelihoods)
    alike = [name for name in names if likelihoods[name] == likelihoods[names[0]]]
    chosen = st.multiselect(
        "Runs",
        names,
        alike[:4],
        key=f"compared-{kind}",
        format_func=lambda name: f"{formatting.verbatim(name)} · {likelihoods[name]}",
        help="Pictures, squared error and KL can be compared between all runs of these images; "
        "reconstruction and ELBO in nats only between runs with the same likelihood.",
    )
    rows, table, shown = {}, [], []
    for run in kinds[kind]:
        if run.name in chosen:
            try:
                metrics = metrics_of(run.folder)
                table.append(_row(run, metrics))
                rows[run.name] = metrics
                shown.append(run)
            except RunError as problem:
                damaged[run.name] = problem
    if not rows:
        return
    same = len({likelihoods[name] for name in rows}) == 1
    terms = ["elbo", "reconstruction", "kl"] if same else ["squared_error", "kl"]
    for place, term in zip(st.columns(len(terms)), terms, strict=True):
        with place:
            figure = plots.compared_figure(rows, term)
            alt = f"{term} of {len(rows)} runs, on held-out images, by epoch"
            chart(figure, key=f"compared-{term}", alt=alt)
    if not same:
        for row in table:
            del row["ELBO"], row["reconstruction"]
    show_table(table)
    st.caption(
        "Measured on held-out images at the latest epoch; reconstruction, KL and ELBO in nats per "
        "image."
        if same
        else "Measured on held-out images at the latest epoch; KL in nats per image. These runs "
        "have different likelihoods, whose nats cannot be compared: squared error and pictures "
        "can."
    )
    _compare_pictures(shown)


def _compare_pictures(runs: list[Run]) -> None:
    """Held-out images, and below them what each run makes of them."""
    originals: np.ndarray | None = None
    for run in runs:
        epochs = list_snapshots(run.folder)
        if not epochs:
            continue
        try:
            arrays = read_pictures(run.folder, epochs[-1])
        except CheckpointError:
            continue
        if originals is None or not np.array_equal(originals, arrays["originals"][:_COMPARED]):
            originals = arrays["originals"][:_COMPARED]
            _strip(originals, "Held-out images")
        words = f"{plain(run.name, 'text')}, after epoch {epochs[-1]}"
        _strip(arrays["reconstructions"][:_COMPARED], words)


def _strip(pictures: np.ndarray, words: str) -> None:
    x = torch.from_numpy(pictures).float() / 255
    st.image(
        images.data_url(images.sheet(x, len(pictures)), 72),
        caption=plain(words),
        alt=words,
        width=64 * len(pictures),
    )


def _likelihood(config: RunConfig) -> str:
    """What must be the same for nats to be compared."""
    if config.start and "likelihood" not in config.model:
        return f"started from {formatting.verbatim(config.start)}"
    likelihood = formatting.likelihood(config.model.get("likelihood", "bernoulli"))
    return likelihood + ("" if config.model.get("variational", True) else ", autoencoder")


def _beta(run: Run, config: RunConfig) -> str:
    moved = [c["beta"] for c in read_changes(run.folder) if c.get("beta") is not None]
    return " → ".join(f"{beta:g}" for beta in [config.training.beta, *moved])


def _row(run: Run, rows: list[dict[str, Any]]) -> dict[str, Any]:
    config = read_config(run.folder)
    last = next((row for row in reversed(rows) if "heldout_elbo" in row), {})

    def short(key: str) -> float | None:
        return None if last.get(key) is None else round(last[key], 2)

    return {
        "run": run.name,
        "note": plain(read_note(run.folder), "text"),
        "state": read_status(run.folder).state,
        "epochs": round(rows[-1]["epoch"], 1) if rows else 0,
        "ELBO": short("heldout_elbo"),
        "reconstruction": short("heldout_reconstruction"),
        "KL": short("heldout_kl"),
        "squared error": None if not last else round(last["heldout_squared_error"], 4),
        "active": last.get("active_units"),
        "latent dimensions": config.model.get("latent_dim"),
        "beta": _beta(run, config),
        "seed": config.training.seed,
        "time": time_words(rows[-1]["seconds"]) if rows else "",
    }

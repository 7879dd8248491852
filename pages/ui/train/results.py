"""Actions on a run that has ended: resume, save, open, export, delete; and comparison of runs."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.shared import formatting, visitor
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.formatting import time_words
from pages.ui.train import plots
from pages.ui.train.metrics import metrics_of
from vae.runs.folder import RunConfig, RunError, read_changes, read_config, read_status
from vae.runs.manager import Run, delete_run, export_run, resume_run, save_run
from vae.runs.setup import describe_damage

__all__ = ["show_actions", "show_comparison"]


def show_actions(run: Run) -> None:
    """Buttons for a run without a training process."""
    status = read_status(run.folder)
    if status.live:
        return
    for damage in describe_damage(run.folder):
        st.warning(message(damage))
    saved = (run.folder / "model.safetensors").exists()
    try:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if status.state != "finished" and st.button(
                "Resume", icon=":material/resume:", type="primary", key="resume"
            ):
                resume_run(run.folder)
                st.rerun()
            if saved:
                if st.button("Open in the map", icon=":material/explore:", key="open"):
                    st.switch_page("map.py", query_params={"model": run.name})
                with st.popover("Save as a checkpoint", icon=":material/save:"):
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
            with st.popover("Delete", icon=":material/delete:", key=f"ask-{run.name}"):
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


def show_comparison(runs: list[Run]) -> None:
    """Curves and a table of several runs; ELBOs are overlaid only where that means something."""
    kinds: dict[str, list[Run]] = {}
    damaged: dict[str, RunError] = {}
    for run in runs:
        try:
            kinds.setdefault(_kind(read_config(run.folder)), []).append(run)
        except RunError as problem:
            damaged[run.name] = problem
    if kinds:
        _compare(kinds, damaged)
    else:
        st.info("There are no runs yet." if not damaged else "There are no runs to compare.")
    for name, problem in damaged.items():
        st.warning(f"{plain(name)} is left out. {message(problem)}")


def _compare(kinds: dict[str, list[Run]], damaged: dict[str, RunError]) -> None:
    kind = st.selectbox(
        "Images and likelihood",
        list(kinds),
        format_func=formatting.verbatim,
        key="kind",
        help="Nats can be compared only between runs with the same images and likelihood.",
    )
    names = [run.name for run in kinds[kind]]
    chosen = st.multiselect("Runs", names, names[:4], key=f"compared-{kind}")
    rows, table = {}, []
    for run in kinds[kind]:
        if run.name in chosen:
            try:
                metrics = metrics_of(run.folder)
                table.append(_row(run, metrics))
                rows[run.name] = metrics
            except RunError as problem:
                damaged[run.name] = problem
    if not rows:
        return
    terms = ["elbo", "reconstruction", "kl"]
    for place, term in zip(st.columns(3), terms, strict=True):
        with place:
            figure = plots.compared_figure(rows, term)
            alt = f"{term} of {len(rows)} runs, on held-out images, by epoch"
            chart(figure, key=f"compared-{term}", alt=alt)
    st.dataframe(table, hide_index=True)
    st.caption(
        "Measured on held-out images at the latest epoch; reconstruction, KL and ELBO in nats per "
        "image."
    )


def _kind(config: RunConfig) -> str:
    if config.start and "likelihood" not in config.model:
        return f"{config.dataset}, started from {config.start}"
    likelihood = config.model.get("likelihood", "bernoulli").replace("_", " ")
    plain = "" if config.model.get("variational", True) else ", standard autoencoder"
    return f"{config.dataset}, {likelihood}{plain}"


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

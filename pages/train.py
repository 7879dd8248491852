"""Train a model and watch it learn: reconstruction, KL, and the codes of held-out images.

A separate process trains; this page reads its files and sends it what visitors ask for.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.shared import links, problems, share, visitor
from pages.ui.shared.foreign_text import message
from pages.ui.train.as_python import run_as_python
from pages.ui.train.form import show_form
from pages.ui.train.monitor import show_controls, show_run
from pages.ui.train.results import show_actions, show_comparison, show_note
from vae.runs.manager import list_runs
from vae.runs.status import read_status

runs = list_runs()
states = {run.name: read_status(run.folder) for run in runs}
state = visitor.current().train
started, state.opened = state.opened, None
if started in states:  # a run that this visitor has just begun
    st.session_state["run"] = started
    st.session_state["train-view"] = "watch"
if state.to_form or state.dataset:
    st.session_state["train-view"] = "new"
views = {"watch": "Watch", "new": "New run", "compare": "Compare"}
st.session_state.setdefault("train-view", "watch" if runs else "new")
with st.container(horizontal=True, vertical_alignment="center", key="head"):
    st.title("Train", anchor=False, width="content")
    view = st.segmented_control(
        "View",
        list(views),
        required=True,
        format_func=views.get,
        key="train-view",
        label_visibility="collapsed",
    )
    share.button()
if view == "compare":
    try:
        show_comparison(runs)
    except problems.PROBLEMS as problem:
        problems.show(problem)
    problems.end_page()
if view != "watch" or not runs:
    show_form()
    problems.end_page()

if state.deleted:
    st.toast(message(state.deleted), icon=":material/delete:")
    state.deleted = None
live = [run.name for run in runs if states[run.name].live]
names = [run.name for run in runs]
tied = links.choice("run", names, names[0])
if live and not state.watched:  # whoever comes first sees what is training
    st.session_state["run"] = live[-1]
state.watched = True
name = st.selectbox(
    "Run",
    names,
    **tied,
    help="All visitors share the same runs. Closing the page does not stop them.",
)
run = runs[names.index(name)]
share.python(lambda: run_as_python(run))


@st.fragment
def controls() -> None:
    """Controls, in a fragment of their own: redrawing the curves must not interrupt a drag."""
    try:
        show_controls(run)
        show_actions(run)
        show_note(run)
    except problems.PROBLEMS as problem:
        problems.show(problem)


def watch() -> None:
    """Curves and pictures, redrawn while the run trains or its epochs are played."""
    try:
        show_run(run)
    except problems.PROBLEMS as problem:
        problems.show(problem)


@st.fragment(run_every=None if states[name].live else 3.0)
def wake() -> None:
    """Notices that somebody else has resumed a run."""
    if run.folder.exists() and read_status(run.folder).state != states[name].state:
        st.rerun()


# What changes while it trains comes by a feed, which asks for a run where more has changed; the
# minute is for whoever cannot hear it.
every = 0.5 if state.playing == name else 60.0 if states[name].live else None
watched = address.fragment(watch, run_every=every)
for part in (controls, watched, wake):
    with st.container():  # each in its place, whatever the others show
        part()

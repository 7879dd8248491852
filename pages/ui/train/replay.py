"""The replay of a run: the epoch that all panels show, by a slider or one after the other."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import links, visitor
from vae.runs.manager import Run
from vae.runs.snapshots import list_snapshots

__all__ = ["choose_epoch"]


def choose_epoch(run: Run, live: bool) -> int | None:
    """The epoch that all panels show: the latest, or any once the run has ended.

    It plays from epoch to epoch, one at each run of the fragment, until the last.
    """
    epochs = list_snapshots(run.folder)
    if live or len(epochs) < 2:
        return epochs[-1] if epochs else None
    state, key = visitor.current().train, f"replay-{run.name}"
    with links.using("epoch"):
        linked = links.read_numbers("epoch", 1, 0, epochs[-1])
        if linked is not None:  # not every epoch has pictures
            st.session_state[key] = min(epochs, key=lambda epoch: abs(epoch - linked[0]))
    kept = st.session_state.get(key)
    epoch = kept if kept in epochs else epochs[-1]
    playing = state.playing == run.name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words, icon = ("Pause", "pause") if playing else ("Play", "play_arrow")
        if st.button(words, icon=f":material/{icon}:", key="play"):
            state.playing = None if playing else run.name
            if not playing and epoch == epochs[-1]:
                st.session_state[key] = epochs[0]
            st.rerun()  # how often the fragment runs is the page's to say
        if playing:
            epoch = next((e for e in epochs if e > epoch), epoch)
        st.session_state[key] = epoch
        epoch = st.select_slider("Replay epoch", epochs, key=key, width="stretch")
    links.put("epoch", None if epoch == epochs[-1] else str(epoch))
    if playing and epoch == epochs[-1]:
        state.playing = None
        st.rerun()
    return epoch

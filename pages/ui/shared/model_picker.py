"""The choice of a model, the same on every page."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared.cache import latent_space
from pages.ui.shared.latent_space import LatentSpace
from vae import CheckpointError, DatasetError, list_checkpoints

__all__ = ["choose_model", "follow_model"]


def choose_model(label: str = "Model") -> LatentSpace:
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
        return latent_space(name)
    except (CheckpointError, DatasetError) as problem:
        st.error(f"This model cannot be shown. {problem}")
        st.stop()


def follow_model(key: str, default: str) -> None:
    """Gives a widget the default of another model, unless the visitor or a link chose otherwise.

    Call it before the widget, whose own default must be the same.

    Args:
        key: of the widget.
        default: the option that the shown model starts with.
    """
    last = st.session_state.get(f"{key}-default", default)
    if last != default and st.session_state.get(key, last) == last:
        st.session_state[key] = default
    st.session_state[f"{key}-default"] = default

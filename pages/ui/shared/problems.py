"""What ends a page or a part of it in a sentence, wherever it comes from."""

from __future__ import annotations

import logging

import streamlit as st

from pages.ui.shared.foreign_text import message
from pages.ui.shared.permissions import NotAllowedError
from vae import CheckpointError, DatasetError
from vae.files import explain_refusal
from vae.runs.folder import RunError

__all__ = ["PROBLEMS", "show"]

PROBLEMS = (CheckpointError, DatasetError, RunError, NotAllowedError, OSError)
"""Files that were damaged or deleted meanwhile, a network of one's own that gave up, a message
that no page of ours sends, and what the operating system refuses."""

_log = logging.getLogger(__name__)


def show(problem: Exception) -> None:
    """Shows a problem to the visitor; one of the operating system goes to the log as well."""
    if isinstance(problem, OSError):
        _log.warning("The system refused something.", exc_info=problem)
        st.error(message(explain_refusal(problem)))
    else:
        st.error(message(problem))

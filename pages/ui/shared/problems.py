"""What ends a page or a part of it in a sentence, wherever it comes from."""

from __future__ import annotations

import logging
from typing import NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner import StopException

from pages.ui.shared.foreign_text import message
from pages.ui.shared.permissions import NotAllowedError
from vae import CheckpointError, DatasetError
from vae.files import explain_refusal
from vae.runs.config import RunError

__all__ = ["PROBLEMS", "end_page", "show"]

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


def end_page() -> NoReturn:
    """Ends a page that has said all it can; what stands around every page follows it.

    After `st.stop` nothing could: Streamlit then ends the run at the next element.
    """
    raise StopException

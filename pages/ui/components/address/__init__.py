"""The page's address, written in the browser, where history knows steps from mere changes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages
from pages.ui.shared import links, problems

__all__ = ["fragment", "write_address"]

P, T = ParamSpec("P"), TypeVar("T")
_ADDRESS = Component("address", Path(__file__).with_name("address.js"), messages.AddressData)


def write_address(key: str = "address") -> None:
    """Writes into the address what is shown now; call it at the end of a run.

    Args:
        key: key of the component.
    """
    _ADDRESS.show(links.compose(), key=key)


def fragment(
    function: Callable[P, T], *, run_every: float | None = None, writes: bool = True
) -> Callable[P, T | None]:
    """As `st.fragment`, for a part of a page whose changes belong into the address.

    Args:
        function: shows the part.
        run_every: seconds after which it is shown again.
        writes: whether it changes anything that the address says.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T | None:
        result = None
        try:
            result = function(*args, **kwargs)
        except problems.PROBLEMS as problem:  # as in the router
            problems.show(problem)
        context = get_script_run_ctx()
        alone = context is not None and context.fragment_ids_this_run
        if writes and alone:  # else the page itself does it
            write_address(f"address-{function.__name__}")
        return result

    return st.fragment(run, run_every=run_every)

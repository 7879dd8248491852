"""Who may change what everybody sees: the presenter, and on a server for one person that person.

A server is started for one person, or for a room; `LATENT_MODE` says which, and what is said
nowhere is a room. In a room the presenter's token alone decides: neither the address that a
request comes from nor a header that somebody else could write. Functions that change something are
under `presenter_only`, so that they refuse however they are reached.
"""

from __future__ import annotations

import functools
import hmac
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import streamlit as st
from streamlit import runtime
from streamlit.runtime import Runtime

__all__ = [
    "COOKIE",
    "HOSTS",
    "MODE",
    "ROOM",
    "SHORTEST",
    "SINGLE_USER",
    "TOKEN",
    "NotAllowedError",
    "acting_for",
    "check",
    "explain",
    "for_one_person",
    "is_token",
    "may_change",
    "presenter_only",
]

MODE, TOKEN, HOSTS = "LATENT_MODE", "LATENT_TOKEN", "LATENT_HOSTS"  # environment variables
SINGLE_USER, ROOM = "single-user", "room"  # values of `MODE`
COOKIE = "latent-presenter"
SHORTEST = 16  # characters of a token that counts
_SENTENCE = "Only the presenter may do this: whoever opened the app by the presenter's link."
_thread = threading.local()
_P, _T = ParamSpec("_P"), TypeVar("_T")


class NotAllowedError(Exception):
    """A visitor asked for what only the presenter may do; the message says so."""


def for_one_person() -> bool:
    """Whether the server was started for one person, who may do everything.

    A server that is reached by further names, as behind a proxy, is none, whatever else is set.
    Without a server, as in a test of a page, whoever runs the page is the one person.
    """
    mode = os.environ.get(MODE)
    if mode is None:
        return not (runtime.exists() and type(runtime.get_instance()) is Runtime)
    return mode == SINGLE_USER and not os.environ.get(HOSTS, "").strip()


def is_token(text: str | None) -> bool:
    """Whether a text is the presenter's token, compared in constant time."""
    token = os.environ.get(TOKEN, "")
    return len(token) >= SHORTEST and hmac.compare_digest((text or "").encode(), token.encode())


def may_change(cookies: dict[str, str] | None = None) -> bool:
    """Whether somebody may change what others see.

    Args:
        cookies: the cookies of a request; None for the visitor whose page this thread runs, or
            whose job it works at.
    """
    if for_one_person():
        return True
    if cookies is None and (given := getattr(_thread, "allowed", None)) is not None:
        return given
    return is_token((st.context.cookies if cookies is None else cookies).get(COOKIE))


@contextmanager
def acting_for(allowed: bool) -> Iterator[None]:
    """Gives this thread, which serves no page, the rights of whoever started its work."""
    _thread.allowed = allowed
    try:
        yield
    finally:
        _thread.allowed = None


def check() -> None:
    """Refuses whoever may not change what others see.

    Raises:
        NotAllowedError: it is not the presenter who asks.
    """
    if not may_change():
        raise NotAllowedError(_SENTENCE)


def presenter_only(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Makes a function that changes something for everybody refuse all but the presenter.

    Raises:
        NotAllowedError: when the function is called for somebody else.
    """

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        check()
        return function(*args, **kwargs)

    return guarded


def explain(what: str) -> bool:
    """Says to a visitor what only the presenter may do here.

    Args:
        what: the rest of a sentence, such as "starts and stops runs".

    Returns:
        Whether the visitor may do it, and was told nothing.
    """
    allowed = may_change()
    if not allowed:
        st.caption(f":material/lock: In this room the presenter {what}.")
    return allowed

"""Streamlit settings from the environment, which it reads itself under its own command alone."""

from __future__ import annotations

import os
from collections.abc import Mapping

from streamlit import config

from pages.ui.shared import permissions
from vae import quota

__all__ = ["VARIABLES", "read_environment"]

_OF_A_ROOM = "100"  # GB of models, datasets and runs
VARIABLES: Mapping[str, str] = {
    "STREAMLIT_SERVER_BASE_URL_PATH": "server.baseUrlPath",
    "STREAMLIT_SERVER_XSRF_COOKIE_SAME_SITE": "server.xsrfCookieSameSite",
}


def read_environment() -> None:
    """Sets what the environment says, also where uvicorn started the app.

    In a room, what is kept is bounded also where the environment does not say how.
    """
    one = os.environ.get(permissions.MODE) == permissions.SINGLE_USER
    if not one or os.environ.get(permissions.HOSTS, "").strip():
        os.environ.setdefault(quota.VARIABLE, _OF_A_ROOM)
    for variable, option in VARIABLES.items():
        if (value := os.environ.get(variable)) is not None:
            config.set_option(option, value)

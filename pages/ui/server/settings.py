"""Streamlit settings from the environment, which it reads itself under its own command alone."""

from __future__ import annotations

import os
from collections.abc import Mapping

from streamlit import config

__all__ = ["VARIABLES", "read_environment"]

VARIABLES: Mapping[str, str] = {
    "STREAMLIT_SERVER_BASE_URL_PATH": "server.baseUrlPath",
    "STREAMLIT_SERVER_XSRF_COOKIE_SAME_SITE": "server.xsrfCookieSameSite",
}


def read_environment() -> None:
    """Sets what the environment says, also where uvicorn started the app."""
    for variable, option in VARIABLES.items():
        if (value := os.environ.get(variable)) is not None:
            config.set_option(option, value)

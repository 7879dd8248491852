"""Uploads of data to import: files or a folder, sent straight to the server's disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages
from pages.ui.components.messages.page import Uploaded
from pages.ui.shared import incoming, links

__all__ = ["uploader"]

_UPLOADER = Component(
    "uploader", Path(__file__).with_name("uploader.js"), messages.UploaderData,
    {"uploaded": messages.Uploaded},
)  # fmt: skip


def uploader(
    token: str, *, key: str, label: str, accept: str, on_upload: Callable[[str], None]
) -> None:
    """Shows a field for files, which shows the progress and can be cancelled.

    Args:
        token: names the upload; see `incoming.new_token`.
        key: key of the component.
        label: what is asked for.
        accept: endings of the files, with commas between.
        on_upload: called with the token when all files have arrived.
    """

    def heard(message: Uploaded) -> None:
        if message["token"] == token:
            on_upload(token)

    data = {
        "base": links.base_path(),
        "token": token,
        "largest": float(incoming.LARGEST),
        "label": label,
        "accept": accept,
    }
    _UPLOADER.show(data, key=key, uploaded=heard)

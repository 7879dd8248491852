"""A line or a picture that many watch: it changes in the browser, without a run of the page."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages
from pages.ui.components.messages.page import Shown
from pages.ui.shared import links

__all__ = ["Shown", "show_part"]

_PART = Component(
    "live_part",
    Path(__file__).with_name("live_part.js"),
    messages.LivePartData,
    {"frame": messages.Frame},
    isolate_styles=False,  # the font of icons is the page's
)


def show_part(now: Shown, *, key: str, feed: str = "", frame: str = "") -> None:
    """Shows a line or a picture, and follows it.

    Args:
        now: what it is now.
        key: key of the component, and name of the part in the feed.
        feed: address of the feed that it follows, as `feeds.offer` gives it; none by default.
        frame: what the feed calls `frame` as long as all around is as it is now. When it changes,
            the fragment runs again.
    """
    data = {
        "base": links.base_path(),
        "feed": feed,
        "part": key,
        "frame": frame,
        "now": msgspec.to_builtins(now),
    }
    _PART.show(data, key=key)

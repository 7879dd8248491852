"""What a map decodes under the pointer, enlarged."""

from __future__ import annotations

from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages
from pages.ui.shared.device import on_a_phone

__all__ = ["live_picture"]

_VIEW = Component(
    "live_picture",
    Path(__file__).with_name("decoded_view.js"),
    messages.DecodedViewData,
    isolate_styles=False,
    live=True,
)


def live_picture(view: str) -> None:
    """Shows, enlarged, what a map decodes.

    Args:
        view: ties it to the map that is given the same word.
    """
    invitation = (
        "Draw a finger over the map: every point is decoded as you go. Tap to pin one; two "
        "fingers zoom."
        if on_a_phone()
        else "Move the pointer over the map: every point is decoded as you go. Click to pin one. "
        "On a keyboard, arrows and Enter."
    )
    _VIEW.show({"view": view, "invitation": invitation}, key=f"live-{view}")

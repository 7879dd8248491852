"""What a map decodes under the pointer, enlarged."""

from __future__ import annotations

from pathlib import Path

from pages.ui.components.base import component

__all__ = ["live_picture"]

# Without isolated styles: the map, another component, draws into it.
_VIEW = component(
    "live_picture", Path(__file__).with_name("decoded_view.js"), isolate_styles=False
)


def live_picture(view: str) -> None:
    """Shows, enlarged, what a map decodes.

    Args:
        view: ties it to the map that is given the same word.
    """
    invitation = (
        "Move the pointer over the map: every place is decoded as you go. Click to keep one. "
        "On a phone, drag and tap; on a keyboard, arrows and Enter."
    )
    _VIEW(key=f"live-{view}", data={"view": view, "invitation": invitation})

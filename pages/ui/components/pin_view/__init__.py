"""What the browser knows of a pin, shown from the click until Python's details are there."""

from __future__ import annotations

from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages

__all__ = ["DETAILS", "PLACE", "pin_view"]

# Keys of containers: what stands in the second is hidden while the first shows a newer pin.
PLACE, DETAILS = "pin-now", "pin-details"
_VIEW = Component(
    "pin_view",
    Path(__file__).with_name("pin_view.js"),
    messages.PinViewData,
    isolate_styles=False,
)


def pin_view(view: str, heard: int) -> None:
    """Shows what a map finds out about a pin by itself, until Python has heard of it.

    Args:
        view: ties it to the map that is given the same word.
        heard: how many changes of the map's pins Python has heard of.
    """
    _VIEW.show({"view": view, "heard": heard}, key=f"pin-view-{view}")

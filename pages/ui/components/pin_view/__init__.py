"""A pin that was clicked on a map, shown without a run of Python's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages

__all__ = ["DETAILS", "PLACE", "SUGGESTED", "pin_view"]

# Keys of containers: what stands in the second is hidden while the first shows a pin, and what
# stands in the third while that is one that somebody placed.
PLACE, DETAILS, SUGGESTED = "pin-now", "pin-details", "pin-suggested"
_VIEW = Component(
    "pin_view",
    Path(__file__).with_name("pin_view.js"),
    messages.PinViewData,
    isolate_styles=False,
)


def pin_view(
    view: str,
    heard: int,
    *,
    server: bool,
    image: str,
    place: str,
    terms: Sequence[tuple[str, str, str]],
) -> None:
    """Shows what a map finds out about a pin by itself.

    Args:
        view: ties it to the map that is given the same word.
        heard: how many changes of the map's pins Python has heard of.
        server: whether Python shows the last of these pins, and not this.
        image: what is to be said of every real image.
        place: what is to be said of every place that is none.
        terms: of each number of nats that an image has, its name, what it means, and an address.
    """
    _VIEW.show(
        {
            "view": view,
            "heard": heard,
            "server": server,
            "image": image,
            "place": place,
            "terms": [dict(zip(("name", "about", "link"), term, strict=True)) for term in terms],
        },
        key=f"pin-view-{view}",
    )

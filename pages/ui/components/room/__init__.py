"""What ties a page to its room: the presenter's leads, a pupil's follows and answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages
from pages.ui.shared import links, permissions

__all__ = ["join_room"]

_ROOM = Component(
    "room", Path(__file__).with_name("room.js"), messages.RoomData, isolate_styles=False
)


def join_room(pages: Sequence[str], page: str) -> None:
    """Ties a page to its room, where the server was started for one.

    Args:
        pages: addresses of all pages, in the order in which they are presented.
        page: address of this one.
    """
    if not permissions.for_one_person():
        leads = permissions.may_change()
        data = {"base": links.base_path(), "leads": leads, "pages": list(pages), "page": page}
        _ROOM.show(data, key="room")

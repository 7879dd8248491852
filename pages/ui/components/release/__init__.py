"""What a visitor lets go of: Python hears of it in a fragment that draws nothing anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pages.ui.components import address
from pages.ui.components.base import Component
from pages.ui.components.messages import paths as messages
from pages.ui.components.schema import Heard

__all__ = ["hear", "heard"]

_RELEASE = Component(
    "release",
    Path(__file__).with_name("release.js"),
    messages.ReleaseData,
    {"values": messages.Values},
)


def heard(key: str) -> Heard:
    """What was last let go of under a key, numbers in a list."""
    return _RELEASE.heard(f"{key}-release", "values")


def hear(key: str, keep: Callable[[Sequence[float]], None] | None) -> None:
    """Listens to what is let go of from now on; a fragment of its own runs each time.

    Args:
        key: key of the component that shows it.
        keep: called with the numbers of each release; the address is written afterwards.
    """

    def mount() -> None:
        answers = {} if keep is None else {"values": keep}
        _RELEASE.show({"key": key}, key=f"{key}-release", **answers)

    address.fragment(mount, writes=keep is not None)()

"""Choosing a picture: out of a gallery, the visitor's pins, random samples or an upload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages
from pages.ui.shared.foreign_text import plain

__all__ = [
    "Picture",
    "choose_picture",
    "choose_pictures",
]


_GALLERY = Component(
    "gallery",
    Path(__file__).with_name("gallery.js"),
    messages.GalleryData,
    {"chosen": messages.Chosen},
)


@dataclass(frozen=True)
class Picture:
    """One picture of a gallery.

    Args:
        key: key by which the gallery reports the choice.
        url: address of the picture, usually a `data:` URL.
        caption: short, below it.
        alt: alternative text.
    """

    key: str
    url: str
    caption: str
    alt: str


def choose_pictures(
    pictures: Sequence[Picture],
    *,
    key: str,
    label: str,
    tile: int = 56,
    height: int = 356,
    pixelated: bool = False,
    multiple: bool = True,
    chosen: Sequence[str] | None = None,
    on_choose: Callable[[list[str]], None] | None = None,
) -> list[str]:
    """Shows pictures as buttons.

    Args:
        pictures: pictures to choose from.
        key: key of the component.
        label: label for screen readers.
        tile: width of a picture in CSS pixels.
        height: height above which the gallery scrolls, in CSS pixels.
        pixelated: enlarges with hard pixels.
        multiple: each click ticks one more, or takes its tick away.
        chosen: keys that are shown as chosen; None for those that were clicked last.
        on_choose: called with the chosen keys at each click.

    Returns:
        The chosen pictures' keys, in the order of the clicks; they may have been shown before.
    """
    heard = _GALLERY.heard(key, "chosen")
    last = heard.value or []
    _GALLERY.show(
        {
            "label": label,
            "items": [
                vars(p) | {"caption": plain(p.caption, "text"), "alt": plain(p.alt, "text")}
                for p in pictures
            ],
            "chosen": heard.answer(last if chosen is None else list(chosen)),
            "multiple": multiple,
            "tile": tile,
            "height": height,
            "pixelated": pixelated,
        },
        key=key,
        chosen=on_choose or (lambda keys: None),
    )
    return last


def choose_picture(
    pictures: Sequence[Picture],
    *,
    key: str,
    on_choose: Callable[[str], None] | None = None,
    **options: Any,
) -> str | None:
    """As `choose_pictures`, for one.

    Args:
        pictures: pictures to choose from.
        key: key of the component.
        on_choose: called with the chosen key at each click.
        **options: further arguments of `choose_pictures`.

    Returns:
        The chosen picture's key, None while nothing is chosen that is among them.
    """
    known = {p.key for p in pictures}

    def tell(keys: list[str]) -> None:
        if on_choose is not None and keys and keys[-1] in known:
            on_choose(keys[-1])

    chosen = choose_pictures(pictures, key=key, multiple=False, on_choose=tell, **options)
    return chosen[-1] if chosen and chosen[-1] in known else None

"""What belongs to no one page: pictures to choose from, files, charts, the address, the room."""

from __future__ import annotations

from pages.ui.components.schema import Message, Synced

Chosen = list[str]
"""Answered by the gallery: the keys of what is chosen, in the order of the clicks."""


class GalleryItem(Message):
    """One button of a gallery."""

    key: str
    url: str
    caption: str
    alt: str


class GalleryData(Message):
    """Sent to the gallery."""

    label: str
    items: list[GalleryItem]
    chosen: Synced[Chosen]
    multiple: bool
    tile: int
    height: int
    pixelated: bool


class UploaderData(Message):
    """Sent to what uploads files."""

    base: str
    token: str
    largest: float
    label: str
    accept: str


class Uploaded(Message):
    """Answered by the uploader: all files of an upload have arrived."""

    token: str
    files: int


class DrawerData(Message):
    """Sent to what closes the drawer, which answers nothing."""

    page: str


class DecodedViewData(Message):
    """Sent to the enlarged view, which answers nothing."""

    view: str
    invitation: str


class PinTerm(Message):
    """A number of nats beside a pin: what it is called, what it means, where more is said."""

    name: str
    about: str
    link: str


class PinViewData(Message):
    """Sent to what shows a pin that the browser answers, which answers nothing.

    Attributes:
        view: the map.
        heard: how many changes of the map's pins Python has heard of.
        server: whether Python shows the last pin of those.
        image: what is to be said of a real image, whatever it is.
        place: what is to be said of a place, likewise.
        terms: numbers of nats that an image has.
    """

    view: str
    heard: int
    server: bool
    image: str
    place: str
    terms: list[PinTerm]


class RoomData(Message):
    """Sent to what ties a page to its room, which answers nothing."""

    base: str
    leads: bool
    pages: list[str]
    page: str


class AddressData(Message):
    """Sent to the page's address, which answers nothing."""

    query: list[tuple[str, str]]
    push: bool
    count: int
    arrivals: int
    session: str


class Figure(Message):
    """A figure as Plotly's JSON, and its alternative text."""

    figure: str
    alt: str


class ChartData(Message):
    """Sent to the chart, which answers nothing.

    Attributes:
        feed: address of the feed that it follows; empty for none.
        part: its name there.
        now: the figure.
    """

    base: str
    feed: str
    part: str
    now: Figure
    height: float
    colours: list[str]


class Shown(Message):
    """A line of plain text, or a picture.

    Attributes:
        strong: how the line begins, in bold.
        text: what follows; below a picture, what it shows.
        icon: name of a Material Symbol before the line; empty for none.
        share: what is done of the whole, 0…1, as a bar below; None for no bar.
        url: the picture; empty for a line.
    """

    text: str
    strong: str = ""
    icon: str = ""
    share: float | None = None
    url: str = ""


class LivePartData(Message):
    """Sent to a line or picture that follows a feed, if there is one, as the feed sends it."""

    base: str
    feed: str
    part: str
    frame: str
    now: Shown


Frame = str
"""Answered by a part: what the feed now says of all that is around; empty where it is refused."""

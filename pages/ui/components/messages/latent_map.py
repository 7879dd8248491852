"""What the latent map is sent, and what it answers."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from pages.ui.components.schema import Message, Synced


class MapPin(Message):
    """A pin as the map draws it; one that was `clicked` the browser also shows.

    Attributes:
        automatic: what is said of one that nobody placed; "" for all others.
    """

    kind: Literal["real", "upload", "sample", "generated"]
    row: int
    z: list[float]
    label: str
    variance: list[float] | None
    clicked: bool
    approximate: bool
    automatic: str


class MapFamily(Message):
    """How places of a map become codes: on a plane, or from the nearest codes."""

    kind: Literal["linear", "nearest"]
    origin: list[float] | UnsetType = UNSET
    u: list[float] | UnsetType = UNSET
    v: list[float] | UnsetType = UNSET


class MapLattice(Message):
    """Codes of a lattice of places: where they are fetched, what part of the plane they cover."""

    url: str
    side: int
    bounds: tuple[float, float, float, float]


class MapNoise(Message):
    """Noise of a level of all codes: where it is fetched."""

    url: str
    level: float


class MapCodes(Message):
    """All codes: where they are fetched, and the bits of each number."""

    url: str
    bits: Literal[16, 32]


class MapAtlas(Message):
    """Sheets of small pictures: one of all images, or of those that a request names."""

    url: str
    whole: bool
    tile: int
    columns: int


class MapRegion(Message):
    """A colour of the plane, and what it stands for."""

    name: str
    colour: str


class MapRegions(Message):
    """The plane coloured by what the classifier sees.

    Attributes:
        shown: one number, 1 where it is coloured.
        attribute: which of the classifier's names is shown, with colours for without and with it;
            None for all of them, which are classes.
    """

    shown: Synced[list[float]]
    title: str
    colours: list[MapRegion]
    attribute: int | None


class MapData(Message):
    """Sent to the latent map."""

    base: str
    view: str
    linked: str | None
    second: bool
    model: str
    description: str
    figure: str
    places: str
    marks: str
    family: MapFamily
    keep: Literal["mean", "pinned", "likely"]
    lattice: MapLattice | None
    noise: MapNoise | None
    codes: MapCodes
    atlas: MapAtlas
    nats: str | None
    about: str
    image: str
    tell: str
    token: str
    binary: bool
    names: str | None
    first_train: int | None
    count: int
    dimensions: int
    whole_space: bool
    decodes: bool
    shape: tuple[int, int, int]
    classes: list[str]
    usual_distance: float | None
    far: float | None
    zones: list[tuple[float | None, str]]
    opacity: float
    regions: MapRegions | None
    pins: Synced[list[MapPin]]
    most_pins: int
    groups: Synced[dict[str, list[int]]]


class MapGroup(Message):
    """Answered by the map: a lasso around codes."""

    model: str
    group: Literal["A", "B"]
    rows: list[int]

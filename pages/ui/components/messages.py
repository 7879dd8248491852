"""What the app and its components tell each other: what each is sent, and what it answers.

Every message is held against its declaration here, on its way out and on its way in.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from pages.ui.components.schema import Message, Synced
from vae.latent import LARGEST_CODE

__all__ = [
    "NOISE_REACH",
    "ChartData",
    "Chosen",
    "DecodedViewData",
    "DrawerData",
    "GalleryData",
    "JensenData",
    "LineupData",
    "LineupPanel",
    "MapData",
    "MapGroup",
    "MapPin",
    "MapPinned",
    "Noise",
    "NoisePadData",
    "PinViewData",
    "Pixel",
    "PixelData",
    "PlaneData",
    "PlaneGaussian",
    "PlanePlace",
    "PlaneVaeData",
    "SliderData",
    "StepsData",
    "Uploaded",
    "UploaderData",
    "Values",
]

Packed = str
"""Numbers of 32 bits, little-endian, in base 64."""


class Picture(Message):
    """A picture by its address, and what it shows."""

    url: str
    alt: str


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


class LessonStep(Message):
    """A step of the lecture."""

    lesson: str
    title: str


class StepsData(Message):
    """Sent to the lecture's steps, or to what ticks one of them; neither answers."""

    steps: list[LessonStep]
    here: str
    label: str
    done: str
    ticked: str | None


class DecodedViewData(Message):
    """Sent to the enlarged view, which answers nothing."""

    view: str
    invitation: str


class PinViewData(Message):
    """Sent to what shows a pin until Python's details are there, which answers nothing."""

    view: str
    heard: int


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


class JensenWords(Message):
    """What the curve of a function writes; `functions` names those to choose from."""

    function: str
    functions: dict[str, str]
    mean: str
    above: str
    below: str
    gap: str
    alt: str


class JensenData(Message):
    """Sent to the curve of a function, which answers nothing."""

    words: JensenWords
    weights: list[float]
    above: str
    below: str
    gap: str


class PlaneVaeWords(Message):
    """What the VAE of points of a plane writes."""

    train: str
    pause: str
    step: str
    anew: str
    clear: str
    empty: str
    beta: str
    rate: str
    data: str
    data_alt: str
    codes: str
    codes_alt: str
    curves: str
    curves_alt: str
    steps: str
    evidence: str
    elbo: str
    gap: str
    reconstruction: str
    kl: str
    deviation: str


class PlaneVaeData(Message):
    """Sent to the VAE of points of a plane, which answers nothing."""

    words: PlaneVaeWords
    shape: Literal["rings", "moons", "clusters", "spiral"]
    seed: int
    beta: float
    rate: float
    colours: dict[str, str]


class MapPin(Message):
    """A pin as the map draws it."""

    kind: Literal["real", "upload", "sample", "generated"]
    row: int
    z: list[float]
    label: str
    variance: list[float] | None


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
    pins: Synced[list[MapPin]]
    most_pins: int
    groups: Synced[dict[str, list[int]]]


class MapPinned(Message):
    """Answered by the map: a click on a real image, or on a place that was decoded."""

    model: str
    kind: Literal["real", "generated"]
    row: int
    z: list[Annotated[float, Meta(ge=-LARGEST_CODE, le=LARGEST_CODE)]]
    approximate: bool


class MapGroup(Message):
    """Answered by the map: a lasso around codes."""

    model: str
    group: Literal["A", "B"]
    rows: list[int]


_Part = Annotated[float, Meta(ge=0, le=1)]
PlanePlace = tuple[_Part, _Part]
"""Answered by the planes: a place, as parts of their width and height from the lower left."""
PlaneGaussian = tuple[float, float, float, float]
"""Answered by a plane with a Gaussian: its mean, then its standard deviation."""


class PlaneField(Message):
    """A quantity over a plane."""

    values: Packed
    side: int
    label: str
    colour: str
    low: float
    high: float
    digits: int


class PlaneEllipse(Message):
    """A Gaussian on a plane."""

    mean: list[float]
    sigma: list[float]
    colour: str
    radius: float
    dashed: bool


class PlanePanel(Message):
    """One plane."""

    title: str
    bounds: tuple[float, float, float, float]
    model: str | None
    points: Packed
    classes: Packed
    field: PlaneField | None
    ellipses: list[PlaneEllipse]
    rings: bool
    marked: bool
    names: tuple[str, str]
    note: str


class PlaneWords(Message):
    """What the planes write, with `{name}` for what they fill in."""

    keys: str
    decoded: str
    draws: str
    draw: str


class PlaneData(Message):
    """Sent to the planes: either a place or a Gaussian."""

    words: PlaneWords
    base: str
    palette: list[str]
    panels: list[PlanePanel]
    legend: list[str]
    layout: str
    at: Synced[PlanePlace] | UnsetType = UNSET
    gaussian: Synced[PlaneGaussian] | UnsetType = UNSET
    colour: str | UnsetType = UNSET
    noise: list[tuple[float, float]] | UnsetType = UNSET


NOISE_REACH = 3.5
_Reached = Annotated[float, Meta(ge=-NOISE_REACH, le=NOISE_REACH)]
Noise = tuple[_Reached, _Reached]
"""Answered by the noise pad: ε in the two dimensions that it shows."""


class NoisePadWords(Message):
    """What the noise pad writes below its pictures and, for screen readers, about them."""

    space: str
    codes: str
    picture: str
    space_alt: str
    codes_alt: str
    picture_alt: str


class NoisePadData(Message):
    """Sent to the noise pad."""

    words: NoisePadWords
    base: str
    model: str
    shape: tuple[int, int, int]
    mean: list[float]
    sigma: list[float]
    axes: tuple[int, int]
    noise: Synced[Noise]
    draws: list[tuple[float, float]]
    codes: list[tuple[float, float]]
    middle: tuple[float, float]
    half: float
    gradient: tuple[float, float] | None
    reach: float
    colours: dict[str, str]


Pixel = tuple[int, int]
"""Answered by the pixel inspector: row and column."""


class PixelReading(Message):
    """What one likelihood says of every pixel."""

    title: str
    pictures: list[tuple[str, Packed]]
    lines: list[str]
    values: dict[str, Packed]
    colours: dict[str, str]
    total: str


class PixelData(Message):
    """Sent to the pixel inspector."""

    alt: str
    size: tuple[int, int]
    at: Synced[Pixel]
    readings: list[PixelReading]


class ChartData(Message):
    """Sent to the chart, which answers nothing; the figure is Plotly's JSON."""

    base: str
    figure: str
    height: float
    colours: list[str]
    alt: str


Values = list[float]
"""Answered by the sliders: θ, a number for each of them."""


class SliderBase(Message):
    """A picture that the sliders change."""

    title: str
    z: list[float]


class SliderKnob(Message):
    """One slider."""

    label: str
    low: float
    high: float
    value: float
    step: float
    unit: str


class TrackPictures(Message, tag_field="kind", tag="pictures"):
    """A row of pictures below the slider of a path."""

    label: str
    items: list[Picture]


class TrackBand(Message):
    """A part of a path that stands out, with its name."""

    name: str
    start: float = field(name="from")
    to: float
    colour: str


class TrackCurve(Message):
    """A line over the positions of a path, left out where it has no value."""

    name: str
    values: list[float | None]
    colour: str
    unit: str
    digits: int
    area: bool


class TrackCurves(Message, tag_field="kind", tag="curves"):
    """A diagram below the slider of a path."""

    label: str
    at: list[float]
    curves: list[TrackCurve]
    low: float
    high: float
    ends: tuple[str, str]
    bands: list[TrackBand]
    shaded: list[tuple[float, float]]
    empty: str


class NearestImages(Message):
    """Which picture is the nearest real image, for positions along a path."""

    which: list[int]
    items: list[Picture]


class SliderData(Message):
    """Sent to the sliders."""

    base: str
    key: str
    model: str
    shape: tuple[int, int, int]
    gaussian: bool
    weighting: Literal["linear", "arc", "bilinear"]
    level: float | None
    bases: list[SliderBase]
    vectors: list[list[float]]
    sliders: list[SliderKnob]
    values: Synced[Values]
    layout: str
    size: int
    strip: int
    before: bool
    play: bool
    steps: int
    crossfade: bool
    tracks: list[TrackPictures | TrackCurves] | UnsetType = UNSET
    outside: list[tuple[float, float]] | UnsetType = UNSET
    nearest: NearestImages | UnsetType = UNSET


class LineupPanel(Message):
    """One of the pictures under one slider, and how its value becomes a code.

    "line", "arc", "learned" and "fade" go from the first code to the second, the last one by
    mixing pixels; "mean" and "blend" average the first codes, "blend" in the learned distribution;
    "first" keeps the first dimensions of its code; "draw" follows its noise until a time.
    """

    title: str
    alt: str
    kind: Literal["line", "arc", "learned", "fade", "mean", "blend", "first", "draw"]
    codes: list[list[float]]
    colour: str
    level: float


class LineupSeries(Message):
    """Lengths of some codes: a count for each bin, for each number of dimensions."""

    name: str
    colour: str
    counts: list[list[int]]


class LineupHistogram(Message, tag_field="kind", tag="histogram"):
    """Lengths of codes beside the pictures."""

    label: str
    series: list[LineupSeries]
    high: float


class LineupPlane(Message, tag_field="kind", tag="plane"):
    """A path among codes beside the pictures."""

    label: str
    points: Packed
    path: Packed
    colour: str


class LineupData(Message):
    """Sent to the pictures under one slider, which answer its value."""

    base: str
    model: str
    shape: tuple[int, int, int]
    slider: SliderKnob
    value: Synced[float]
    layout: str
    panels: list[LineupPanel]
    tracks: list[TrackPictures | TrackCurves]
    plot: LineupHistogram | LineupPlane | None
    order: list[int]
    thumbnails: list[Picture]
    frames: int

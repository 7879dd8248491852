"""Sliders with decoded pictures, and what stands below them: paths, concepts, lineups."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType, field

from pages.ui.components.messages.common import Packed, Picture, SliderKnob
from pages.ui.components.schema import Message, Synced

Values = list[float]
"""Answered when sliders are let go: θ, a number for each of them."""


class ReleaseData(Message):
    """Sent to what tells Python where sliders were let go."""

    key: str


class SliderBase(Message):
    """A picture that the sliders change."""

    title: str
    z: list[float]


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


class EditTarget(Message):
    """What a slider is to change: an attribute, by its key and as text.

    Attributes:
        key: "" where it is no known attribute.
        name: its number among the classifier's names; -1 where this cannot tell it.
        excluded: numbers of the names that exclude it, which may change with it.
    """

    key: str
    word: str
    name: int
    excluded: list[int]


class EditJudge(Message):
    """How the classifier's probabilities become a verdict on an edit.

    Attributes:
        targets: one for each slider.
        words: the classifier's names as text.
        exclusive: whether they are classes, of which one is right.
        covered: whether there is a classifier of these images.
    """

    targets: list[EditTarget]
    words: list[str]
    exclusive: bool
    covered: bool


class SliderTells(Message):
    """What is said of the code at which the sliders stand.

    Attributes:
        about: address that says what only the server knows, asked once the visitor stays.
        image: address of an image by its row.
        near: whether the nearest real images are shown.
        usual_distance: between neighbours; None where that cannot be told.
        judge: of an edit; None of any other code.
    """

    about: str
    image: str
    near: bool
    usual_distance: float | None
    judge: EditJudge | None


class SliderData(Message):
    """Sent to the sliders."""

    base: str
    key: str
    model: str
    shape: tuple[int, int, int]
    gaussian: bool
    weighting: Literal["linear", "arc", "through", "bilinear"]
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
    tells: SliderTells | None
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

"""What the live figures of the lessons are sent, and what they answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from pages.ui.components.messages.common import Packed
from pages.ui.components.schema import Message, Synced


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


_Positive = Annotated[float, Meta(ge=0, le=1e6)]


class PlaneVaeChange(Message):
    """Answered by the VAE of points of a plane: what it was before β was raised, and is after.

    `sigma` is the mean standard deviation of the posteriors, `apart` that of their means.
    """

    sigma: tuple[_Positive, _Positive]
    apart: tuple[_Positive, _Positive]


class PlaneVaeData(Message):
    """Sent to the VAE of points of a plane; β is not to be moved while it is `held`."""

    words: PlaneVaeWords
    shape: Literal["rings", "moons", "clusters", "spiral"]
    seed: int
    beta: float
    rate: float
    held: bool
    colours: dict[str, str]


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


class PlaneGap(Message):
    """What ticks a lesson off: a pointer that crosses a gap between a panel's codes."""

    lesson: str
    panel: int
    far: float


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
    gap: PlaneGap | UnsetType = UNSET


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

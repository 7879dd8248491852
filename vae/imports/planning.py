"""How pictures become images of the model: their size, channels and classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..datasets.base import DatasetError
from .picture import FITS, Fit
from .source import Column, Source
from .tables import LABELS

__all__ = ["Options", "label_column", "plan_images"]

SMALLEST, LARGEST = 8, 256  # pixels of a side
STEP = 4  # a side is a multiple of it, so that the network can halve it twice
DEFAULT_SIDE = 64
_MOST_BROKEN = 1_000  # pictures that are looked at in vain before an import ends


@dataclass(frozen=True)
class Options:
    """How pictures become images of the model.

    Args:
        image_size: side in pixels, or height and width; None for the pictures' own size where all
            agree and it is at most 64, else 64.
        colour: `"grey"`, `"colour"`, or None for colour only where there is colour.
        fit: `"crop"`, `"pad"` or `"stretch"`.
        skip_broken: whether to leave out pictures that cannot be read.

    Raises:
        DatasetError: if a value cannot be used.
    """

    image_size: int | tuple[int, int] | None = None
    colour: str | None = None
    fit: str = "crop"
    skip_broken: bool = False

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise DatasetError(f"fit is {self.fit!r}; expected one of {', '.join(FITS)}.")
        if self.colour not in (None, "grey", "colour"):
            raise DatasetError(f"colour is {self.colour!r}; expected grey, colour or None.")
        for side in self.sides or ():
            if not SMALLEST <= side <= LARGEST:
                raise DatasetError(
                    f"The image size is {side}; the network takes {SMALLEST} to {LARGEST} pixels "
                    "a side. Choose one of them: pictures are scaled to it."
                )

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width, or None."""
        if self.image_size is None or isinstance(self.image_size, int):
            return None if self.image_size is None else (self.image_size, self.image_size)
        height, width = self.image_size
        return int(height), int(width)

    def ends(self, broken: int, sound: bool) -> bool:
        """Whether nothing will be kept, and the rest need not be read.

        Args:
            broken: number of pictures that cannot be read.
            sound: whether there are others.
        """
        return broken >= _MOST_BROKEN and not (self.skip_broken and sound)


def label_column(columns: Sequence[Column]) -> list[str | None]:
    """The classes that a column named `label` or `class` gives; empty if there is none."""
    for column in columns:
        if (
            column.kind == "category"
            and column.name.lower() in LABELS
            and not column.missing.any()
        ):
            return [column.categories[i] for i in column.values.tolist()]
    return []


def plan_images(
    source: Source, options: Options, rows: Iterable[int], step: int = STEP
) -> tuple[Fit, list[str]]:
    """Chooses the shape of the images.

    Args:
        source: the pictures.
        options: what was asked for.
        rows: rows of the pictures whose size is looked at.
        step: number of which the sides become multiples.

    Returns:
        The way from a picture to an image, with three channels unless grey is wanted, and messages
        on sides that the network cannot halve.
    """
    channels = 1 if options.colour == "grey" else 3
    notices = []
    if options.sides:
        wanted, own = options.sides, False
    else:
        size = _common_size(source, options, rows)
        own = size is not None
        wanted = (size[1], size[0]) if size else (DEFAULT_SIDE, DEFAULT_SIDE)
    sides = tuple(max(SMALLEST, -(-side // step) * step) for side in wanted)
    if sides != wanted:
        notices.append(
            f"{wanted[1]}×{wanted[0]} pixels become {sides[1]}×{sides[0]}"
            f"{', padded,' if own else ''} so that the network can halve both sides twice."
        )
    return Fit((channels, sides[0], sides[1]), options.fit, own), notices


def _common_size(source: Source, options: Options, rows: Iterable[int]) -> tuple[int, int] | None:
    """Width and height of pictures, where they agree and are at most 64."""
    common, broken = None, 0
    for row in rows:
        try:
            size = source.pictures.size(row)
        except DatasetError:  # it is listed when all are decoded
            broken += 1
            if options.ends(broken, common is not None):
                return None
            continue
        if max(size) > DEFAULT_SIDE or size != (common or size):
            return None
        common = size
    return common

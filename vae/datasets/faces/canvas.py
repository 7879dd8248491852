"""An anti-aliased canvas: shapes with soft shading, drawn larger and averaged down."""

import colorsys
import functools
import itertools
import math

import numpy as np
from PIL import Image, ImageDraw

__all__ = [
    "SIZE",
    "Canvas",
    "Colour",
    "Points",
    "along",
    "darker",
    "ellipse",
    "hsv",
    "lighter",
    "mirrored",
    "mix",
    "smooth",
]

SIZE = 64
_SCALE = 4  # drawn this many times larger than SIZE

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours.

    Args:
        one: The first.
        other: The second.
        share: Of the second in the mixture, 0…1.
    """
    r, g, b = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return r, g, b


def lighter(colour: Colour, share: float) -> Colour:
    """Mix with white."""
    return mix(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float) -> Colour:
    """Mix with a warm black."""
    return mix(colour, (24, 8, 24), share)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Give a colour by its place on the wheel.

    Args:
        hue: 0…1, once around.
        saturation: 0…1, from grey.
        value: 0…1, from black.
    """
    r, g, b = (round(255 * c) for c in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return r, g, b


def along(stops: tuple[tuple[float, Colour], ...], at: float) -> Colour:
    """Interpolate between colours at rising places."""
    for (low, one), (high, other) in itertools.pairwise(stops):
        if at <= high:
            return mix(one, other, (at - low) / (high - low))
    return stops[-1][1]


@functools.cache
def _spline_weights(steps: int) -> np.ndarray:
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    rows = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
    return np.concatenate(rows, axis=1) / 2


def smooth(points: Points) -> Points:
    """Close a Catmull-Rom spline through the points."""
    p = np.asarray(points, dtype=float)
    around = np.stack([np.roll(p, 1 - k, axis=0) for k in range(4)], axis=1)  # (n, 4, 2)
    return (_spline_weights(6) @ around).reshape(-1, 2).tolist()


def mirrored(half: Points) -> Points:
    """Close a right half, given from top to bottom, by its mirror image."""
    return half + [(-x, y) for x, y in reversed(half) if abs(x) > 1e-6]


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 40) -> Points:
    """Give a polygon that looks like an ellipse.

    Args:
        x: Of its middle.
        y: Of its middle.
        rx: Half its width.
        ry: Half its height.
        steps: How many sides it has.
    """
    turn = [2 * math.pi * k / steps for k in range(steps)]
    return [(x + rx * math.sin(t), y - ry * math.cos(t)) for t in turn]


def _gradient(corners: list[list[Colour]], size: tuple[int, int]) -> Image.Image:
    four = Image.fromarray(np.array(corners, dtype=np.uint8))
    return four.resize(size, Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))


@functools.cache
def _blob(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fall = np.clip(1 - x**2 - y**2, 0, 1) ** 1.5
    return Image.fromarray((255 * fall).astype(np.uint8))


class Canvas:
    """A picture under way; lengths are final pixels from an origin, y downwards.

    Args:
        x: The origin's distance from the left edge.
        y: The origin's distance from the top edge.
    """

    def __init__(self, x: float, y: float) -> None:
        self.image = Image.new("RGB", (SIZE * _SCALE, SIZE * _SCALE))
        self.pen = ImageDraw.Draw(self.image)
        self.x0, self.y0 = x, y

    def picture(self) -> np.ndarray:
        """Average down to the final size.

        Returns:
            The picture, `(64, 64, 3)`, `uint8`.
        """
        return np.asarray(self.image.reduce(_SCALE))

    def backdrop(self, corners: list[list[Colour]]) -> None:
        """Fill the picture with a gradient between four corners."""
        self.image.paste(_gradient(corners, self.image.size))

    def at(self, points: Points) -> Points:
        """Place points, in pixels of the large picture."""
        return [((self.x0 + x) * _SCALE, (self.y0 + y) * _SCALE) for x, y in points]

    def flat(self, points: Points, colour: Colour) -> None:
        """Fill a polygon with one colour."""
        self.pen.polygon(self.at(points), fill=colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """Draw a line with round ends."""
        self.pen.line(self.at(points), fill=colour, width=round(width * _SCALE), joint="curve")
        r = width * _SCALE / 2
        for x, y in self.at([points[0], points[-1]]):
            self.pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def shaded(
        self,
        points: Points,
        colour: Colour,
        light: float,
        dark: float,
        hole: Points | None = None,
    ) -> None:
        """Fill a polygon, less its hole, with a soft gradient lit from above on the left."""
        places = self.at(points)
        xs, ys = zip(*places, strict=True)
        left, top = math.floor(min(xs)), math.floor(min(ys))
        size = (math.ceil(max(xs)) - left + 1, math.ceil(max(ys)) - top + 1)
        mask = Image.new("L", size)
        pen = ImageDraw.Draw(mask)
        pen.polygon([(x - left, y - top) for x, y in places], fill=255)
        if hole:
            pen.polygon([(x - left, y - top) for x, y in self.at(hole)], fill=0)
        corners = [
            [lighter(colour, light), colour],
            [colour, darker(colour, dark)],
        ]
        self.image.paste(_gradient(corners, size), (left, top), mask)

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, share: float) -> None:
        """Blend a colour in, most in the middle of an ellipse and not at all at its edge."""
        size = (round(2 * rx * _SCALE), round(2 * ry * _SCALE))
        mask = _blob(*size).point([round(share * v) for v in range(256)])
        corner = (round((self.x0 + x - rx) * _SCALE), round((self.y0 + y - ry) * _SCALE))
        self.image.paste(colour, (*corner, corner[0] + size[0], corner[1] + size[1]), mask)

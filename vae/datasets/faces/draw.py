"""Draw a person from back to front: backdrop, body, head, features, hair, what is put on."""

import math

import numpy as np

from .canvas import (
    Canvas,
    Colour,
    Points,
    along,
    darker,
    ellipse,
    hsv,
    lighter,
    mirrored,
    mix,
    smooth,
)
from .person import Person

__all__ = ["draw"]

_INK = (38, 32, 44)
_WHITE = (255, 255, 255)
_LIP = (232, 70, 84)
_MOUTH = (104, 18, 36)
_TONGUE = (236, 112, 120)
_GEM = (0, 190, 214)
_GLASS = (228, 240, 248)
_GREY = (142, 149, 164)
_SKINS = (
    (-1.0, (255, 225, 203)),
    (-0.3, (234, 182, 142)),
    (0.3, (150, 98, 64)),
    (1.0, (110, 70, 51)),
)
_HAIRS = (
    (0.0, (40, 33, 42)),
    (0.22, (48, 36, 40)),
    (0.45, (112, 68, 40)),
    (0.7, (190, 80, 38)),
    (1.0, (232, 188, 84)),
)
_EYES = {"brown": (96, 58, 36), "blue": (58, 116, 190), "green": (70, 138, 84)}
_FRAMES = {"red": (216, 40, 52), "pink": (220, 48, 128), "orange": (232, 104, 30)}
_HATS = {
    "navy": (56, 70, 140),
    "blue": (48, 112, 196),
    "teal": (38, 142, 150),
    "purple": (112, 70, 168),
}


def draw(person: Person) -> np.ndarray:
    """Draw a person.

    Args:
        person: The person.

    Returns:
        The picture, `(64, 64, 3)`, `uint8`.
    """
    sketch = _Sketch(person)
    sketch.background()
    sketch.body()
    if not person.bald:
        sketch.hair_behind()
    sketch.neck()
    sketch.head()
    if person.beard:
        sketch.beard()
    sketch.features()
    sketch.mouth()
    if person.moustache:
        sketch.moustache()
    if not person.bald:
        sketch.hair_in_front()
    if person.long_hair:
        sketch.ears()  # the hair is tucked behind them
    if person.hat:
        sketch.hat()
    if person.glasses or person.sunglasses:
        sketch.spectacles()
    if person.earrings:
        sketch.earrings()
    return sketch.picture()


class _Sketch(Canvas):
    """One person under way; the origin is the middle of the face."""

    def __init__(self, person: Person) -> None:
        super().__init__(32 + person.x, 36 + person.y)
        self.person = person
        self.a = 15.7 + 1.4 * person.face_width  # half the face's width
        self.b = 18.5 + 1.2 * person.face_height  # half its height
        self.k = self.b / 18.5
        self.skin = along(_SKINS, person.skin)
        hair = _GREY if person.grey_hair else along(_HAIRS, person.hair_colour)
        self.hair = self._apart(hair)

    def _apart(self, colour: Colour) -> Colour:
        """Darken a hair colour until it stands out from the skin; grey does by itself."""
        for step in range(33):
            hair = mix(colour, (34, 14, 8), step / 32)
            if math.dist(hair, self.skin) >= 90:
                break
        return hair

    # Behind the face --------------------------------------------------------------------

    def background(self) -> None:
        hue = self.person.background
        corners = [
            [hsv(hue, 0.10, 1.0), hsv(hue + 0.03, 0.17, 0.97)],
            [hsv(hue, 0.20, 0.95), hsv(hue + 0.03, 0.32, 0.88)],
        ]
        self.backdrop(corners)

    def body(self) -> None:
        colour = hsv(self.person.clothing, 0.5, 0.74)
        half = [(0, 20.5), (9, 21.2), (18, 23.2), (23.5, 27), (25.5, 33), (25.5, 40), (0, 40)]
        self.shaded(smooth(mirrored(half)), colour, 0.12, 0.22)

    def neck(self) -> None:
        shade = darker(self.skin, 0.2)
        collar = hsv(self.person.clothing, 0.55, 0.55)
        self.flat(ellipse(0, 21.3, 10, 5.4), collar)
        self.flat(ellipse(0, 20.8, 8.2, 4.6), shade)
        self.flat([(-7, 10), (7, 10), (7, 21), (-7, 21)], shade)

    def _outline(self, grow: float = 0.0) -> Points:
        turn = [2 * math.pi * k / 48 for k in range(48)]
        points = []
        for t in turn:
            y = -math.cos(t)
            jaw = 1 - 0.1 * max(y, 0) ** 2
            points.append(((self.a + grow) * math.sin(t) * jaw, (self.b + grow) * y))
        return points

    def ears(self) -> None:
        inner = mix(self.skin, _LIP, 0.25)
        for side in (-1, 1):
            self.flat(ellipse(side * (self.a + 1.2), 0.6, 3.0, 4.4), darker(self.skin, 0.06))
            self.flat(ellipse(side * (self.a + 1.6), 0.6, 1.5, 2.6), darker(inner, 0.12))

    def head(self) -> None:
        self.ears()
        self.shaded(self._outline(), self.skin, 0.14, 0.13)
        blush = mix(self.skin, (226, 60, 70), 0.5)
        for side in (-1, 1):
            self.glow(side * self.a * 0.62, 4.6 * self.k, 6.0, 5.0, blush, 0.42)
        if self.person.bald:
            self.glow(-self.a * 0.3, -self.b * 0.72, 6.5, 3.8, lighter(self.skin, 0.7), 0.9)

    # The face ---------------------------------------------------------------------------

    def features(self) -> None:
        p, k = self.person, self.k
        size = 1 + 0.17 * p.eye_size
        for side in (-1, 1):
            x, y = side * 7.3, -3.6 * k
            if p.glasses:
                self.flat(self._lens(side * 7.5, -3.4 * k, 6.0, 5.5), _GLASS)
            self.flat(ellipse(x, y - 0.9, 4.0 * size, 3.8 * size), darker(self.skin, 0.7))
            self.flat(ellipse(x, y, 3.7 * size, 3.6 * size), _WHITE)
            self.flat(ellipse(x, y - 0.1, 2.8 * size, 3.1 * size), _EYES[p.eye_colour])
            self.flat(ellipse(x, y, 1.7 * size, 1.9 * size), _INK)
            self.flat(ellipse(x - 1.0 * size, y - 1.1 * size, 1.1 * size, 1.1 * size), _WHITE)
            tilt = 1.5 * p.brow_angle - 0.3
            brow = [
                (side * 3.2, -10.2 * k + tilt),
                (side * 7.4, -11.4 * k),
                (side * 11.6, -10.2 * k - tilt * 0.6),
            ]
            self.line(brow, darker(self.hair, 0.12), 2.1)
        r = 3.0 + 0.8 * p.nose_size
        self.flat(ellipse(0, 3.2 * k, r, r * 0.8), darker(self.skin, 0.26))
        self.flat(ellipse(-0.3, 2.6 * k, r * 0.88, r * 0.78), lighter(self.skin, 0.1))

    def _bend(self) -> float:
        smile = self.person.smile
        return smile * 0.5 + math.copysign(0.5, smile) if abs(smile) > 0.05 else smile * 10.5

    def mouth(self) -> None:
        bend, open_ = self._bend(), self.person.open_mouth
        middle, half = 11.2 * self.k - 0.4 * bend, 8.8
        if open_ and bend < 0:
            middle += 1.5
        us = [k / 12 for k in range(-12, 13)]
        arch = [(1 - abs(u) ** 2.6) ** 0.7 for u in us]
        curve = [middle + bend * (1.6 - 4.0 * u * u) for u in us]
        if not open_:
            curve = [middle + bend * (2.4 - 5.6 * u * u) for u in us]
            upper = [y - 2.2 * h for y, h in zip(curve, arch, strict=True)]
            lower = [y + 2.5 * h for y, h in zip(curve, arch, strict=True)]
            self._band(us, half - 0.6, upper, lower, _LIP)
            seam = [(u * half, y) for u, y in zip(us, curve, strict=True)]
            self.line(seam, _MOUTH, 1.0)
            return
        rise, drop = (1.4, 4.3) if bend > 0 else (3.6, 2.6)
        upper = [y - rise * h for y, h in zip(curve, arch, strict=True)]
        lower = [y + drop * h for y, h in zip(curve, arch, strict=True)]
        outer = [y - 1.2 * h**0.5 for y, h in zip(upper, arch, strict=True)]
        below = [y + 1.3 * h**0.5 for y, h in zip(lower, arch, strict=True)]
        self._band(us, half + 0.8, outer, below, _LIP)
        self._band(us, half - 0.4, upper, lower, _MOUTH)
        height = [low - up for up, low in zip(upper, lower, strict=True)]
        teeth = [up + 0.42 * h for up, h in zip(upper, height, strict=True)]
        self._band(us, half - 0.9, upper, teeth, _WHITE)
        tongue = [low - 0.3 * h for low, h in zip(lower, height, strict=True)]
        self._band(us[6:-6], half - 0.4, tongue[6:-6], lower[6:-6], _TONGUE)

    def _band(
        self, us: list[float], half: float, upper: list[float], lower: list[float], colour: Colour
    ) -> None:
        there = [(u * half, y) for u, y in zip(us, upper, strict=True)]
        back = [(u * half, y) for u, y in zip(us, lower, strict=True)]
        self.flat(there + back[::-1], colour)

    def beard(self) -> None:
        a, b, k = self.a, self.b, self.k
        if self.person.beard_style == "round":
            half = [(a + 0.7, -1), (a + 1.4, 6 * k), (a - 0.6, 14 * k), (9.8, b + 3.2)]
            half.append((0, b + 4.8))
        else:
            half = [(a + 0.5, -1), (a + 0.4, 6 * k), (a - 3.0, 14 * k), (6.4, b + 3.6)]
            half.append((0, b + 7.2))
        outer = [(0, 4), (a - 4, -1), *half, *[(-x, y) for x, y in half[-2::-1]], (4 - a, -1)]
        free = [(0, 0), (a - 3.4, -2.0), (a - 3.4, 6 * k), (10.6, 11.6 * k), (6, 15.4 * k)]
        hole = smooth(mirrored([*free, (0, 16.0 * k)]))
        self.shaded(smooth(outer), self.hair, 0.10, 0.25, hole)

    def moustache(self) -> None:
        y = 6.3 * self.k
        half = [(0, y - 1.4), (2.6, y - 2.5), (6.2, y - 1.6), (9.3, y + 1.2), (8.4, y + 2.2)]
        half += [(5.0, y + 2.0), (2.2, y + 1.9), (0, y + 1.1)]
        self.shaded(smooth(mirrored(half)), self.hair, 0.14, 0.15)

    # Hair and hats ----------------------------------------------------------------------

    def hair_behind(self) -> None:
        p, a, b = self.person, self.a, self.b
        top = -13.0 if p.hat else -b - 4.2
        if p.long_hair:
            wave = 1.7 if p.long_style == "wavy" else 0.0
            half = [] if p.hat else [(0, top), (9, top + 1.2), (a + 1.2, -b + 4)]
            for y, out in (
                (-10.0, 3.6),
                (-4.0, 5.0),
                (2.0, 5.4),
                (8.0, 5.6),
                (14.0, 5.6),
                (20.0, 5.0),
            ):
                bulge = wave * math.cos(math.pi * (y + 4) / 6) if y >= -4 else 0.0
                half.append((a + out + bulge, y))
            half += [(a + 1.5, 24), (a - 6, 25), (0, 22)]
            if p.hat:
                half = [(0, -13), (a, -13), *half]
            self.shaded(smooth(mirrored(half)), self._back(), 0.06, 0.28)
        elif p.short_style == "wavy" and not p.hat:
            for x, y, r in self._puffs():
                self.shaded(ellipse(x, y, r, r), self._back(), 0.0, 0.1)
        elif p.short_style == "bun" and not p.hat:
            self.shaded(ellipse(0, -b - 5.0, 6.6, 5.6), self.hair, 0.22, 0.3)

    def _back(self) -> Colour:
        return darker(self.hair, 0.18)

    def _puffs(self) -> list[tuple[float, float, float]]:
        a, b = self.a + 1.6, self.b + 0.6
        turns = [math.pi * (k - 4) / 8 * 1.18 for k in range(9)]
        return [(a * math.sin(t), -b * math.cos(t) - 0.5, 5.4) for t in turns]

    def hair_in_front(self) -> None:
        p, a, b = self.person, self.a, self.b
        colour = self.hair
        if p.long_hair:
            self._curtains(colour)
        elif p.hat:
            out = {"crop": 2.4, "wavy": 4.6, "bun": 1.8}[p.short_style]
            for side in (-1, 1):
                tuft = [(a - 4.5, -14.5), (a + out, -13), (a + out + 0.4, -7), (a + 1, -2.5)]
                tuft += [(a - 0.8, -1.2), (a - 1.8, -6)]
                self.shaded(smooth([(side * x, y) for x, y in tuft]), colour, 0.08, 0.12)
        elif p.short_style == "crop":
            half = [
                (a - 2.0, -8.5),
                (a - 0.8, -1.5),
                (a + 1.4, -3.4),
                (a + 2.4, -9),
                (a - 0.5, -b + 2),
            ]
            half += [(8.5, -b - 3.0)]
            left = [(-x, y) for x, y in half[::-1]]
            fringe = [(-a + 4.0, -11.5), (-3, -b + 6.2), (5.5, -b + 4.2), (a - 4, -11.5)]
            self.shaded(smooth([*half, (0, -b - 4.3), *left, *fringe]), colour, 0.2, 0.16)
            self._shine(-b + 0.6, 1.0)
        elif p.short_style == "wavy":
            edge = [(a - 1.6, -6), (a + 0.2, -1.8), (a + 3, -4), (a + 3, -10), (a - 1, -b + 1)]
            edge += [(8, -b - 2.6)]
            left = [(-x, y) for x, y in edge[::-1]]
            fringe = [(-a + 3.4, -10.8), (-8, -b + 5.8), (-4, -b + 4.4), (0, -b + 6)]
            fringe += [(4, -b + 4.4), (8, -b + 5.8), (a - 3.4, -10.8)]
            self.shaded(smooth([*edge, (0, -b - 3.6), *left, *fringe]), colour, 0.18, 0.14)
            self._shine(-b + 0.2, 1.0)
        else:
            edge = [(a - 1.5, -8), (a - 0.6, -2), (a + 1.2, -4), (a + 1.9, -9), (a - 1.2, -b + 2)]
            edge += [(8, -b - 2.0)]
            left = [(-x, y) for x, y in edge[::-1]]
            fringe = [
                (-a + 3.2, -11),
                (-6, -b + 4.8),
                (0, -b + 3.4),
                (6, -b + 4.8),
                (a - 3.2, -11),
            ]
            self.shaded(smooth([*edge, (0, -b - 3.0), *left, *fringe]), colour, 0.2, 0.16)
            self._shine(-b + 0.2, 0.8)

    def _curtains(self, colour: Colour) -> None:
        p, a, b = self.person, self.a, self.b
        wave = 1.0 if p.long_style == "wavy" else 0.0
        for side in (-1, 1):
            lock = [(-2.5 * side, -b + 1.6), (a * 0.5, -b + 5), (a - 2.6, -7), (a - 1.6, 1)]
            lock += [(a - 1.2 - wave, 7), (a - 2 + wave, 14), (a - 1, 21), (a + 2.5, 23)]
            lock += [(a + 4.8, 19), (a + 5 + wave, 13), (a + 5 - wave, 7), (a + 4.8 + wave, 0)]
            if p.hat:
                lock = [(a - 6, -13), *lock[2:], (a + 4, -8), (a + 1, -13)]
            else:
                lock += [
                    (a + 3.6, -8),
                    (a - 0.5, -b + 1.6),
                    (8, -b - 3.0),
                    (-2.5 * side, -b - 3.9),
                ]
            self.shaded(smooth([(side * x, y) for x, y in lock]), colour, 0.16, 0.2)
        if not p.hat:
            self._shine(-b + 0.4, 1.0)

    def _shine(self, y: float, size: float) -> None:
        bright = lighter(self.hair, 0.28)
        self.glow(-self.a * 0.45, y, 6.5 * size, 3.0 * size, bright, 0.95)

    def hat(self) -> None:
        a, b = self.a, self.b
        colour = _HATS[self.person.hat_colour]
        dark = darker(colour, 0.28)
        if self.person.hat_kind == "beanie":
            self.shaded(ellipse(0, -b - 7.6, 4.2, 3.9), lighter(colour, 0.55), 0.3, 0.12)
            dome = [(0, -b - 5.6), (8, -b - 4.6), (a + 0.6, -b + 0.8), (a + 2, -13), (0, -12)]
            self.shaded(smooth(mirrored(dome)), colour, 0.22, 0.25)
            band = [(0, -18.2), (a - 3, -17.6), (a + 2.2, -16.6), (a + 2.4, -12.6), (a - 3, -13.2)]
            self.shaded(smooth([*mirrored([*band, (0, -13.6)])]), dark, 0.12, 0.1)
            return
        crown = [(0, -b - 6.2), (7, -b - 6.6), (11.2, -b - 3.6), (a - 2.2, -14), (0, -13)]
        self.shaded(smooth(mirrored(crown)), colour, 0.22, 0.2)
        band = [(0, -18.8), (a - 3.2, -18.2), (a - 1.8, -14), (0, -13)]
        self.flat(mirrored(band), darker(colour, 0.55))
        brim = [(0, -15.6), (a, -15.8), (a + 6.5, -14.6), (a + 7, -13.2), (a, -12.6), (0, -12.4)]
        self.shaded(smooth(mirrored(brim)), colour, 0.15, 0.2)

    # What is put on ---------------------------------------------------------------------

    def spectacles(self) -> None:
        p, y = self.person, -3.4 * self.k
        frame = _INK if p.sunglasses else _FRAMES[p.frame_colour]
        side_y = y - 1.5
        for side in (-1, 1):
            arm = [(side * 12.5, side_y), (side * (self.a + 0.6), side_y - 0.4)]
            self.line(arm, frame, 2.0)
            lens = self._lens(side * 7.5, y, 6.6, 6.1)
            inner = self._lens(side * 7.5, y, 4.5, 4.0)
            if p.sunglasses:
                self.shaded(lens, (34, 30, 44), 0.05, 0.3)
                x = side * 7.5
                glint = [
                    (x - 3.6, y + 0.4),
                    (x - 0.6, y - 3.4),
                    (x + 1.4, y - 3.4),
                    (x - 2.6, y + 1.8),
                ]
                self.flat(glint, (128, 134, 160))
                continue
            self.shaded(lens, frame, 0, 0, inner)
        if not p.sunglasses:
            for side in (-1, 1):
                self.glow(side * 7.5 - 1.2, y - 1.2, 5.0, 4.6, _WHITE, 0.4)
        bridge = [(-1.9, y - 0.8), (0, y - 1.6), (1.9, y - 0.8)]
        self.line(bridge, frame, 2.0)

    def _lens(self, x: float, y: float, rx: float, ry: float) -> Points:
        if self.person.frame_shape == "round":
            return ellipse(x, y, ry + 0.2, ry + 0.2)
        turn = [2 * math.pi * k / 40 for k in range(40)]
        return [
            (
                x + rx * math.copysign(abs(math.sin(t)) ** 0.4, math.sin(t)),
                y - (ry - 0.5) * math.copysign(abs(math.cos(t)) ** 0.4, math.cos(t)),
            )
            for t in turn
        ]

    def earrings(self) -> None:
        for side in (-1, 1):
            x, y = side * (self.a + 2.0), 6.2
            self.flat(ellipse(x, y, 3.4, 3.4), darker(_GEM, 0.6))
            self.flat(ellipse(x, y, 2.7, 2.7), _GEM)
            self.flat(ellipse(x - 0.7, y - 0.8, 0.9, 0.9), lighter(_GEM, 0.8))

"""People, every factor explicit: sampling them, reading and changing their attributes."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "ATTRIBUTES",
    "EXCLUSIVE",
    "Person",
    "attributes",
    "counterfactual",
    "sample_people",
    "sample_person",
]

ATTRIBUTES = (
    "glasses",
    "sunglasses",
    "smile",
    "open_mouth",
    "beard",
    "moustache",
    "hat",
    "earrings",
    "long_hair",
    "bald",
    "grey_hair",
    "dark_skin",
)
"""Names of the binary attributes."""

EXCLUSIVE = (("glasses", "sunglasses"), ("bald", "long_hair"), ("bald", "grey_hair"))
"""Pairs of attributes that nobody has together."""

GAP = 0.4
"""Nobody is sampled with a `smile` or `skin` nearer to 0 than this."""

FREQUENCIES = {
    "glasses": 0.33,
    "sunglasses": 0.30,
    "smile": 0.5,
    "open_mouth": 0.45,
    "beard": 0.4,
    "moustache": 0.4,
    "hat": 0.4,
    "earrings": 0.4,
    "long_hair": 0.34,
    "bald": 0.27,
    "grey_hair": 0.34,
    "dark_skin": 0.45,
}

# What each style can be: also part of people who do not show it, so that showing it is no chance.
STYLES = {
    "eye_colour": ("brown", "blue", "green"),
    "frame_shape": ("round", "square"),
    "frame_colour": ("red", "pink", "orange"),
    "hat_kind": ("beanie", "brimmed"),
    "hat_colour": ("navy", "blue", "teal", "purple"),
    "short_style": ("crop", "wavy", "bun"),
    "long_style": ("straight", "wavy"),
    "beard_style": ("round", "pointed"),
}

_MEASURES = ("face_width", "face_height", "eye_size", "brow_angle", "nose_size")
_HUES = ("hair_colour", "background", "clothing")
_SHIFTS = ("x", "y")

# One uniform number a column: attributes, their correlation, the two strengths, the rest.
_COLUMNS = 2 * len(ATTRIBUTES) + 2 + len(_MEASURES + _HUES + _SHIFTS) + len(STYLES)


@dataclass(frozen=True)
class Person:
    """One drawn person.

    Args:
        glasses: Whether clear glasses are worn.
        sunglasses: Whether sunglasses are worn.
        open_mouth: Whether the mouth is open, teeth showing.
        beard: Whether chin and jaw are bearded; the upper lip stays free.
        moustache: Whether there is a moustache.
        hat: Whether a hat is worn; the hair at the sides stays visible.
        earrings: Whether earrings are worn.
        long_hair: Whether the hair falls to the shoulders.
        bald: Whether there is no hair on the head.
        grey_hair: Whether hair, brows, beard and moustache are grey.
        smile: From -1 (unhappy) to 1 (happy).
        skin: From -1 (lightest) to 1 (darkest).
        face_width: From -1 to 1.
        face_height: From -1 to 1.
        eye_size: From -1 to 1.
        brow_angle: From -1 (worried) to 1 (stern).
        nose_size: From -1 to 1.
        hair_colour: From 0 (black) over brown and red to 1 (blond), whatever `grey_hair` says.
        background: Hue of the background, from 0 to 1 around the colour wheel.
        clothing: Hue of the clothing, from 0 to 1 around the colour wheel.
        x: Shift to the right in pixels.
        y: Shift down in pixels.
        eye_colour: `brown`, `blue` or `green`.
        frame_shape: `round` or `square`, of glasses and sunglasses.
        frame_colour: `red`, `pink` or `orange`, of the glasses.
        hat_kind: `beanie` or `brimmed`.
        hat_colour: `navy`, `blue`, `teal` or `purple`.
        short_style: `crop`, `wavy` or `bun`, worn unless `long_hair` or `bald`.
        long_style: `straight` or `wavy`.
        beard_style: `round` or `pointed`.

    Raises:
        ValueError: If two attributes that exclude each other are both true.
    """

    glasses: bool
    sunglasses: bool
    open_mouth: bool
    beard: bool
    moustache: bool
    hat: bool
    earrings: bool
    long_hair: bool
    bald: bool
    grey_hair: bool
    smile: float
    skin: float
    face_width: float
    face_height: float
    eye_size: float
    brow_angle: float
    nose_size: float
    hair_colour: float
    background: float
    clothing: float
    x: float
    y: float
    eye_colour: str
    frame_shape: str
    frame_colour: str
    hat_kind: str
    hat_colour: str
    short_style: str
    long_style: str
    beard_style: str

    def __post_init__(self) -> None:
        for one, other in EXCLUSIVE:
            if getattr(self, one) and getattr(self, other):
                raise ValueError(
                    f"A person was given both {one} and {other}, which exclude each other: "
                    "choose one."
                )


def attributes(person: Person) -> dict[str, bool]:
    """Read the binary attributes of a person.

    `smile` and `dark_skin` are the signs of the continuous `smile` and `skin`.

    Args:
        person: The person.

    Returns:
        One truth value for each name in `ATTRIBUTES`, in that order.
    """
    signs = {"smile": person.smile > 0, "dark_skin": person.skin > 0}
    return {name: signs[name] if name in signs else getattr(person, name) for name in ATTRIBUTES}


def counterfactual(person: Person, **changes: bool) -> Person:
    """Give the same person with some attributes set and everything else kept.

    An attribute that is switched on switches off those that exclude it. `smile` and `dark_skin`
    flip the sign of the continuous factor and keep its strength, so that changing back gives the
    original.

    Args:
        person: The person to start from.
        **changes: New truth values by attribute name.

    Returns:
        The changed person.

    Raises:
        ValueError: If a name is no attribute, or the changes exclude each other.
    """
    unknown = sorted(set(changes) - set(ATTRIBUTES))
    if unknown:
        raise ValueError(
            f"People have no attribute {', '.join(unknown)}: choose from {', '.join(ATTRIBUTES)}."
        )
    return dataclasses.replace(person, **_settle(dataclasses.asdict(person), changes))


def _settle(factors: Mapping[str, Any], changes: Mapping[str, bool]) -> dict[str, Any]:
    settled: dict[str, Any] = {}
    for name, value in changes.items():
        value = bool(value)
        if name in ("smile", "dark_skin"):
            field = "smile" if name == "smile" else "skin"
            strength = abs(factors[field]) or GAP
            settled[field] = strength if value else -strength
            continue
        settled[name] = value
        if value:
            for pair in EXCLUSIVE:
                if name in pair:
                    (other,) = set(pair) - {name}
                    # A clash the caller asked for is left for Person to refuse.
                    settled.setdefault(other, bool(changes.get(other, False)))
    return settled


def sample_people(
    n: int,
    seed: int,
    correlate: Mapping[str, tuple[str, float]] | None = None,
    start: int = 0,
) -> list[Person]:
    """Sample people whose attributes are independent outside the exclusive pairs.

    Person `i` depends on the seed and on `i` alone, not on how many are asked for.

    Args:
        n: How many people.
        seed: Seed of the random numbers.
        correlate: Confounding on purpose: `{"glasses": ("grey_hair", 0.9)}` makes glasses agree
            with grey hair for 90 % of people, drawn person by person.
        start: Index of the first person.

    Returns:
        The `n` people from index `start` on.

    Raises:
        ValueError: If `correlate` names an unknown attribute or no probability.
    """
    correlate = dict(correlate or {})
    for name, (other, agreement) in correlate.items():
        if name not in ATTRIBUTES or other not in ATTRIBUTES or name == other:
            raise ValueError(
                f"Cannot correlate {name} with {other}: choose two of {', '.join(ATTRIBUTES)}."
            )
        if not 0 <= agreement <= 1:
            raise ValueError(
                f"{name} should agree with {other} with probability {agreement}, "
                "expected a number from 0 to 1."
            )
    bits = np.random.PCG64(seed)
    bits.advance(start * _COLUMNS)
    uniform = np.random.Generator(bits).random((n, _COLUMNS))
    return [_person(row, correlate) for row in uniform.tolist()]


def sample_person(index: int, seed: int) -> Person:
    """Give the person at one index of `sample_people`.

    Args:
        index: The index, from 0.
        seed: Seed of the random numbers.

    Returns:
        The person.
    """
    return sample_people(1, seed, start=index)[0]


def _person(uniform: list[float], correlate: Mapping[str, tuple[str, float]]) -> Person:
    numbers = iter(uniform)
    has = {name: next(numbers) for name in ATTRIBUTES}
    agrees = {name: next(numbers) for name in ATTRIBUTES}

    f = FREQUENCIES
    on = {name: number < f[name] for name, number in has.items()}
    # One number decides between the two kinds of glasses.
    on["sunglasses"] = f["glasses"] <= has["glasses"] < f["glasses"] + f["sunglasses"]
    # Bald is taken from those with neither long nor grey hair, which leaves these two independent.
    neither = (1 - f["long_hair"]) * (1 - f["grey_hair"])
    on["bald"] = not on["long_hair"] and not on["grey_hair"] and has["bald"] < f["bald"] / neither

    factors: dict[str, Any] = {
        name: value for name, value in on.items() if name not in ("smile", "dark_skin")
    }
    for name, field in (("smile", "smile"), ("dark_skin", "skin")):
        strength = GAP + (1 - GAP) * next(numbers)
        factors[field] = strength if on[name] else -strength
    factors |= {name: 2 * next(numbers) - 1 for name in _MEASURES}
    factors |= {name: next(numbers) for name in _HUES}
    factors |= {name: 3 * next(numbers) - 1.5 for name in _SHIFTS}
    for name, styles in STYLES.items():
        factors[name] = styles[int(next(numbers) * len(styles))]

    person = Person(**factors)
    for name, (other, agreement) in correlate.items():
        value = attributes(person)[other] == (agrees[name] < agreement)
        person = counterfactual(person, **{name: value})
    return person

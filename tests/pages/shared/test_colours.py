"""The colours of classes can be told apart, also by people who see two kinds of colour only."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest

from pages.ui.shared.plot_style import COLOURS

ROOT = Path(__file__).resolve().parents[3]
APART = 8  # distance in OKLab, in hundredths; a just noticeable one is about 2

# Full deficiencies in linear RGB, after A physiologically-based model for simulation of color
# vision deficiency (Machado, Oliveira and Fernandes, 2009).
SEEN = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
# From linear RGB to the cones, and from their cube roots to OKLab (Ottosson, 2020).
CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
OKLAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def linear(colour: str) -> np.ndarray:
    """Linear RGB of a colour such as #36a2e3."""
    value = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2 defines it."""
    light = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


@pytest.mark.parametrize("vision", SEEN)
def test_any_two_classes_are_told_apart(vision):
    seen = [np.clip(SEEN[vision] @ linear(colour), 0, 1) for colour in COLOURS]
    places = [OKLAB @ np.cbrt(CONES @ colour) for colour in seen]
    for (a, b), (one, other) in zip(
        itertools.combinations(places, 2), itertools.combinations(COLOURS, 2), strict=True
    ):
        assert 100 * np.linalg.norm(a - b) > APART, (one, other)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_they_stand_out_from_the_page_and_charts_have_the_same(theme):
    style = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][theme]
    assert tuple(style["chartCategoricalColors"]) == COLOURS
    for colour in COLOURS:
        assert contrast(colour, style["backgroundColor"]) > 2.2, colour

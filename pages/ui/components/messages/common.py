"""What the messages of several components are made of."""

from __future__ import annotations

from pages.ui.components.schema import Message

Packed = str
"""Numbers of 32 bits, little-endian, in base 64."""


class Picture(Message):
    """A picture by its address, and what it shows."""

    url: str
    alt: str


class SliderKnob(Message):
    """One slider."""

    label: str
    low: float
    high: float
    value: float
    step: float
    unit: str

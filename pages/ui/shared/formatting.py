"""How names, numbers and times are written."""

from __future__ import annotations

import math

import numpy as np

from pages.ui.shared.foreign_text import plain
from vae.bounds import Bounds, last_digit
from vae.durations import time_words

__all__ = [
    "bounds_in_words",
    "concept",
    "figure_of",
    "image_size",
    "likelihood",
    "mention",
    "milliseconds",
    "nats",
    "option",
    "power_of_ten",
    "time_words",
    "verbatim",
    "words",
]


_LIKELIHOODS = {
    "bernoulli": "Bernoulli",
    "continuous_bernoulli": "continuous Bernoulli",
    "gaussian": "Gaussian",
    "gaussian_fixed": "Gaussian fixed",
}
_SURE = 3.0  # nats: the mean of weights is e³ times what is true with a probability below 5 %


def verbatim(name: str) -> str:
    """A name as `st.selectbox` and `st.multiselect` show it."""
    return plain(name, "text", longest=200)


def words(name: str) -> str:
    """An identifier as a visitor reads it: `long_hair` is "Long hair"."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def likelihood(name: str) -> str:
    """A likelihood in running text, such as `continuous Bernoulli`."""
    return _LIKELIHOODS.get(name, name.replace("_", " "))


def concept(name: str) -> str:
    """A concept's name, in plain text: that of a class such as 7 does not read as a number."""
    return verbatim(f"Class {name}" if name.isdigit() else name)


def mention(name: str) -> str:
    """An identifier within a sentence: `long_hair` is "long hair", and never Markdown."""
    return plain(concept(words(name)).lower())


def option(name: str) -> str:
    """An identifier as `st.selectbox` and `st.multiselect` show it, which read no Markdown."""
    return plain(concept(words(name)), "text")


def nats(value: float, error: float = 0.0, unit: float | None = None) -> str:
    """A number of nats, such as −161.8 or 29,161 ± 2: true to its last digit or with its error.

    Args:
        value: number of nats.
        error: its standard error, which is not mentioned below half a unit of the last digit.
        unit: unit of the last digit, 0.1 or 1; `last_digit` by default.
    """
    unit = unit or last_digit(value)
    text = _signed(value, unit)
    if error <= unit / 2:
        return text
    return f"{text} ± {_signed(math.ceil(error / unit) * unit, unit)}"


def bounds_in_words(bounds: Bounds) -> dict[str, str]:
    """KL, reconstruction, ELBO and log p(x) as they are shown: what is printed adds up.

    The reconstruction is the sum of the other two as they are printed. An ELBO is never shown
    above the evidence, and of an estimate that rests on few draws only what it proves.

    Args:
        bounds: bounds of one image, or means over several images.

    Returns:
        By name; without "Log evidence" where it was not estimated.
    """
    elbo, evidence = bounds.elbo, bounds.evidence
    numbers = [bounds.kl, elbo.value, elbo.error]
    numbers += [evidence.value, evidence.error] if evidence else []
    if not all(map(math.isfinite, numbers)):
        return dict.fromkeys(("KL", "Reconstruction", "ELBO", "Log evidence"), "not finite")
    unit = last_digit(elbo.value)
    kl, rounded = (round(value / unit) * unit for value in (bounds.kl, elbo.value))
    shown = {
        "KL": _signed(kl, unit),
        "Reconstruction": nats(rounded + kl, elbo.error, unit),
        "ELBO": nats(elbo.value, elbo.error),
    }
    if evidence is None:
        return shown
    if not evidence.is_lower_bound:
        return shown | {"Log evidence": nats(max(evidence.value, elbo.value), evidence.error)}
    least = rounded if elbo.error <= unit / 2 else math.floor(elbo.value - 2 * elbo.error)
    if evidence.value - _SURE > least:
        least, unit = math.floor(evidence.value - _SURE), 1
    return shown | {"Log evidence": f"≥ {_signed(least, unit)}"}


def _signed(value: float, unit: float) -> str:
    digits = 0 if unit >= 1 else 1
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")  # + 0.0 takes −0 to 0


def power_of_ten(exponent: int) -> str:
    """A power of ten, such as 10⁻⁵."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def figure_of(value: float) -> str:
    """Three figures, with commas instead of powers of ten."""
    if value == 0:
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    rounded = round(value, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{rounded:,.{digits}f}".replace("-", "−")


def image_size(c: int, h: int, w: int) -> str:
    """What images are, such as `28×28, grey`."""
    return f"{w}×{h}, {'grey' if c == 1 else 'colour'}"


def milliseconds(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"

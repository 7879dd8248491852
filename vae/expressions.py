"""Arithmetic that visitors type: `A − B + C`, `0.5·glasses − smile`. Nothing is ever executed."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping

import numpy as np

__all__ = ["ExpressionError", "combine", "parse"]

_LONGEST = 500  # characters
_DEEPEST = 30  # brackets and signs within each other
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
    r'|(?P<name>[^\W\d]\w*)|"(?P<quoted>[^"]*)"|(?P<sign>[-−–+*·×/()]))',
    re.IGNORECASE,
)
_PLAIN = {"−": "-", "–": "-", "·": "*", "×": "*"}

Sum = dict[str | None, float]  # factors by name; None is the part without a name


class ExpressionError(ValueError):
    """An expression that cannot be read; `position` is the character it fails at, from 0."""

    def __init__(self, sentence: str, position: int) -> None:
        super().__init__(f"{sentence} (at character {position + 1})")
        self.position = position


def parse(text: str) -> dict[str, float]:
    """Reads a weighted sum of names.

    `+`, `-`, `*`, `/` and brackets, as ASCII or as `−`, `·`, `×`. Names start with a letter;
    others stand in double quotes: `0.5·"black hat" − (smile + A)/2`.

    Args:
        text: up to 500 characters.

    Returns:
        The factor of each name, in the order of first mention.

    Raises:
        ExpressionError: says what was found, what was expected, and where.
    """
    if len(text) > _LONGEST:
        raise ExpressionError(
            f"The expression has {len(text)} characters; at most {_LONGEST} are read", _LONGEST
        )
    reader = _Reader(text)
    found = reader.sum(0)
    kind, value, at = reader.peek()
    if kind != "end":
        raise ExpressionError(f"Found {value!r} where + or − or the end was expected", at)
    if found.get(None):
        raise ExpressionError(
            f"The number {found[None]:g} stands alone; numbers can only multiply names", 0
        )
    names = {name: factor for name, factor in found.items() if name is not None}
    if not names:
        raise ExpressionError("There is no name in it; expected a vector or an image", 0)
    if not all(math.isfinite(factor) for factor in names.values()):
        raise ExpressionError("A factor is too large", 0)
    return names


def combine(
    text: str, vectors: Mapping[str, np.ndarray], images: Mapping[str, np.ndarray] | None = None
) -> tuple[np.ndarray, bool]:
    """Computes an expression over vectors and images' codes.

    Images enter with factors that add up to 1 (the result is a place: `A + glasses`,
    `A − B + C`) or to 0 (a direction: `A − B`).

    Args:
        text: the expression, as `parse` reads it.
        vectors: `(D,)` by name.
        images: codes `(D,)` by name.

    Returns:
        `(D,)`, and whether it is a place rather than a direction.

    Raises:
        ExpressionError: also for a name that is neither, or images that add up to something else.
    """
    images = images or {}
    factors = parse(text)
    known = {**vectors, **images}
    for name in factors:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.6)
            help_ = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or '-'}"
            raise ExpressionError(f"There is no {name!r}: {help_}", max(text.find(name), 0))
    total = sum(factor for name, factor in factors.items() if name in images)
    place = abs(total - 1) < 1e-9
    if not place and abs(total) > 1e-9:
        first = next(text.find(name) for name in factors if name in images)
        raise ExpressionError(
            f"The images' factors add up to {total:g}; expected 1 for a place, such as A − B + C, "
            "or 0 for a direction, such as A − B",
            max(first, 0),
        )
    parts = [factor * np.asarray(known[name], np.float64) for name, factor in factors.items()]
    return np.sum(parts, axis=0).astype(np.float32), place


class _Reader:
    """Recursive descent: sum → product → signed → atom, each giving a `Sum`."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if not match:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise ExpressionError(
                    f"Found {text[at]!r}; expected a number, a name, + − · / or a bracket", at
                )
            kind = match.lastgroup or ""
            value = match[kind]
            self.tokens.append((kind, _PLAIN.get(value, value), match.start(kind)))
            at = match.end()
        self.tokens.append(("end", "the end", len(text.rstrip())))
        self.next = 0

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.next]

    def take(self, *signs: str) -> str | None:
        kind, value, _ = self.peek()
        if kind == "sign" and value in signs:
            self.next += 1
            return value
        return None

    def sum(self, depth: int) -> Sum:
        found = dict(self.product(depth))
        while sign := self.take("+", "-"):
            for name, factor in self.product(depth).items():
                found[name] = found.get(name, 0.0) + (factor if sign == "+" else -factor)
        return found

    def product(self, depth: int) -> Sum:
        found = self.signed(depth)
        while True:
            at = self.peek()[2]
            sign = self.take("*", "/")
            if not sign:
                return found
            other = self.signed(depth)
            if sign == "/":
                number = _number(other)
                if number is None:
                    raise ExpressionError("Expected a number after /", at)
                if number == 0:
                    raise ExpressionError("Division by 0", at)
                found = {name: factor / number for name, factor in found.items()}
            elif (number := _number(other)) is not None:
                found = {name: factor * number for name, factor in found.items()}
            elif (number := _number(found)) is not None:
                found = {name: factor * number for name, factor in other.items()}
            else:
                raise ExpressionError("Two names are multiplied; expected a number and a name", at)

    def signed(self, depth: int) -> Sum:
        kind, value, at = self.peek()
        if depth > _DEEPEST:
            raise ExpressionError("Too many brackets or signs within each other", at)
        if sign := self.take("+", "-"):
            found = self.signed(depth + 1)
            return {k: -v for k, v in found.items()} if sign == "-" else found
        if self.take("("):
            found = self.sum(depth + 1)
            if not self.take(")"):
                kind, value, end = self.peek()
                raise ExpressionError(f"Found {value!r} where ) was expected", end)
            return found
        if kind not in ("number", "name", "quoted"):
            raise ExpressionError(f"Found {value!r} where a name or a number was expected", at)
        self.next += 1
        return {None: float(value)} if kind == "number" else {value: 1.0}


def _number(part: Sum) -> float | None:
    return part[None] if set(part) == {None} else None

"""Arithmetic that visitors type: `A − B + C`, `0.5·glasses − smile`, parsed but never executed."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping

import numpy as np

from .latent import LARGEST_CODE

__all__ = ["ExpressionError", "combine", "parse"]

_LONGEST = 500  # characters
_DEEPEST = 30  # nested signs; Python's grammar limits the brackets
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
# Replaced one by one, so that positions stay; comments, escapes and single quotes are disabled.
_SIGNS = str.maketrans("−–·×#\\'\n\r\t", "--**$$$   ")

Sum = dict[str | None, float]  # factors by name; None is the constant term


class ExpressionError(ValueError):
    """An invalid expression.

    `position` is the index of the first invalid character, without leading spaces.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.position = position


def parse(text: str) -> dict[str, float]:
    """Parses a weighted sum of names.

    The operators are `+`, `-`, `*`, `/` and brackets, in ASCII or as `−`, `·`, `×`. Names of
    several words and Python keywords stand in double quotes: `0.5·"black hat" − (smile + A)/2`.

    Args:
        text: expression of up to 500 characters.

    Returns:
        The factor of each name, in the order of first mention.

    Raises:
        ExpressionError: if the expression is invalid; the message says what was found, what was
            expected, and where.
    """
    if len(text) > _LONGEST:
        raise ExpressionError(
            f"The expression has {len(text)} characters; at most {_LONGEST} are read", _LONGEST
        )
    text = text.strip()
    terms = _sum(_tree(text), text)
    if terms.get(None):
        raise ExpressionError(
            f"The number {terms[None]:g} stands alone; numbers can only multiply names", 0
        )
    names = {name: factor for name, factor in terms.items() if name is not None}
    if not names:
        raise ExpressionError("The expression names nothing; expected a vector or an image", 0)
    if not all(math.isfinite(factor) for factor in names.values()):
        raise ExpressionError("A factor is not a finite number; expected a smaller one", 0)
    return names


def combine(
    text: str, vectors: Mapping[str, np.ndarray], images: Mapping[str, np.ndarray] | None = None
) -> tuple[np.ndarray, bool]:
    """Evaluates an expression over concept vectors and codes of images.

    The factors of images sum to 1 (the result is a point: `A + glasses`, `A − B + C`) or to 0 (it
    is a direction: `A − B`).

    Args:
        text: expression, in the syntax of `parse`.
        vectors: vectors `(D,)` by name.
        images: codes `(D,)` by name.

    Returns:
        The result `(D,)`, and whether it is a point rather than a direction.

    Raises:
        ExpressionError: if the expression is invalid, a name is unknown, the factors of images
            sum to another number, or the result exceeds ±`LARGEST_CODE`.
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
            f"The images' factors add up to {total:g}; expected 1 for a point, such as A − B + C, "
            "or 0 for a direction, such as A − B",
            max(first, 0),
        )
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        parts = [factor * np.asarray(known[name], np.float64) for name, factor in factors.items()]
        result = np.sum(parts, axis=0)
    largest = np.abs(result).max(initial=0.0)
    if not largest <= LARGEST_CODE:  # true for nan
        raise ExpressionError(
            f"The result has numbers of up to {largest:.3g}; expected at most "
            f"±{LARGEST_CODE:,}. Use smaller factors",
            0,
        )
    return result.astype(np.float32), place


def _tree(text: str) -> ast.expr:
    plain = text.translate(_SIGNS)
    try:
        return ast.parse(plain, mode="eval").body
    except UnicodeEncodeError as error:  # half of a character
        raise _refused(text, error.start) from error
    except (SyntaxError, MemoryError, RecursionError) as error:
        at = (getattr(error, "offset", None) or len(text) + 1) - 1
        raise _refused(text, at) from error


def _sum(node: ast.expr, text: str, depth: int = 0) -> Sum:
    """The factors in a node of the whole expression `text`."""
    plain = text.translate(_SIGNS).encode()  # the syntax tree counts in bytes
    start, end = (len(plain[:n].decode()) for n in (node.col_offset, node.end_col_offset))
    match node:
        case ast.Name():
            return {text[start:end]: 1.0}
        case ast.Constant(value=str()) if re.fullmatch(r'"[^"]*"', text[start:end]):
            return {text[start + 1 : end - 1]: 1.0}
        case ast.Constant(value=int() | float()) if _NUMBER.fullmatch(text, start, end):
            return {None: float(text[start:end])}
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign) if depth < _DEEPEST:
            factor = 1 if isinstance(sign, ast.UAdd) else -1
            return _scaled(_sum(node.operand, text, depth + 1), factor)
        case ast.BinOp(op=ast.Add() | ast.Sub() as sign):
            terms = _sum(node.left, text, depth)
            factor = 1 if isinstance(sign, ast.Add) else -1
            for name, value in _sum(node.right, text, depth).items():
                terms[name] = terms.get(name, 0.0) + factor * value
            return terms
        case ast.BinOp(op=ast.Mult() | ast.Div() as sign):
            left, right = _sum(node.left, text, depth), _sum(node.right, text, depth)
            if isinstance(sign, ast.Div):
                if set(right) != {None} or right[None] == 0:
                    raise ExpressionError("Expected a number other than 0 after /", end - 1)
                right = {None: 1 / right[None]}
            if set(left) == {None}:
                left, right = right, left
            if set(right) != {None}:
                raise ExpressionError("Names are multiplied; expected a number and a name", start)
            return _scaled(left, right[None])
    raise _refused(text, start)


def _scaled(part: Sum, factor: float) -> Sum:
    return {name: factor * value for name, value in part.items()}


def _refused(text: str, at: int) -> ExpressionError:
    at = min(at, len(text.rstrip()))
    excerpt = repr(text[at : at + 20]) if text[at:].strip() else "the end"
    return ExpressionError(
        f"Found {excerpt}; expected numbers, names, + − · / and brackets, such as A − B + 0.5·C, "
        'and double quotes around all but plain names, such as "black hat"',
        at,
    )

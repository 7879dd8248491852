"""Messages between Python and the browser, held against their declarations in `messages`.

One of ours that does not fit is an error; one from a browser is dropped and logged.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NotRequired,
    TypedDict,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

__all__ = ["Heard", "MessageError", "Synced", "Within", "check", "heard"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Within:
    """Bounds of a number, both included."""

    low: float
    high: float


class Synced(TypedDict, Generic[_T]):
    """A value that the visitor and Python may both change; `SyncedValue` in base.js says who wins.

    Attributes:
        value: what it is now.
        count: how many of the visitor's changes are in it.
        subject: with another one Python's value counts, whatever the visitor has done since.
    """

    value: _T
    count: int
    subject: NotRequired[str]


class MessageError(TypeError):
    """A message that is not what was declared."""


@dataclass(frozen=True)
class Heard:
    """What a browser last said of a value.

    Args:
        value: as it was declared; None where nothing was said, or nothing that fits.
        count: of the visitor's changes, as far as Python knows of them.
    """

    value: Any = None
    count: int = 0

    def answer(self, value: Any, subject: str = "") -> Synced[Any]:
        """What the browser is told of the value now."""
        return {"value": value, "count": self.count, "subject": subject}


class _Envelope(TypedDict):
    value: object
    count: int


def heard(kind: Any, message: object, name: str) -> Heard:
    """Reads a message from a browser, which may be anything.

    Args:
        kind: what its value was declared as.
        message: a value and a count, as `SyncedValue` sends them; None for no message.
        name: of the value, for the log.
    """
    if message is None:
        return Heard()
    try:
        check(message, _Envelope, name)
        count = message["count"]
    except MessageError as error:
        _log.warning("Dropped a message from a browser: %s", error)
        return Heard()
    try:
        check(message["value"], kind, name)
    except MessageError as error:
        _log.warning("Dropped a message from a browser: %s", error)
        return Heard(None, count)
    return Heard(message["value"], count)


def check(value: object, kind: Any, name: str) -> None:
    """Holds a message, or a part of it, against its declaration; numbers have to be finite.

    Args:
        value: what JSON can hold, and tuples.
        kind: a type as `messages` writes them.
        name: of the part.

    Raises:
        MessageError: it does not fit; says which part, what was found and what was expected.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        check(value, arguments[0], name)
        for bounds in arguments[1:]:
            if not bounds.low <= value <= bounds.high:
                raise _misfit(value, f"a number in {bounds.low:g}…{bounds.high:g}", name)
    elif origin in (Union, UnionType):
        _check_alternatives(value, arguments, name)
    elif origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            raise _misfit(value, f"one of {', '.join(arguments)}", name)
    elif is_typeddict(origin or kind):
        _check_fields(value, origin or kind, arguments, name)
    elif origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise _misfit(value, "an object", name)
        for key, item in value.items():
            check(item, arguments[1], f"{name}.{key}")
    elif origin in (list, tuple):
        _check_items(value, origin, arguments, name)
    elif kind is float:
        if not isinstance(value, float | int) or isinstance(value, bool) or not _is_finite(value):
            raise _misfit(value, "a finite number", name)
    elif kind is not object and type(value) is not kind:
        raise _misfit(value, "null" if kind is NoneType else kind.__name__, name)


def _check_alternatives(value: object, kinds: tuple[Any, ...], name: str) -> None:
    problems = []
    for kind in kinds:
        try:
            return check(value, kind, name)
        except MessageError as error:
            problems.append(error)
    # The alternative that came furthest says most about what is wrong.
    raise max(problems, key=lambda error: len(str(error).partition(" is ")[0]))


def _check_fields(value: object, kind: Any, arguments: tuple[Any, ...], name: str) -> None:
    if not isinstance(value, dict):
        raise _misfit(value, "an object", name)
    fields = _fields(kind)
    for key in value:
        if key not in fields:
            found = reprlib.repr(key)
            raise MessageError(f"{name} has a field {found}; expected {', '.join(fields)}.")
    for key, field in fields.items():
        if get_origin(field) is NotRequired:
            if key not in value:
                continue
            (field,) = get_args(field)
        if key not in value:
            raise MessageError(f"{name} lacks the field {key!r}.")
        check(value[key], arguments[0] if field is _T else field, f"{name}.{key}")


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _check_items(value: object, origin: Any, arguments: tuple[Any, ...], name: str) -> None:
    if not isinstance(value, list | tuple):
        raise _misfit(value, "a list", name)
    if origin is tuple and len(value) != len(arguments):
        raise _misfit(value, f"a list of {len(arguments)}", name)
    if origin is list and _fit_at_once(value, arguments[0]):
        return
    kinds = arguments if origin is tuple else itertools.repeat(arguments[0])
    for i, (item, kind) in enumerate(zip(value, kinds, strict=False)):
        check(item, kind, f"{name}[{i}]")


def _fit_at_once(values: Sequence[Any], kind: Any) -> bool:
    """Whether all of them are plain values of a kind, or pairs of such: there may be thousands."""
    if get_origin(kind) is tuple and set(map(type, values)) <= {list, tuple}:
        kinds = set(get_args(kind))
        sizes = set(map(len, values))
        return (
            len(kinds) == 1
            and sizes <= {len(get_args(kind))}
            and _fit_at_once(list(itertools.chain.from_iterable(values)), *kinds)
        )
    if kind not in (float, int, str) or not set(map(type, values)) <= {kind}:
        return False
    return kind is not float or all(map(math.isfinite, values))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _misfit(value: object, expected: str, name: str) -> MessageError:
    return MessageError(f"{name} is {reprlib.repr(value)}; expected {expected}.")

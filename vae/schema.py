"""Validation of files and messages as they are read: strict JSON of declared types."""

from __future__ import annotations

import functools
import json
import math
import re
import threading
from typing import Annotated, Any

import msgspec
from msgspec import Meta

__all__ = ["Count", "Number", "Positive", "SchemaError", "convert", "decode"]

_LARGEST = 3.5e38  # above the largest float32
Number = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
Positive = Annotated[float, Meta(ge=0, le=_LARGEST)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_PLACE = re.compile(r"^(.*?)(?: - at `(?:key in )?\$\.?(.*)`)?$", re.DOTALL)
_DEEP = "it is nested too deeply"
_making = threading.Lock()


class SchemaError(ValueError):
    """Data that differ from their declaration; the message says where, and what was expected."""


def decode(content: bytes | str, kind: Any = Any) -> Any:
    """Decodes JSON in which all numbers are finite.

    Args:
        content: JSON text.
        kind: declared type; fields that it does not declare are left out.

    Raises:
        SchemaError: if the content does not have this type.
    """
    decoder = _decoder(kind)
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        raise _misfit(error) from None
    except (ValueError, msgspec.DecodeError) as error:
        defect = f"it is not JSON: {error}" if content.strip() else "it is empty"
        raise SchemaError(defect[:200]) from None
    except RecursionError:
        raise SchemaError(_DEEP) from None


def convert(value: object, kind: Any) -> Any:
    """Converts a value to a declared type.

    Args:
        value: JSON-compatible value, possibly with tuples, in which all numbers are finite.
        kind: declared type, as in `decode`.

    Raises:
        SchemaError: if the value does not have this type.
    """
    decoder = _decoder(kind)
    try:
        return decoder.decode(json.dumps(value, allow_nan=False))
    except msgspec.ValidationError as error:
        raise _misfit(error) from None
    except RecursionError:
        raise SchemaError(_DEEP) from None
    except ValueError as error:
        raise SchemaError(_not_finite(value) or str(error)) from None
    except TypeError as error:
        raise SchemaError(f"it holds a value that JSON cannot represent: {error}"[:200]) from None


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    # While msgspec reads the declaration of a class for the first time, a decoder that another
    # thread makes of that class finds half of it, and crashes the process.
    with _making:
        return _make_decoder(kind)


@functools.lru_cache(maxsize=256)
def _make_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _misfit(error: msgspec.ValidationError) -> SchemaError:
    problem, place = _PLACE.match(str(error)).groups()  # type: ignore[union-attr]
    problem = problem.replace("`", "").replace("\n", " ")
    return SchemaError(f"{place or 'it'}: {problem[:1].lower()}{problem[1:]}"[:300])


def _not_finite(value: object, place: str = "") -> str:
    """A message that locates the first number that is not finite, or ""."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place or 'it'}: {value} is not finite"
    if isinstance(value, dict):
        parts = [(f"{place}.{key!s:.40}", item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{place}[{i}]", item) for i, item in enumerate(value)]
    else:
        return ""
    return next(filter(None, (_not_finite(item, key.lstrip(".")) for key, item in parts)), "")

"""What files hold, checked where they are read: strict JSON, and fields of the kinds declared."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

__all__ = ["SchemaError", "check_fields", "kinds_of", "parse_json"]

_LARGEST = 3.5e38  # of fractions: what 32 bits hold; whole numbers: what 64 bits hold
_WHOLE = 2**63


class SchemaError(ValueError):
    """A file that holds something else than it should: says what was found and expected."""


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return _is_whole(value)
    return isinstance(value, float) and abs(value) < _LARGEST


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < _WHOLE


_KINDS = {
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "str": (lambda value: isinstance(value, str), "text"),
    "dict[str, Any]": (lambda value: isinstance(value, dict), "an object"),
    "list[int]": (lambda value: _is_list(value, _is_whole), "a list of whole numbers"),
    "list[float]": (lambda value: _is_list(value, _is_number), "a list of numbers"),
    "list[str]": (lambda value: _is_list(value, lambda v: isinstance(v, str)), "a list of texts"),
    "None": (lambda value: value is None, "null"),
}


def parse_json(content: bytes | str) -> Any:
    """Reads JSON, whose numbers are all finite.

    Raises:
        SchemaError: it is something else.
    """
    try:
        return json.loads(content, parse_constant=_refuse, parse_float=_finite)
    except SchemaError:
        raise
    except RecursionError:
        raise SchemaError("it is nested deeper than any file of ours") from None
    except ValueError as error:
        what = "it is empty" if not content.strip() else f"it is not JSON: {error}"
        raise SchemaError(what[:200]) from None


def check_fields(
    value: Any, kinds: Mapping[str, str], *, required: Collection[str] = ()
) -> dict[str, Any]:
    """Checks an object's fields, and leaves out those that nobody declared.

    Args:
        value: as `parse_json` gives it.
        kinds: of each field, as type annotations write it, such as `float | None`.
        required: fields that must not be missing.

    Raises:
        SchemaError: names the field, what was found and what was expected.
    """
    if not isinstance(value, dict):
        raise SchemaError(f"it holds {reprlib.repr(value)}; expected an object")
    for name in required:
        if name not in value:
            raise SchemaError(f"{name} is missing")
    found = {name: value[name] for name in kinds if name in value}
    for name, field in found.items():
        allowed = [_KINDS[kind.strip()] for kind in kinds[name].split(" | ")]
        if not any(fits(field) for fits, _ in allowed):
            expected = " or ".join(words for _, words in allowed)
            raise SchemaError(f"{name} is {reprlib.repr(field)}; expected {expected}")
    return found


def kinds_of(declared: type[Any]) -> dict[str, str]:
    """The fields of a dataclass, and the kind of each as it is written there."""
    return {field.name: str(field.type) for field in fields(declared)}


def _is_list(value: Any, fits: Any) -> bool:
    return isinstance(value, list | tuple) and all(fits(item) for item in value)


def _refuse(name: str) -> float:
    raise SchemaError(f"it holds {name}; expected finite numbers")


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    return _refuse(text[:20])

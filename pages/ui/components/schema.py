"""Messages between Python and the browser, held against their declarations in `messages`.

One of ours that does not fit is an error; one from a browser is dropped and logged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

from vae.schema import SchemaError, convert

__all__ = ["Heard", "Message", "Synced", "heard"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Message(Struct, forbid_unknown_fields=True, kw_only=True):
    """What every message with fields is: nothing more than was declared, nothing missing."""


class Synced(Message, Generic[_T]):
    """A value that the visitor and Python may both change; `SyncedValue` in base.js says who wins.

    Attributes:
        value: current value.
        count: number of the visitor's changes that it contains.
        subject: with another one Python's value counts, whatever the visitor has done since.
    """

    value: _T
    count: int
    subject: str | UnsetType = UNSET


@dataclass(frozen=True)
class Heard:
    """What a browser last said of a value.

    Args:
        value: value in JSON; None if there is none, or an invalid one.
        count: number of the visitor's changes that Python has received.
    """

    value: Any = None
    count: int = 0

    def answer(self, value: Any, subject: str = "") -> dict[str, Any]:
        """What the browser is told of the value now, as `Synced`."""
        return {"value": value, "count": self.count, "subject": subject}


def heard(kind: Any, message: object, name: str) -> Heard:
    """Reads a message from a browser, which may be anything.

    Args:
        kind: declared type of its value.
        message: a value and a count, as `SyncedValue` sends them; None for no message.
        name: name of the value, for the log.
    """
    if message is None:
        return Heard()
    count = 0
    try:
        count = convert(message, Synced[Any]).count
        convert(message, Synced[kind])
    except SchemaError as error:
        said = str(error).encode("unicode_escape").decode()  # it may quote what came
        _log.warning("Dropped a message from a browser, %s: %s", name, said)
        return Heard(None, count)
    return Heard(message["value"], count)

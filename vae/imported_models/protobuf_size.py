"""How large a protobuf file becomes once it is parsed: two bytes of it can be a message of 150."""

from __future__ import annotations

from typing import Any

__all__ = ["fits"]

_MOST = 500_000  # messages, texts and single numbers
_PACKED = 20_000_000  # bytes of packed whole numbers, each of which becomes up to eight
_WIDTHS = {1: 8, 5: 4}  # bytes of numbers of fixed size, by the type on the wire


def fits(content: bytes, descriptor: Any) -> bool:
    """Whether a file has few enough parts to be parsed; true for a damaged one.

    Args:
        content: bytes of the file.
        descriptor: protobuf's description of the message that it holds.
    """
    waiting, parts, packed = [(0, len(content), descriptor)], 0, 0
    while waiting:
        at, end, message = waiting.pop()
        known = message.fields_by_number
        while at < end:
            parts += 1
            if parts > _MOST or packed > _PACKED:
                return False
            tag, at = _varint(content, at)
            wire = tag & 7
            if wire == 0:
                _, at = _varint(content, at)
            elif wire in _WIDTHS:
                at += _WIDTHS[wire]
            elif wire == 2:
                size, at = _varint(content, at)
                field = known.get(tag >> 3)
                if field is not None and field.message_type is not None:
                    waiting.append((at, min(at + size, end), field.message_type))
                elif field is not None and field.cpp_type not in _OF_FIXED_SIZE:
                    packed += size
                at += size
            else:
                return True
    return True


_OF_FIXED_SIZE = (5, 6, 9)  # protobuf's numbers of double, float, and texts and bytes


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends; beyond the end there are zeros."""
    value = shift = 0
    while at < len(content) and shift < 70:
        byte = content[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
    return value, at + 1

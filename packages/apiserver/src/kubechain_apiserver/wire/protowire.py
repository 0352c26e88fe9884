"""Reads the fields of a protobuf message without its definition."""

from __future__ import annotations

from typing import Any, Final

VARINT: Final = 0
BYTES: Final = 2
_FIXED_BYTES: Final = {1: 8, 5: 4}
_EOF: Final = "unexpected EOF"
_LONGEST_VARINT: Final = 10


class BadProtobuf(ValueError):
    """Raised for invalid bytes, or for an unknown kind."""


def read_fields(data: bytes) -> list[tuple[int, int, Any]]:
    """Return number, wire type and raw value of each field: an integer for a varint, bytes for all others.

    Raises:
        BadProtobuf: The bytes are invalid.
    """
    found: list[tuple[int, int, Any]] = []
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        wire_type = key & 7
        if wire_type == VARINT:
            value, position = _varint(data, position)
            found.append((key >> 3, wire_type, value))
            continue
        if wire_type == BYTES:
            length, position = _varint(data, position)
        elif wire_type in _FIXED_BYTES:
            length = _FIXED_BYTES[wire_type]
        else:
            raise BadProtobuf(f"illegal wire type {wire_type}")
        start, position = position, position + length
        if position > end:
            raise BadProtobuf(_EOF)
        found.append((key >> 3, wire_type, data[start:position]))
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return an integer and the next position; most have one byte."""
    try:
        result = data[position]
        if result < 0x80:
            return result, position + 1
        result &= 0x7F
        for index in range(1, _LONGEST_VARINT):
            byte = data[position + index]
            result |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return result, position + index + 1
    except IndexError:
        raise BadProtobuf(_EOF) from None
    raise BadProtobuf("integer overflow")

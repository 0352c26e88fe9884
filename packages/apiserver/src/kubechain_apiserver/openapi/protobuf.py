"""The OpenAPI v2 document in protobuf, the only form that client-go reads.

The message is gnostic's `openapi.v2.Document`. Only definitions are written, without paths: clients read nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from kubechain_apiserver.wire.json_types import JsonObject

_VARINT: Final = 0
_DOUBLE: Final = 1
_BYTES: Final = 2


def encode(document: JsonObject) -> bytes:
    """Return an OpenAPI v2 document as protobuf."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    definitions = b"".join(_named(1, name, _schema(one)) for name, one in document["definitions"].items())
    return _text(1, document["swagger"]) + _message(2, info) + _message(8, b"") + _message(9, definitions)


def _varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF  # negative numbers are written as 64 bits
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _message(field: int, content: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(content)) + content


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _integer(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(int(value))


def _double(field: int, value: float) -> bytes:
    return _key(field, _DOUBLE) + struct.pack("<d", value)


def _any(field: int, value: Any) -> bytes:
    return _message(field, _text(2, orjson.dumps(value).decode()))  # YAML, of which JSON is a part


def _named(field: int, name: str, content: bytes) -> bytes:
    return _message(field, _text(1, name) + _message(2, content))


def _type(field: int, value: str | list[str]) -> bytes:
    return _message(field, b"".join(_text(1, one) for one in ([value] if isinstance(value, str) else value)))


def _required(field: int, names: list[str]) -> bytes:
    return b"".join(_text(field, name) for name in names)


def _enum(field: int, values: list[Any]) -> bytes:
    return b"".join(_any(field, value) for value in values)


def _items(field: int, schema: JsonObject) -> bytes:
    return _message(field, _message(1, _schema(schema)))


def _properties(field: int, schemas: Mapping[str, JsonObject]) -> bytes:
    return _message(field, b"".join(_named(1, name, _schema(one)) for name, one in schemas.items()))


def _additional(field: int, value: bool | JsonObject) -> bytes:
    return _message(field, _integer(2, value) if isinstance(value, bool) else _message(1, _schema(value)))


_FIELDS: Final[Mapping[str, tuple[int, Callable[[int, Any], bytes]]]] = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _integer),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _integer),
    "maxLength": (11, _integer),
    "minLength": (12, _integer),
    "pattern": (13, _text),
    "maxItems": (14, _integer),
    "minItems": (15, _integer),
    "uniqueItems": (16, _integer),
    "maxProperties": (17, _integer),
    "minProperties": (18, _integer),
    "required": (19, _required),
    "enum": (20, _enum),
    "additionalProperties": (21, _additional),
    "type": (22, _type),
    "items": (23, _items),
    "properties": (25, _properties),
}
"""Number and encoding of each field of the message `Schema`, by JSON name."""

_VENDOR_EXTENSION: Final = 31


def _schema(schema: JsonObject) -> bytes:
    parts: list[bytes] = []
    for key, value in schema.items():
        if key in _FIELDS:
            number, write = _FIELDS[key]
            parts.append(write(number, value))
        elif key.startswith("x-"):
            parts.append(_named(_VENDOR_EXTENSION, key, _text(2, orjson.dumps(value).decode())))
    return b"".join(parts)

"""Decodes objects of built-in kinds from Kubernetes' protobuf encoding.

Clients that use client-go's typed API (since 1.32 also `kubectl create secret` and the like) send protobuf and accept
JSON, so there is no encoder. `protobuf_messages.json` has the messages; values are decoded to the JSON form of the same
Go types.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final, cast

import orjson

from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.protowire import VARINT, BadProtobuf, read_fields

MAGIC: Final = b"k8s\x00"
_META: Final = "k8s.io.apimachinery.pkg.apis.meta.v1."
_TIME: Final = _META + "Time"
_MICRO_TIME: Final = _META + "MicroTime"
_FIELDS: Final = _META + "FieldsV1"
_EXTRA: Final = "ExtraValue"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_POINTERS: Final = frozenset(
    {
        "automountServiceAccountToken",
        "blockOwnerDeletion",
        "controller",
        "deletionGracePeriodSeconds",
        "expirationSeconds",
        "gracePeriodSeconds",
        "immutable",
        "leaseDurationSeconds",
        "leaseTransitions",
        "orphanDependents",
    }
)
"""Numbers and booleans that are pointers in Go: zero is a value. Of all others, zero means absent."""

Field = tuple[str, str, bool]


@cache
def _definitions() -> tuple[dict[str, str], dict[str, dict[int, Field]]]:
    text = resources.files("kubechain_apiserver.wire").joinpath("protobuf_messages.json").read_bytes()
    document = orjson.loads(text)
    messages = {
        name: {int(number): (field[0], field[1], field[2]) for number, field in fields.items()}
        for name, fields in document["messages"].items()
    }
    return document["kinds"], messages


def decode(body: bytes) -> JsonObject:
    """Return the object in Kubernetes' envelope.

    Raises:
        BadProtobuf: The bytes are invalid, or the kind is unknown.
    """
    if not body.startswith(MAGIC):
        raise BadProtobuf("the provided data does not appear to be a protobuf message, expected prefix k8s")
    envelope = {number: value for number, _, value in read_fields(body[len(MAGIC) :])}
    type_meta = {number: value for number, _, value in read_fields(envelope.get(1, b""))}
    api_version, kind = type_meta.get(1, b"").decode(), type_meta.get(2, b"").decode()
    kinds, _ = _definitions()
    # Options have no group of their own: every group has them under its own name.
    message = kinds.get(f"{api_version}/{kind}") or kinds.get(f"meta.k8s.io/v1/{kind}")
    if message is None:
        raise BadProtobuf(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"apiVersion": api_version, "kind": kind, **_message(message, envelope.get(2, b""))}


def _message(name: str, data: bytes) -> JsonObject:
    _, messages = _definitions()
    fields = messages[name]
    result: JsonObject = {}
    for number, wire_type, raw in read_fields(data):
        if number in fields:
            _put(result, fields[number], wire_type=wire_type, raw=raw)
    return result


def _put(result: JsonObject, field: Field, *, wire_type: int, raw: Any) -> None:
    name, type_, repeated = field
    if type_.startswith("map:"):
        key, value = _entry(type_.removeprefix("map:"), raw)
        result.setdefault(name, {})[key] = value
        return
    if (wire_type == VARINT) is not (type_ in {"bool", "int32", "int64", "uint32", "uint64"}):
        raise BadProtobuf(f"wrong wire type for field {name}")
    value = _value(type_, raw)
    if repeated:
        result.setdefault(name, []).append(value)
    elif value or isinstance(value, dict) or (value is not None and name in _POINTERS):
        result[name] = value


def _entry(type_: str, raw: bytes) -> tuple[str, Any]:
    parts = {number: value for number, _, value in read_fields(raw)}
    return parts.get(1, b"").decode(), _value(type_, parts.get(2, b""))


def _value(type_: str, raw: Any) -> Any:
    match type_:
        case "string":
            return _text(raw)
        case "bytes":
            return base64.b64encode(raw).decode()
        case "bool":
            return bool(raw)
        case "int32" | "int64":
            return raw - (1 << 64) if raw >> 63 else raw
        case "uint32" | "uint64":
            return raw
        case _:
            return _composite(type_, raw)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadProtobuf("string field contains invalid UTF-8") from error


def _composite(type_: str, raw: bytes) -> Any:
    if type_ in {_TIME, _MICRO_TIME}:
        return _time(raw, micro=type_ == _MICRO_TIME)
    if type_ == _FIELDS:
        return orjson.loads(next((value for number, _, value in read_fields(raw) if number == 1), b"{}"))
    if type_.endswith(_EXTRA):
        return [cast("bytes", value).decode() for _, _, value in read_fields(raw)]
    return _message(type_, raw)


def _time(raw: bytes, *, micro: bool) -> str | None:
    """Return a timestamp as RFC 3339; an empty message is Go's zero time, which means absent."""
    if not raw:
        return None
    parts = {number: value for number, _, value in read_fields(raw)}
    seconds: int = _value("int64", parts.get(1, 0))
    moment = _EPOCH + timedelta(seconds=seconds, microseconds=parts.get(2, 0) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")

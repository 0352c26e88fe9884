"""The decoded metadata of cached objects, and the reduction of received objects to what is stored.

The store holds encoded objects: they need a third of the memory of decoded ones and no garbage collection. The fields
that the runtime itself reads (names, versions, owners) are decoded here. Nothing of spec or status here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from sys import intern
from typing import TypeVar

import msgspec

T = TypeVar("T")

DEPTH_LIMIT = 400
"""Deepest nesting that is kept. kube-apiserver accepts ten thousand levels where a schema allows any JSON; our decoders
accept a thousand, and those of the models two hundred."""


class OwnerReference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One entry of `metadata.ownerReferences`."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Identity(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The metadata that the runtime itself reads; decoded for each cached object.

    `gc=False`: they cannot form reference cycles, and the collector need not visit them.
    """

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    owner_references: tuple[OwnerReference, ...] | None = None

    @property
    def version(self) -> int:
        """Return the resourceVersion as a number: versions of one kind are ordered (KEP-5504)."""
        return version_number(self.resource_version)


class Metadata(Identity, frozen=True, gc=False, rename="camel"):
    """All metadata of an object that controllers read."""

    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: tuple[str, ...] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class PartialObject(msgspec.Struct, frozen=True, rename="camel"):
    """An object without spec and status: `meta.k8s.io/v1 PartialObjectMetadata`."""

    metadata: Metadata
    api_version: str = ""
    kind: str = ""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An object as the store keeps it: encoded, with its decoded identity."""

    raw: bytes
    metadata: Identity


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_IDENTITY = msgspec.json.Decoder(Identity)
_PARTIAL = msgspec.json.Decoder(PartialObject)
_ENCODER = msgspec.json.Encoder()
_BUFFER = bytearray()
"""Objects are encoded into this buffer and then copied in their exact size; safe on one event loop."""


_NESTING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
"""Matches brackets, and whole strings, so that brackets within strings are skipped."""


def version_number(resource_version: str) -> int:
    """Return a resourceVersion as a number; 0 for the empty one, which means any version."""
    return int(resource_version) if resource_version else 0


def decoded(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T:
    """Decode; values nested deeper than the decoder accepts become null, so that the rest of the object is decoded.

    Raises:
        msgspec.MsgspecError: the bytes do not fit the decoder's type.
    """
    try:
        return decoder.decode(raw)
    except RecursionError:
        return decoder.decode(_flattened(bytes(raw)))


def _flattened(raw: bytes) -> bytes:
    kept: list[bytes] = []
    depth = kept_to = 0
    for found in _NESTING.finditer(raw):
        match found[0]:
            case b"{" | b"[":
                depth += 1
                if depth == DEPTH_LIMIT:
                    kept += [raw[kept_to : found.start()], b"null"]
            case b"}" | b"]":
                if depth == DEPTH_LIMIT:
                    kept_to = found.end()
                depth -= 1
            case _:
                pass
    return b"".join([*kept, raw[kept_to:] if depth < DEPTH_LIMIT else b""])


def decode_partial(raw: bytes) -> PartialObject:
    """Decode the metadata of a whole or partial object."""
    return _PARTIAL.decode(raw)


def stored(raw: bytes | msgspec.Raw, *, api_version: str, kind: str, metadata_only: bool = False) -> Stored:
    """Reduce a received object to what is stored, and decode its identity.

    `metadata.managedFields` is removed (often half of an object); apiVersion and kind are set, because list items have
    none and partial objects have those of PartialObjectMetadata.

    Args:
        raw: JSON as received; may be a view into a larger buffer, which the result is not.
        api_version: of the requested kind.
        kind: the requested kind.
        metadata_only: keep only the metadata.

    Raises:
        msgspec.MsgspecError: the bytes are not a Kubernetes object.
    """
    members = decoded(_MEMBERS, raw)
    encoded = members["metadata"]
    metadata = _MEMBERS.decode(encoded)
    if metadata.pop("managedFields", None) is not None:
        encoded = msgspec.Raw(_ENCODER.encode(metadata))
    kept = {} if metadata_only else members
    kept |= _type_members(api_version, kind)
    kept["metadata"] = encoded
    # Not encode(): the bytes that it returns keep spare capacity, half the size of the object.
    _ENCODER.encode_into(kept, _BUFFER)
    identity = _IDENTITY.decode(encoded)
    msgspec.structs.force_setattr(identity, "namespace", intern(identity.namespace))  # one string for all objects
    return Stored(raw=bytes(_BUFFER), metadata=identity)


@cache
def _type_members(api_version: str, kind: str) -> Mapping[str, msgspec.Raw]:
    """Return apiVersion and kind, encoded once for all objects of a kind."""
    return {"apiVersion": msgspec.Raw(_ENCODER.encode(api_version)), "kind": msgspec.Raw(_ENCODER.encode(kind))}

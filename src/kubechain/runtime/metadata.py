"""The small decoded part of every cached object, and the cutting of raw objects down to what is worth keeping.

The store holds raw bytes, because they cost a third of decoded objects in memory and nothing in garbage collection;
whatever the runtime itself must know without decoding the whole (names, versions, owners) is here. What must not go
here: anything of spec or status.
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
"""How deep an object may be nested here. kube-apiserver takes ten thousand levels wherever a schema allows any JSON;
our decoders follow a thousand, and the models' own two hundred."""


class OwnerReference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One entry of `metadata.ownerReferences`."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Identity(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What the runtime itself reads of an object, and so what each cached object costs beside its bytes.

    `gc=False` keeps ten thousand of these out of the cyclic collector's way: nothing in them can form a cycle.
    """

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    owner_references: tuple[OwnerReference, ...] | None = None

    @property
    def version(self) -> int:
        """Return the resourceVersion as the number that it is: versions of one kind are ordered (KEP-5504)."""
        return version_number(self.resource_version)


class Metadata(Identity, frozen=True, gc=False, rename="camel"):
    """All metadata of an object, as far as anybody here may want to read it."""

    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: tuple[str, ...] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class PartialObject(msgspec.Struct, frozen=True, rename="camel"):
    """An object of which only the metadata is known: `meta.k8s.io/v1 PartialObjectMetadata`."""

    metadata: Metadata
    api_version: str = ""
    kind: str = ""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A raw object as the store keeps it, and what is decoded of its metadata."""

    raw: bytes
    metadata: Identity


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_IDENTITY = msgspec.json.Decoder(Identity)
_PARTIAL = msgspec.json.Decoder(PartialObject)
_ENCODER = msgspec.json.Encoder()
_BUFFER = bytearray()
"""Where objects are encoded before they are copied in their exact size; one event loop, no await between."""


_NESTING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
"""Whole strings, so that brackets in them are passed over, and brackets."""


def version_number(resource_version: str) -> int:
    """Return a resourceVersion as a number; 0 for the empty one, which means "any"."""
    return int(resource_version) if resource_version else 0


def decoded(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T:
    """Decode; what is nested deeper than the decoder can follow is null, so that one object harms no other.

    Raises:
        msgspec.MsgspecError: it is not what the decoder expects.
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
    """Drop what nobody here reads from a raw object and decode its metadata.

    `metadata.managedFields` goes (often half of an object); apiVersion and kind are set, because items of a list lack
    them and partial objects carry those of the envelope.

    Args:
        raw: JSON as received; it may be a view into a larger buffer, the result never is.
        api_version: of the kind that was asked for.
        kind: the kind that was asked for.
        metadata_only: also drop everything but the metadata.

    Raises:
        msgspec.MsgspecError: this is not a Kubernetes object.
    """
    members = decoded(_MEMBERS, raw)
    encoded = members["metadata"]
    metadata = _MEMBERS.decode(encoded)
    if metadata.pop("managedFields", None) is not None:
        encoded = msgspec.Raw(_ENCODER.encode(metadata))
    kept = {} if metadata_only else members
    kept |= _type_members(api_version, kind)
    kept["metadata"] = encoded
    # Not encode(): what it returns keeps its spare room, half as much again as the object, for as long as it lives.
    _ENCODER.encode_into(kept, _BUFFER)
    identity = _IDENTITY.decode(encoded)
    msgspec.structs.force_setattr(identity, "namespace", intern(identity.namespace))  # one text for all that live there
    return Stored(raw=bytes(_BUFFER), metadata=identity)


@cache
def _type_members(api_version: str, kind: str) -> Mapping[str, msgspec.Raw]:
    """Return the two members that say what an object is, encoded once for all objects of a kind."""
    return {"apiVersion": msgspec.Raw(_ENCODER.encode(api_version)), "kind": msgspec.Raw(_ENCODER.encode(kind))}

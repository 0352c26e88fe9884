"""What readers of a store share, and how much of it is kept decoded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.decoding import Decoder
from kubechain.runtime.informer import Informers
from kubechain.runtime.metadata import Stored
from kubechain.runtime.resource import Resource
from kubechain.runtime.store import Lister
from kubechain.runtime.transport import WholeReply
from test.runtime.widgets import WIDGETS, Widget, a_widget, widget


class Counting:
    """The codec of widgets, counting what it decodes."""

    def __init__(self) -> None:
        self.count = 0
        self.resource: Resource[Widget] = replace(WIDGETS, decode=self._decode, is_frozen=True)

    def _decode(self, raw: bytes) -> Widget:
        self.count += 1
        return WIDGETS.decode(raw)


def held(version: int, *, padding: str = "") -> Stored:
    metadata = {"uid": "a", "resourceVersion": str(version)}
    return Stored(
        json.dumps(a_widget("w", metadata=metadata, spec={"padding": padding})).encode(), metadata=NO_IDENTITY
    )


NO_IDENTITY: Any = None


def test_a_frozen_object_is_decoded_once_for_all_readers() -> None:
    codec, one = Counting(), held(1)
    decoder = Decoder(codec.resource)
    assert decoder.decode(one) is decoder.decode(one)
    assert codec.count == 1


def test_an_object_that_is_not_frozen_is_decoded_for_each_reader() -> None:
    decoder, one = Decoder(WIDGETS), held(1)
    assert decoder.decode(one) is not decoder.decode(one)
    assert len(decoder) == 0


def test_two_states_under_one_version_are_not_taken_for_one_another() -> None:
    decoder = Decoder(Counting().resource)
    before, after = held(5, padding="before"), held(5, padding="after")
    assert decoder.decode(before).spec != decoder.decode(after).spec


def test_the_objects_used_last_are_kept() -> None:
    codec = Counting()
    decoder = Decoder(codec.resource, kept_objects=2)
    hot, others = held(1), [held(2), held(3)]
    for one in (hot, others[0], hot, others[1], hot):
        decoder.decode(one)
    assert (codec.count, len(decoder)) == (3, 2)
    decoder.decode(others[0])
    assert codec.count == 4


def test_objects_that_are_large_together_are_not_kept() -> None:
    codec, large = Counting(), held(1, padding="x" * 1000)
    decoder = Decoder(codec.resource, kept_bytes=1500)
    for one in (large, held(2, padding="x" * 1000), held(3, padding="x" * 2000)):
        assert decoder.decode(one).spec["padding"]
    assert len(decoder) == 0


def test_an_object_that_does_not_fit_its_model_is_not_kept() -> None:
    decoder = Decoder(Counting().resource)
    wrong = Stored(b'{"metadata": 1}', metadata=NO_IDENTITY)
    for _ in range(2):
        with pytest.raises(ValueError, match="metadata"):
            decoder.decode(wrong)
    assert len(decoder) == 0


class Echo:
    """An API server that answers each write with the next version of what was sent."""

    version = 0

    async def send(self, method: str, target: str, *, body: bytes | None, **_: Any) -> WholeReply:
        self.version += 1
        sent = json.loads(body or b"{}")
        sent["metadata"] |= {"uid": "a", "resourceVersion": str(self.version), "managedFields": [{"manager": "us"}]}
        return WholeReply(200, {}, json.dumps(sent).encode())


async def test_the_answer_to_a_write_its_handlers_and_the_next_read_share_one_object() -> None:
    codec, exchange = Counting(), Echo()
    informers = Informers(exchange=exchange, clock=SystemClock())  # pyright: ignore[reportArgumentType]
    store = informers.of(codec.resource).store
    store.add_index("color", lambda one: [one.spec["color"]])
    seen: list[Widget | None] = []
    store.add_handler(lambda change: seen.extend(change.objects()))
    client = Client(exchange, clock=SystemClock(), observer=informers)  # pyright: ignore[reportArgumentType]
    first = await client.create(codec.resource, widget("w", spec={"color": "red"}))
    second = await client.update_status(codec.resource, first)
    read = Lister(store).get("default", "w")
    assert read is second
    assert seen[0] is first
    assert seen[1:] == [second, first]
    assert codec.count == 2


async def test_a_write_with_another_codec_than_that_of_the_cache_is_decoded_by_its_own() -> None:
    exchange = Echo()
    informers = Informers(exchange=exchange, clock=SystemClock())  # pyright: ignore[reportArgumentType]
    informers.of(WIDGETS)
    codec = Counting()
    client = Client(exchange, clock=SystemClock(), observer=informers)  # pyright: ignore[reportArgumentType]
    await client.create(codec.resource, widget("w"))
    assert codec.count == 1

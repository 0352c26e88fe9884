"""Values of Secrets: read live when the watch saw a change and not again before, or by name from time to time."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from kubechain.controllers.readings import FRESH_SECONDS
from kubechain.controllers.secrets import SECRETS, SecretReader, SecretUnavailable
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.keys import Request
from kubechain.runtime.resource import metadata_only
from kubechain.runtime.store import Lister, Store
from test.controllers.builders import an_llm
from test.runtime.fake_apiserver import FakeApiServer, failure

PATH = "api/v1/secrets"


class Watched:
    """A server with Secrets, and what a watch of their metadata has seen of it, where there is one."""

    def __init__(self, *, is_watched: bool = True) -> None:
        self.server, clock = FakeApiServer(), LoopClock()
        self.store = Store(metadata_only(SECRETS))
        client = Client(self.server, clock=clock)
        self.reader = SecretReader(client, Lister(self.store), clock, lambda namespace: is_watched)
        self.changed = list[Request]()
        self.reader.changed.feed(self.changed.append)

    def put(self, values: dict[str, str], *, seen: bool = True) -> dict[str, Any]:
        """Set the Secret `s`, and let the watch see it or not yet."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        secret = {"metadata": {"name": "s", "namespace": "ns"}, "data": data}
        stored = self.server.put(PATH, secret)
        if seen and self.reader.look_again_seconds("ns", "s") is None:
            self.store.apply(self.store.stored(json.dumps(stored).encode()))
        return stored

    async def value(self, key: str = "key") -> str:
        return await self.reader.value("ns", "s", key)


async def test_a_secret_is_read_once_for_each_version_that_the_watch_saw() -> None:
    watched = Watched()
    watched.put({"key": "first"})
    assert [await watched.value(), await watched.value()] == ["first", "first"]
    assert len(watched.server.sent) == 1
    watched.put({"key": "second"})
    assert [await watched.value(), await watched.value()] == ["second", "second"]
    assert len(watched.server.sent) == 2


async def test_a_secret_that_was_deleted_is_not_taken_from_the_cache() -> None:
    watched = Watched()
    stored = watched.put({"key": "first"})
    assert await watched.value() == "first"
    watched.store.remove(watched.store.stored(json.dumps(stored).encode()))
    with pytest.raises(SecretUnavailable, match='Secret "s" not found'):
        await watched.value()


async def test_a_read_that_is_ahead_of_the_watch_is_repeated_until_the_watch_has_caught_up() -> None:
    watched = Watched()
    watched.put({"key": "first"})
    watched.put({"key": "second"}, seen=False)
    assert [await watched.value(), await watched.value()] == ["second", "second"]
    assert len(watched.server.sent) == 2


@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param({"other": "x"}, 'key "key" not found in Secret "s"', id="the key is missing"),
        pytest.param({"key": " \n"}, 'key "key" of Secret "s" is empty', id="the value is nothing but white space"),
    ],
)
async def test_what_cannot_be_used_is_named_without_a_value(values: dict[str, str], error: str) -> None:
    watched = Watched()
    watched.put(values)
    with pytest.raises(SecretUnavailable, match=f"^{error}$"):
        await watched.value()


def by_name() -> Watched:
    return Watched(is_watched=False)


async def test_a_secret_that_is_not_watched_is_read_again_at_its_next_use_after_a_minute() -> None:
    named = by_name()
    named.put({"key": "first"})
    assert [await named.value(), await named.value()] == ["first", "first"]
    assert len(named.server.sent) == 1
    named.put({"key": "second"})
    await asyncio.sleep(FRESH_SECONDS)
    assert len(named.server.sent) == 1
    assert await named.value() == "second"
    assert named.changed == [Request("ns", "s")]


async def test_many_who_need_a_secret_at_the_same_time_read_it_once() -> None:
    named = by_name()
    named.put({"key": "first"})
    named.server.delay_seconds = 1.0
    assert set(await asyncio.gather(*(named.value() for _ in range(50)))) == {"first"}
    assert len(named.server.sent) == 1


@pytest.mark.parametrize("values", [None, {"other": "x"}, {"key": ""}], ids=["no Secret", "no such key", "empty"])
async def test_what_is_missing_says_when_to_look_again_and_is_found_then(values: dict[str, str] | None) -> None:
    named = by_name()
    if values is not None:
        named.put(values)
    with pytest.raises(SecretUnavailable) as missing:
        await named.value()
    assert missing.value.look_again_seconds == 1.0
    named.put({"key": "here"})
    with pytest.raises(SecretUnavailable):  # not yet: thousands of runs may want it
        await named.value()
    await asyncio.sleep(1.0)
    assert await named.value() == "here"
    assert named.changed == [Request("ns", "s")]


async def test_what_a_watch_would_tell_needs_no_second_look() -> None:
    with pytest.raises(SecretUnavailable) as missing:
        await Watched().value()
    assert missing.value.look_again_seconds is None


async def test_a_secret_that_may_not_be_read_is_named_and_looked_at_again() -> None:
    named = by_name()
    named.put({"key": "first"})
    named.server.fails = lambda sent: failure(403, "Forbidden", 'secrets "s" is forbidden')
    assert await named.reader.version("ns", "s") == "unreadable"
    with pytest.raises(SecretUnavailable, match=r'^the manager may not read Secret "s"$') as missing:
        await named.value()
    assert missing.value.look_again_seconds == 1.0
    named.server.fails = lambda sent: None
    await asyncio.sleep(1.0)
    assert await named.value() == "first"


@pytest.mark.parametrize(
    ("after", "expected"),
    [pytest.param("second", True, id="rotated"), pytest.param("first", False, id="the same as before")],
)
async def test_a_key_that_is_refused_is_compared_with_what_the_secret_has_now(after: str, expected: bool) -> None:
    named, llm = by_name(), an_llm()
    assert llm.spec.api_key_from is not None
    reference = llm.spec.api_key_from.secret_key_ref
    secret = {"metadata": {"name": reference.name, "namespace": llm.metadata.namespace}}
    encoded = {value: base64.b64encode(value.encode()).decode() for value in ("first", after)}
    named.server.put(PATH, secret | {"data": {reference.key: encoded["first"]}})
    used = await named.reader.api_key(llm)
    named.server.put(PATH, secret | {"data": {reference.key: encoded[after]}})
    await asyncio.sleep(2.0)
    assert await named.reader.has_other_key(llm, used) is expected


async def test_a_change_that_a_use_finds_is_told_once() -> None:
    named = by_name()
    named.put({"key": "first"})
    assert not await named.reader.has_changed("ns", ["s"])
    await named.value()
    named.put({"key": "second"})
    assert not await named.reader.has_changed("ns", ["s"])
    await asyncio.sleep(FRESH_SECONDS)
    assert [await named.reader.has_changed("ns", ["s"]) for _ in range(2)] == [True, False]
    assert named.changed == [Request("ns", "s")]

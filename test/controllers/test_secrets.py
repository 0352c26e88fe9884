"""Values of Secrets: read live when the watch saw a change, and not again before."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from kubechain.controllers.secrets import SECRETS, SecretReader, SecretUnavailable
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.resource import metadata_only
from kubechain.runtime.store import Lister, Store
from test.runtime.fake_apiserver import FakeApiServer

PATH = "api/v1/secrets"


class Watched:
    """A server with Secrets, and what a watch of their metadata has seen of it."""

    def __init__(self) -> None:
        self.server = FakeApiServer()
        self.store = Store(metadata_only(SECRETS))
        self.reader = SecretReader(Client(self.server, clock=LoopClock()), Lister(self.store))

    def put(self, values: dict[str, str], *, seen: bool = True) -> dict[str, Any]:
        """Set the Secret `s`, and let the watch see it or not yet."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        secret = {"metadata": {"name": "s", "namespace": "ns"}, "data": data}
        stored = self.server.put(PATH, secret)
        if seen:
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

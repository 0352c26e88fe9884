"""The client: errors by type, retries by verb, and what observers are told."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from kubechain.runtime import errors
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import ApiError, TransportError, error_from_status
from kubechain.runtime.transport import Reply, WholeReply
from test.runtime.fake_apiserver import FakeApiServer, failure, status_body
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget, widget

ERRORS: list[tuple[str, int, bytes, type[ApiError]]] = [
    ("a missing object", 404, status_body(404, "NotFound"), errors.NotFound),
    ("a name that is taken", 409, status_body(409, "AlreadyExists"), errors.AlreadyExists),
    ("an object that changed", 409, status_body(409, "Conflict"), errors.Conflict),
    ("an old version", 410, status_body(410, "Expired"), errors.Expired),
    ("an old version under its older name", 410, status_body(410, "Gone"), errors.Expired),
    ("a failed validation", 422, status_body(422, "Invalid"), errors.Invalid),
    ("a large request", 413, status_body(413, "RequestEntityTooLarge"), errors.TooLarge),
    ("etcd's limit", 500, status_body(500, "", "etcdserver: request is too large"), errors.TooLarge),
    ("grpc's limit", 500, status_body(500, "", "rpc error: trying to send message larger than max"), errors.TooLarge),
    ("a proxy's page", 502, b"<html>Bad Gateway</html>", errors.InternalError),
    ("no body at all", 503, b"", errors.ServiceUnavailable),
    ("a teapot", 418, b"{}", ApiError),
]


@pytest.mark.parametrize(("status", "body", "expected"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_failures_become_errors_by_name(status: int, body: bytes, expected: type[ApiError]) -> None:
    error = error_from_status(status, body)
    assert type(error) is expected
    assert error.status == status


def test_the_server_can_ask_for_patience_in_header_or_body() -> None:
    body = json.dumps({"kind": "Status", "code": 429, "details": {"retryAfterSeconds": 3}}).encode()
    assert error_from_status(429, body).retry_after_seconds == 3
    assert error_from_status(429, body, retry_after_seconds=9).retry_after_seconds == 9


RETRIES: list[tuple[str, str, Reply | Exception, int]] = [
    ("a read after 503", "get", failure(503, "ServiceUnavailable"), 2),
    ("a read after 504", "get", failure(504, "Timeout"), 2),
    ("a read after a lost reply", "get", TransportError("reset"), 2),
    ("a read after 429", "get", failure(429, "TooManyRequests"), 2),
    ("a read after 500 is not repeated", "get", failure(500, "InternalError"), 1),
    ("a read after 404 is not repeated", "get", failure(404, "NotFound"), 1),
    ("a write after 429 was not done", "create", failure(429, "TooManyRequests"), 2),
    ("a write after 503 may have been done", "create", failure(503, "ServiceUnavailable"), 1),
    ("a write after 504 may have been done", "create", failure(504, "Timeout"), 1),
    ("a write after a lost reply may have been done", "create", TransportError("reset"), 1),
    ("a server that wants more patience than we have", "get", failure(429, "TooManyRequests", retry_after="60"), 1),
]


@pytest.mark.parametrize(("verb", "trouble", "tries"), [row[1:] for row in RETRIES], ids=[row[0] for row in RETRIES])
async def test_what_is_tried_again(verb: str, trouble: Reply | Exception, tries: int) -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    server.failures.append(trouble)
    client = Client(server, clock=LoopClock())
    work = client.get(WIDGETS, "default", "w") if verb == "get" else client.create(WIDGETS, widget("new"))
    try:
        await work
        assert tries == 2
    except (ApiError, TransportError):
        assert tries == 1
    assert len(server.sent) == tries


async def test_retry_after_is_waited_for() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    server.failures.append(failure(429, "TooManyRequests", retry_after="5"))
    await Client(server, clock=LoopClock()).get(WIDGETS, "default", "w")
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.1)


async def test_patience_ends() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: TransportError("down")
    with pytest.raises(TransportError):
        await Client(server, clock=LoopClock()).get(WIDGETS, "default", "w")
    assert len(server.sent) == 5


async def test_a_reply_that_is_no_object_is_no_reply() -> None:
    server = FakeApiServer()
    server.failures.append(WholeReply(201, {}, b"<html>welcome to the proxy</html>"))
    with pytest.raises(TransportError, match="no Widget"):
        await Client(server, clock=LoopClock()).create(WIDGETS, widget("w"))


async def test_writes_and_reads_of_one_object() -> None:
    server = FakeApiServer()
    client = Client(server, clock=LoopClock())
    created = await client.create(WIDGETS, widget("w", spec={"a": 1}))
    updated = await client.update(WIDGETS, msgspec.structs.replace(created, spec={"a": 2}, status={"lost": True}))
    assert (updated.spec, updated.status) == ({"a": 2}, {})
    reported = await client.update_status(WIDGETS, msgspec.structs.replace(updated, spec={}, status={"ok": True}))
    assert (reported.spec, reported.status) == ({"a": 2}, {"ok": True})
    with pytest.raises(errors.Conflict):
        await client.update(WIDGETS, created)
    version = reported.metadata.resource_version
    patched = await client.patch(WIDGETS, "default", "w", {"spec": {"a": None, "b": 3}}, resource_version=version)
    assert patched.spec == {"b": 3}
    with pytest.raises(errors.Conflict):
        await client.patch(WIDGETS, "default", "w", {"spec": {}}, resource_version=version)
    with pytest.raises(errors.Conflict):
        await client.delete(WIDGETS, "default", "w", uid="another")
    await client.delete(WIDGETS, "default", "w", uid=patched.metadata.uid, propagation_policy="Background")
    with pytest.raises(errors.NotFound):
        await client.get(WIDGETS, "default", "w")


async def test_a_list_reads_all_pages_and_gives_items_their_kind() -> None:
    server = FakeApiServer()
    for number in range(1201):
        server.put(WIDGETS_PATH, {"metadata": {"name": f"w{number}", "namespace": "default"}})
    listed = await Client(server, clock=LoopClock()).list(WIDGETS, "default")
    assert len(listed) == 1201
    assert (listed[0].api_version, listed[0].kind) == ("example.com/v1", "Widget")
    assert len(server.sent) == 3


async def test_a_list_that_expires_half_way_says_so() -> None:
    server = FakeApiServer()
    for number in range(600):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))
    server.fails = lambda sent: failure(410, "Expired") if "continue" in sent.target else None
    with pytest.raises(errors.Expired):
        await Client(server, clock=LoopClock()).list(WIDGETS)

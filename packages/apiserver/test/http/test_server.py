"""The HTTP face: TLS, tokens, streams and their ends."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest
import yaml

from kubechain_apiserver.controlplane import ControlPlane
from kubechain_apiserver.http.certificates import ensure
from kubechain_apiserver.http.server import HttpServer, NotLoopbackError, PortInUseError
from kubechain_apiserver.wire.authn import Tokens
from kubechain_apiserver.wire.errors import REQUEST_LIMIT_BYTES

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE_SECONDS = 5


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(tmp_path / "data") as plane:
        yield plane


@pytest.fixture
async def session(plane: ControlPlane) -> AsyncIterator[aiohttp.ClientSession]:
    config = yaml.safe_load(plane.kubeconfig_path.read_text())
    context = ssl.create_default_context(cafile=str(plane.folder / "tls" / "ca.crt"))
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(plane.url, headers=headers, connector=connector) as session:
        yield session


async def test_the_token_is_needed(session: aiohttp.ClientSession) -> None:
    async with session.get("/api/v1/namespaces") as response:
        assert response.status == 200
    for header, code, reason in (
        ("Bearer wrong", 401, "Unauthorized"),
        ("", 403, "Forbidden"),
        ("Bearer ", 403, "Forbidden"),
        ("Basic abc", 403, "Forbidden"),
    ):
        async with session.get("/api/v1/namespaces", headers={"Authorization": header}) as response:
            assert (response.status, (await response.json())["reason"]) == (code, reason)


async def test_a_token_of_a_service_account_is_taken(session: aiohttp.ClientSession) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
    async with session.post(accounts, json=account) as response:
        assert response.status == 201
    async with session.post(f"{accounts}/bot/token", json={"spec": {}}) as response:
        token = (await response.json())["status"]["token"]
    review, headers = "/apis/authentication.k8s.io/v1/selfsubjectreviews", {"Authorization": f"Bearer {token}"}
    async with session.post(review, json={}, headers=headers) as response:
        assert (await response.json())["status"]["userInfo"]["username"] == "system:serviceaccount:default:bot"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
async def test_health_and_version_are_open(session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(path, headers={"Authorization": ""}) as response:
        assert response.status == 200


async def test_paths_and_queries_are_decoded_once(session: aiohttp.ClientSession) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"k": "v"}}}
    async with session.post(CONFIG_MAPS, json=body) as response:
        assert response.status == 201
    async with session.get(f"{CONFIG_MAPS}?labelSelector=k+in+%28v%2Cw%29") as response:
        assert len((await response.json())["items"]) == 1


async def test_a_body_over_the_limit_is_refused(session: aiohttp.ClientSession) -> None:
    async with session.post(CONFIG_MAPS, data=io.BytesIO(b" " * (REQUEST_LIMIT_BYTES + 1))) as response:
        assert response.status == 413
        assert (await response.json())["reason"] == "RequestEntityTooLarge"


async def test_a_watch_streams_and_its_end_is_clean(session: aiohttp.ClientSession) -> None:
    async with session.get(f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0") as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        async with session.post(CONFIG_MAPS, json={"metadata": {"name": "a"}}) as made:
            assert made.status == 201
        events = [orjson.loads(line) async for line in response.content]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [("ADDED", "a")]


async def test_clients_that_all_connect_at_once_wait_for_a_busy_server_and_are_not_dropped(plane: ControlPlane) -> None:
    at = urlsplit(plane.url)
    with ExitStack() as stack:
        for _ in range(400):  # on the server's own thread, which therefore accepts none meanwhile
            stack.enter_context(socket.create_connection((at.hostname, at.port), timeout=0.5))


async def test_a_client_that_goes_away_frees_its_watch(session: aiohttp.ClientSession, plane: ControlPlane) -> None:
    response = await session.get(f"{CONFIG_MAPS}?watch=1")
    assert plane.engine.statistics()["watchers"] == 1
    response.close()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while plane.engine.statistics()["watchers"]:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)


async def test_a_watch_that_is_not_read_holds_up_nobody(session: aiohttp.ClientSession) -> None:
    async with session.get(f"{CONFIG_MAPS}?watch=1"):
        for number in range(30):
            body = {"metadata": {"name": f"m{number}"}, "data": {"k": "x" * 100_000}}
            async with session.post(CONFIG_MAPS, json=body) as response:
                assert response.status == 201


async def test_a_stop_ends_watches_at_once(session: aiohttp.ClientSession, plane: ControlPlane) -> None:
    response = await session.get(f"{CONFIG_MAPS}?watch=1")
    async with asyncio.timeout(DEADLINE_SECONDS):
        await plane.stop()
        assert [line async for line in response.content] == []


async def test_a_port_that_is_taken_is_said(plane: ControlPlane, tmp_path: Path) -> None:
    port = int(plane.url.rpartition(":")[2])
    with pytest.raises(PortInUseError, match=f"127.0.0.1:{port}: another program uses this port"):
        async with ControlPlane(tmp_path / "other", port):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_only_loopback_is_served(plane: ControlPlane, tmp_path: Path, host: str) -> None:
    context = ensure(tmp_path, now=NOW).context()
    with pytest.raises(NotLoopbackError, match="is not a loopback address"):
        HttpServer(plane.server, tokens=Tokens("t"), context=context, host=host)

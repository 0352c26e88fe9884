"""The exchange itself: how the library's errors are told, proxies, and what happens at the end."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import httpx2
import pytest

from kubechain.llm import errors
from kubechain.llm.exchange import HttpCall
from kubechain.llm.pool import CLIENT_IDLE_SECONDS, KEEP_ALIVE_SECONDS, HttpPool
from test.llm.builders import CANARY, NOW
from test.llm.conftest import Served

CALL = HttpCall("GET", "https://host.test/v1/models", {"authorization": f"Bearer {CANARY}"})


ELSEWHERE = HttpCall("GET", "https://elsewhere.test/v1/models", {})


def a_pool(outcome: Exception | httpx2.Response) -> HttpPool:
    def answer(_: httpx2.Request) -> httpx2.Response:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return HttpPool(now=lambda: NOW, transport=httpx2.MockTransport(answer))


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        pytest.param(
            httpx2.ConnectError("[Errno -2] Name or service not known"),
            errors.Unreachable,
            "unreachable: https://host.test: its name does not resolve",
            id="no such name",
        ),
        pytest.param(
            httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed"),
            errors.Unreachable,
            "unreachable: https://host.test: its TLS certificate is not trusted",
            id="a certificate of nobody we know",
        ),
        pytest.param(
            httpx2.ConnectError("All connection attempts failed"),
            errors.Unreachable,
            "unreachable: https://host.test: connection refused",
            id="nobody listens",
        ),
        pytest.param(
            httpx2.ConnectTimeout(""),
            errors.Unreachable,
            "unreachable: https://host.test: no connection within 10 s",
            id="no answer to the connect",
        ),
        pytest.param(
            httpx2.ProxyError("407 user:hunter2@proxy"),
            errors.Unreachable,
            "unreachable: https://host.test: the proxy refused",
            id="the proxy says no",
        ),
        pytest.param(
            httpx2.ReadTimeout(""), errors.TimedOut, "timed out: no whole reply within 30 s", id="no reply in time"
        ),
        pytest.param(
            httpx2.ReadError("reset"),
            errors.ConnectionLost,
            "connection lost: https://host.test: before the reply was whole",
            id="a reset",
        ),
        pytest.param(
            httpx2.RemoteProtocolError("garbage"),
            errors.ConnectionLost,
            "connection lost: https://host.test: before the reply was whole",
            id="a server that does not speak HTTP",
        ),
        pytest.param(
            httpx2.LocalProtocolError(f"Illegal header value b'{CANARY}'"),
            errors.InvalidTarget,
            "request cannot be sent: baseUrl or a header is malformed",
            id="a header that cannot be sent",
        ),
    ],
)
async def test_errors_of_the_library_are_told_in_our_words(
    raised: Exception, kind: type[errors.LLMError], told: str
) -> None:
    async with a_pool(raised) as pool:
        with pytest.raises(errors.LLMError) as caught:
            await pool.send(CALL, timeout_seconds=30)
    assert (type(caught.value), str(caught.value)) == (kind, told)


async def test_an_illegal_header_is_not_in_the_traceback() -> None:
    async with a_pool(httpx2.LocalProtocolError(f"Illegal header value b'{CANARY}'")) as pool:
        with pytest.raises(errors.InvalidTarget) as caught:
            await pool.send(CALL, timeout_seconds=30)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


async def test_a_reply_is_a_value() -> None:
    async with a_pool(httpx2.Response(503, headers={"Retry-After": "7"}, content=b"no")) as pool:
        reply = await pool.send(CALL, timeout_seconds=30)
    assert (reply.status, reply.headers["retry-after"], reply.body, reply.received_at) == (503, "7", b"no", NOW)


async def test_a_proxy_of_the_environment_is_used(provider: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTP_PROXY", provider.base_url.removesuffix("/v1"))
    async with HttpPool() as pool:
        reply = await pool.send(HttpCall("GET", "http://model.test/v1/models", {}), timeout_seconds=5)
    assert b"gpt-4o" in reply.body


async def test_a_proxy_is_not_used_for_this_machine(provider: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with HttpPool() as pool:
        reply = await pool.send(HttpCall("GET", f"{provider.base_url}/models", {}), timeout_seconds=5)
    assert reply.status == 200


async def test_connections_to_where_nobody_calls_any_more_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, passed = asyncio.get_running_loop(), 0.0
    began = loop.time()
    monkeypatch.setattr(loop, "time", lambda: began + passed)
    async with a_pool(httpx2.Response(200)) as pool:
        await pool.send(CALL, timeout_seconds=5)
        passed = CLIENT_IDLE_SECONDS - 1
        await pool.send(ELSEWHERE, timeout_seconds=5)
        assert set(pool.statistics()) == {"https://host.test", "https://elsewhere.test"}
        passed = CLIENT_IDLE_SECONDS + 1
        await pool.send(ELSEWHERE, timeout_seconds=5)
        assert set(pool.statistics()) == {"https://elsewhere.test"}


async def test_a_closed_pool_takes_no_calls() -> None:
    pool = a_pool(httpx2.Response(200))
    await pool.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await pool.send(CALL, timeout_seconds=5)


async def test_a_pool_that_is_dropped_open_says_so() -> None:
    pool = a_pool(httpx2.Response(200))
    await pool.send(CALL, timeout_seconds=5)
    dropped = [pool]
    del pool
    with pytest.warns(ResourceWarning, match="HttpPool was dropped"):
        _drop(dropped)


def _drop(dropped: list[HttpPool]) -> None:
    dropped.clear()
    gc.collect()


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:a9fe:a9fe", "fd00:ec2::254", "0.0.0.0"])
async def test_a_name_that_leads_to_a_metadata_service_is_not_called(address: str) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return [address]

    async with HttpPool(lookup=lookup) as pool:
        with pytest.raises(errors.InvalidTarget, match=r"baseUrl: address refused: model\.test: ") as caught:
            await pool.send(HttpCall("GET", "http://model.test/v1/models", {}), timeout_seconds=5)
    assert address not in str(caught.value)


async def test_a_redirect_to_a_metadata_service_is_an_answer_and_not_followed() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(307, headers={"location": "http://169.254.169.254/latest/"})

    async with HttpPool(transport=httpx2.MockTransport(answer)) as pool:
        assert (await pool.send(CALL, timeout_seconds=5)).status == 307
    assert asked == [CALL.url]


# --- ways that lead nowhere


@asynccontextmanager
async def a_server(answer: bytes) -> AsyncGenerator[int]:
    """A server that answers every connection with these bytes and closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("scheme", "answer", "told"),
    [
        pytest.param("http", b"\x15\x03\x03\x00\x02\x02\x46", "does not speak HTTP, it may want https", id="TLS alert"),
        pytest.param("http", b"", "no answer at all; if port {port} speaks TLS, it wants https", id="silence"),
        pytest.param("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", "port {port} may want http", id="no TLS"),
    ],
)
async def test_the_other_scheme_is_named_with_the_port(scheme: str, answer: bytes, told: str) -> None:
    async with a_server(answer) as port, HttpPool() as pool:
        with pytest.raises(errors.Unreachable, match=told.format(port=port)) as caught:
            await pool.send(HttpCall("GET", f"{scheme}://127.0.0.1:{port}/v1", {}), timeout_seconds=5)
        assert f"{scheme}://127.0.0.1:{port}" in str(caught.value)


async def test_a_dead_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://user:secret@127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    async with HttpPool() as pool:
        with pytest.raises(errors.Unreachable) as caught:
            await pool.send(HttpCall("GET", "https://models.test/v1", {}), timeout_seconds=5)
    told = "unreachable: https://models.test through the proxy http://127.0.0.1:1: connection refused"
    assert str(caught.value) == told


def test_an_idle_connection_is_given_up_before_its_server_closes_it() -> None:
    assert KEEP_ALIVE_SECONDS < 5

"""HTTP: which addresses and headers are refused, and what a failed request is said to mean."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence

import httpx2
import pytest

from kubechain.mcp import endpoint, exchange, http, replies
from kubechain.mcp.failures import ConnectFailure
from test.tools.endpoint import an_endpoint, reply

CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}'
NOTE = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
RESULT = b'{"jsonrpc":"2.0","id":7,"result":{}}'
JSON = {"content-type": "application/json"}


def never(failure: ConnectFailure) -> None:
    """The connection does not end here."""
    raise AssertionError(failure)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/mcp",
        "ftp://example.com",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://host:port/",
        "http://user:s3cr3t@example.com/",
        "http://exam ple.com/",
        "http://example.com/\r\nX: y",
    ],
)
def test_what_is_no_address_is_refused_without_showing_it(url: str):
    with pytest.raises(ConnectFailure) as refusal:
        endpoint.check_url(url)
    assert refusal.value.is_permanent
    assert "s3cr3t" not in str(refusal.value)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "0xA9FEA9FE",
        "2852039166",
        "0251.0376.0251.0376",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[fe80::1%25eth0]",
        "100.100.100.200",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
    ],
)
def test_metadata_services_are_refused_for_good(host: str):
    with pytest.raises(ConnectFailure, match="url: address refused: ") as refusal:
        endpoint.check_url(f"http://{host}/mcp")
    assert refusal.value.is_permanent


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_name_that_leads_to_a_metadata_service_is_not_called(method: str):
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.7", "169.254.169.254"]

    told: list[str] = []
    client = http.http_client(
        {}, message_bytes=1000, answers_in_body=True, on_failure=told.append, on_end=never, lookup=lookup
    )
    refusal = "address refused: rebind.test: a metadata service or another link-local address"
    async with client:
        if method == "POST":
            response = await client.post("http://rebind.test/mcp", content=CALL)
            assert response.json()["error"] == {"code": exchange.NOT_SENT, "message": f"not reached: {refusal}"}
            assert told == [f"not reached: {refusal}"]
        else:
            with pytest.raises(httpx2.ConnectError) as caught:
                await client.get("http://rebind.test/sse")
            assert exchange.reason(caught.value) == refusal


async def test_a_redirect_is_not_followed():
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(307, headers={"location": "http://169.254.169.254/latest/"})

    client = http.http_client({}, message_bytes=1000, answers_in_body=True, on_failure=lambda _: None, on_end=never)
    client._transport = httpx2.MockTransport(answer)  # pyright: ignore[reportPrivateUsage]
    async with client:
        assert (await client.post("http://example.test/mcp", content=CALL)).status_code == 307
    assert asked == ["example.test"]


@pytest.mark.parametrize("url", ["http://example.com", "https://[::1]:8443/mcp?x=1", "http://tools.default.svc/mcp"])
def test_addresses_are_taken(url: str):
    endpoint.check_url(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("a b", "x"),
        ("a:b", "x"),
        ("é", "x"),
        ("Host", "x"),
        ("Mcp-Session-Id", "x"),
        ("X", "s3cr3t\r\nY: z"),
        ("X", "s3cr3t\0"),
        ("X", "s3cr3té"),
    ],
)
def test_headers_that_cannot_go_along_are_refused_without_showing_their_value(name: str, value: str):
    with pytest.raises(ConnectFailure) as refusal:
        endpoint.checked_headers({name: value})
    assert refusal.value.is_permanent
    assert "s3cr3t" not in str(refusal.value)


class Body(httpx2.AsyncByteStream):
    """A body that comes in pieces, perhaps with an end that is none."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        """Take the pieces."""
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


Handler = Callable[[httpx2.Request], httpx2.Response]


def fails(error: Exception) -> Handler:
    """A way that fails."""

    def handler(request: httpx2.Request) -> httpx2.Response:
        raise error

    return handler


def answers(status: int, body: bytes | Body = b"", **headers: str) -> Handler:
    """A server that answers so."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, Body):
        return lambda request: httpx2.Response(status, headers=names, stream=body)
    return lambda request: httpx2.Response(status, headers=names, content=body)


async def post(handler: Handler, content: bytes = CALL, **headers: str) -> tuple[httpx2.Response, list[str]]:
    """Send a message; return what the MCP library sees, and what the owner is told."""
    told: list[str] = []
    transport = exchange.FailuresAsAnswers(
        httpx2.MockTransport(handler), message_bytes=1000, answers_in_body=True, on_failure=told.append, on_end=never
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx2.AsyncClient(transport=transport) as client:
        response = await client.post("http://server/mcp", content=content, headers=named)
    return response, told


@pytest.mark.parametrize(
    ("handler", "code", "message"),
    [
        (fails(httpx2.ConnectError("refused")), exchange.NOT_SENT, "not reached: connection refused"),
        (fails(httpx2.ConnectTimeout("slow")), exchange.NOT_SENT, "not reached: no connection within 10 s"),
        (fails(httpx2.ReadError("reset")), exchange.LOST, "no answer: the connection broke"),
        (fails(httpx2.WriteTimeout("slow")), exchange.LOST, "no answer: it took too long"),
        (fails(httpx2.RemoteProtocolError("?")), exchange.LOST, "no answer: the connection broke"),
        (
            answers(200, b"{}", content_encoding="br", Content_Type="application/json"),
            exchange.LOST,
            "HTTP 200: the answer is compressed (br), which the request forbids: turn compression off in the server's"
            " proxy",
        ),
        (answers(202), exchange.LOST, "HTTP 202 without an answer"),
        (
            answers(200, b"<html><title>Log in</title>", Content_Type="text/html"),
            exchange.LOST,
            "HTTP 200 with a web page, not MCP: check the path of url: it says: Log in",
        ),
        (
            answers(200, b"hello", Content_Type="text/plain"),
            exchange.LOST,
            "HTTP 200 without an answer: its content type is text/plain",
        ),
        (answers(204), exchange.LOST, "HTTP 204 without an answer"),
        (
            answers(401, b"no key", Content_Type="text/plain"),
            exchange.NOT_SENT,
            "HTTP 401: the server wants credentials: set the header Authorization in spec.headers: it says: no key",
        ),
        (answers(404, b"no such page"), exchange.NOT_SENT, "HTTP 404: nothing is served at the path of url"),
        (answers(429, b"{}", Content_Type="application/json"), exchange.NOT_SENT, "HTTP 429"),
        (answers(500, b"oops"), exchange.LOST, "HTTP 500"),
        (answers(502, b"x" * 5000), exchange.LOST, "HTTP 502"),
    ],
    ids=[
        "nobody listens",
        "nobody answers the connect",
        "the connection breaks while waiting",
        "the request could not be written in time",
        "the answer is no HTTP",
        "the answer may unfold to anything",
        "a request is merely accepted",
        "a page in the place of an answer",
        "a text in the place of an answer",
        "nothing in the place of an answer",
        "the credentials are refused",
        "nothing at that path",
        "too many requests, as JSON that is no JSON-RPC",
        "the server failed",
        "a proxy failed, at length",
    ],
)
async def test_a_failed_request_becomes_an_error_of_that_request(handler: Handler, code: int, message: str):
    response, _ = await post(handler)
    assert response.json()["error"] == {"code": code, "message": message}
    assert response.status_code >= 400


async def test_a_json_rpc_error_is_kept_whatever_the_status():
    body = b'{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such tool"}}'
    response, told = await post(answers(400, body, Content_Type="application/json"))
    assert response.content == body
    assert not told


async def test_a_forgotten_session_is_told_to_the_owner():
    response, told = await post(answers(404, b"{}"), mcp_session_id="s1")
    assert response.json()["error"]["code"] == exchange.NOT_SENT
    assert told == ["the server ended the session"]


async def test_notifications_may_be_merely_accepted():
    assert (await post(answers(202), NOTE))[0].status_code == 202


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID"}}'),
        pytest.param(400, b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"}}'),
        pytest.param(400, b'{"error":"unknown session"}'),
        pytest.param(400, b"Missing Mcp-Session-Id"),
        pytest.param(404, b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}'),
    ],
)
async def test_a_request_in_a_session_that_the_server_does_not_know_was_not_executed(status: int, body: bytes):
    response, told = await post(answers(status, body, Content_Type="application/json"), mcp_session_id="s1")
    assert response.json()["error"] == {"code": exchange.NOT_SENT, "message": "the server ended the session"}
    assert told == ["the server ended the session"]


async def test_a_refusal_in_a_session_that_is_not_about_the_session_is_kept():
    body = b'{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such tool"}}'
    response, told = await post(answers(400, body, Content_Type="application/json"), mcp_session_id="s1")
    assert (response.json()["error"]["code"], told) == (-32602, [])


async def test_an_answer_within_the_limit_is_passed_on():
    response, _ = await post(answers(200, RESULT, Content_Type="application/json", mcp_session_id="s1"))
    assert (response.content, response.headers["mcp-session-id"]) == (RESULT, "s1")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(
            Body(b"x" * 600, b"x" * 600),
            exchange.TOO_LARGE,
            "The tool ran; its answer is over 1000 bytes.",
            id="too long",
        ),
        pytest.param(
            Body(b"{", httpx2.ReadError("reset")),
            exchange.LOST,
            "the answer was cut off: the connection broke",
            id="cut",
        ),
        pytest.param(
            Body(b'{"jsonrpc":"2.0","id":7,"result":"done"}'),
            replies.INVALID_ANSWER,
            'the server\'s answer is no object: "done"',
            id="a result that is a text",
        ),
        pytest.param(
            Body(b"7"),
            replies.INVALID_ANSWER,
            "the server's answer is not MCP: HTTP 200 without an answer",
            id="a number",
        ),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_error_of_its_request(body: Body, code: int, message: str):
    response, _ = await post(answers(200, body, Content_Type="application/json"))
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"].startswith(message)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'[{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","id":7,"result":{}}]', id="in a list"),
        pytest.param(b'{"jsonrpc":"2.0","id":"7","result":{}}', id="the id as text"),
        pytest.param(b'{"id":7,"result":{},"error":null}', id="with an error that is null"),
    ],
)
async def test_an_answer_that_is_written_oddly_is_understood(body: bytes):
    response, _ = await post(answers(200, body, Content_Type="application/json"))
    assert response.json() == {"jsonrpc": "2.0", "id": 7, "result": {}}


async def test_the_idempotency_key_goes_along_as_a_header():
    def echo(request: httpx2.Request) -> httpx2.Response:
        key = request.headers.get("idempotency-key")
        return httpx2.Response(200, headers=JSON, content=json.dumps({"id": 7, "result": {"key": key}}))

    token = exchange.idempotency_key.set("k1")
    try:
        assert (await post(echo))[0].json()["result"] == {"key": "k1"}
    finally:
        exchange.idempotency_key.reset(token)
    assert (await post(echo))[0].json()["result"] == {"key": None}


POOL = 100
"""Connections of the pool of one client."""

ANSWERS: dict[str, bytes] = {
    "an answer": reply(200, RESULT, Content_Type="application/json"),
    "an answer that is none": reply(200, b"<html>", Content_Type="application/json"),
    "an answer in a stream": reply(200, b"event: message\ndata: " + RESULT + b"\n\n", Content_Type="text/event-stream"),
    "an answer of another type": reply(200, b"hi", Content_Type="text/plain"),
    "an answer over the limit": reply(200, b"x" * 5000, Content_Type="application/json"),
    "a refusal": reply(500, b"no", Content_Type="text/plain"),
    "nothing": reply(202, b"", Content_Type="text/plain"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_call_gives_its_connection_back(answer: bytes):
    async with an_endpoint(answer) as server:
        client = http.http_client(
            {}, message_bytes=1000, answers_in_body=True, on_failure=lambda _: None, on_end=lambda _: None
        )
        async with client, asyncio.timeout(30):
            for _ in range(POOL + 1):
                async with client.stream("POST", f"http://127.0.0.1:{server.port}/mcp", content=CALL) as response:
                    with contextlib.suppress(Exception):
                        await response.aread()

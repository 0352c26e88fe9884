"""HTTP endpoints as tools: what is sent, what the model reads, and what never leaks."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from kubechain.net.addresses import AddressPolicy
from kubechain.tools.external_api import MAX_REDIRECTS, ApiRequest, ExternalAPIClient
from kubechain.tools.http import HttpExchanger
from kubechain.tools.model import AddressRefused, InvalidArguments, InvalidTool, NotExecuted, Output, Uncertain
from kubechain_apiserver.http.certificates import ensure
from test.tools.endpoint import HANG, Received, an_endpoint, reply

LOOPBACK = AddressPolicy.parse(["127.0.0.0/8"])
CANARY = 'canary-7f3a9c/+="quoted" é'[:-2]


def _basic(secret: str) -> str:
    return b64encode(f"me:{secret}".encode()).decode()


async def called(
    request: ApiRequest, arguments: Mapping[str, Any] | None = None, *, timeout_seconds: float = 10
) -> Output:
    return await ExternalAPIClient(LOOPBACK).call(request, arguments or {}, timeout_seconds=timeout_seconds)


async def sent(request: ApiRequest, arguments: Mapping[str, Any] | None = None) -> Received:
    """What reaches the endpoint for a request whose URL is only a path."""
    async with an_endpoint(reply(200, b"{}", Content_Type="application/json")) as endpoint:
        await called(ApiRequest(**_fields(request, url=endpoint.url + request.url)), arguments)
        return endpoint.received[0]


def _fields(request: ApiRequest, **changes: Any) -> dict[str, Any]:
    return {name: getattr(request, name) for name in ApiRequest.__dataclass_fields__} | changes


async def test_a_get_fills_its_url_and_puts_the_other_arguments_into_the_query() -> None:
    request = ApiRequest("/v1/{city}/now?units={units}&lang={lang}&fixed=1", method="GET")
    received = await sent(request, {"city": "São Paulo/x?", "units": "a&b=c", "days": 3, "tags": ["x", "y"]})
    assert received.method == "GET"
    assert received.target == "/v1/S%C3%A3o%20Paulo%2Fx%3F/now?units=a%26b%3Dc&fixed=1&days=3&tags=x&tags=y"
    assert received.body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_method_with_a_body_sends_what_the_url_does_not_name_as_json(method: str) -> None:
    received = await sent(ApiRequest("/users/{id}", method=method), {"id": 7, "name": "Zoë", "tags": [1, None]})
    assert (received.method, received.target) == (method, "/users/7")
    assert json.loads(received.body) == {"name": "Zoë", "tags": [1, None]}
    assert received.headers["content-type"] == "application/json"


async def test_a_body_template_takes_arguments_with_their_types() -> None:
    body = {
        "query": "{q}",
        "limit": "{n}",
        "text": "about {q}, {n} times",
        "gone": "{missing}",
        "list": ["{n}", "{no}"],
    }
    received = await sent(ApiRequest("/search", body=body), {"q": 'a"b', "n": 3})
    assert json.loads(received.body) == {"query": 'a"b', "limit": 3, "text": 'about a"b, 3 times', "list": [3]}


async def test_credentials_headers_and_the_idempotency_key_are_sent() -> None:
    request = ApiRequest(
        "/", headers={"X-Team": "a", "accept": "text/csv"}, credentials=SecretStr("tok\n"), idempotency_key="k1"
    )
    headers = (await sent(request)).headers
    assert headers["authorization"] == "Bearer tok"
    assert headers["idempotency-key"] == "k1"
    assert (headers["x-team"], headers["accept"]) == ("a", "text/csv")
    named = await sent(ApiRequest("/", credentials=SecretStr("tok"), credentials_header="X-Api-Key"))
    assert named.headers["x-api-key"] == "tok"
    assert "authorization" not in named.headers


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        pytest.param("/a/{x}/b", {"x": ".."}, id="the parent"),
        pytest.param("/a/{x}/b", {"x": "."}, id="the same directory"),
        pytest.param("/a/{x}/b", {"x": "../../admin"}, id="a way up"),
        pytest.param("/a/{x}/b", {"x": "ok\\..\\admin"}, id="a way up, with backslashes"),
        pytest.param("/a/{x}{y}/b", {"x": ".", "y": "."}, id="the parent, in two parts"),
        pytest.param("/a/.{x}/b", {"x": "."}, id="the parent, half of it the author's"),
        pytest.param("/a/{x}/b", {"x": ""}, id="nothing"),
        pytest.param("/a/{x}/b", {"x": None}, id="null"),
        pytest.param("/a/{x}/b", {}, id="missing"),
        pytest.param("/a/{x}/b", {"x": "a\r\nHost: evil"}, id="a line break"),
        pytest.param("/a/{x}/b", {"x": "a" * 9000}, id="a very long value"),
    ],
)
async def test_an_argument_cannot_leave_its_path_segment(url: str, arguments: Mapping[str, Any]) -> None:
    async with an_endpoint(reply()) as endpoint:
        with pytest.raises(InvalidArguments, match="arguments: "):
            await called(ApiRequest(endpoint.url + url, method="GET"), arguments)
        assert endpoint.received == []


@pytest.mark.parametrize(
    "url",
    [
        "http://{host}/x",
        "http://a.example.com:{port}/",
        "http://user:pass@a.example.com/",
        "http://a.example.com\\@b.example.com/",
        "ftp://a.example.com/",
        "file:///etc/passwd",
        "//a.example.com/",
        "http:///x",
        "http://a.example.com/x y",
        "http://a.example.com/x\r\ny",
        "http://a.example.com/{not a name}",
        "http://a.example.com:99999/",
        "http://%31%32%37.0.0.1/",
        "",
    ],
)
async def test_a_url_that_is_no_honest_template_is_refused_before_it_is_called(url: str) -> None:
    with pytest.raises(InvalidTool):
        ExternalAPIClient().check(ApiRequest(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://127。0。0。1/",
        "http://2130706433/",
        "http://metadata.google.internal/",
        "https://kubernetes.default.svc/api",
    ],
)
async def test_an_internal_address_is_refused_at_validation_and_at_the_call(url: str) -> None:
    client = ExternalAPIClient()
    with pytest.raises(AddressRefused):
        client.check(ApiRequest(url))
    with pytest.raises(AddressRefused):
        await client.call(ApiRequest(url), {}, timeout_seconds=5)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "b\r\nX-Injected: 1"},
        {"X-A": SecretStr(f"{CANARY}\nX-Injected: 1")},
        {"X-A\r\nX-Injected": "1"},
        {"X-A": "\x00"},
        {"Host": "metadata.google.internal"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"X-A": "☃"},
        {"": "x"},
    ],
)
async def test_a_header_that_would_break_the_message_is_refused_without_its_value(headers: dict[str, Any]) -> None:
    async with an_endpoint(reply()) as endpoint:
        with pytest.raises(InvalidTool) as caught:
            await called(ApiRequest(endpoint.url, headers=headers))
        assert endpoint.received == []
        assert CANARY not in str(caught.value)


async def test_a_credential_with_a_line_break_inside_is_refused() -> None:
    request = ApiRequest("http://93.184.215.14/", credentials=SecretStr("a\r\nX-Injected: 1"))
    with pytest.raises(InvalidTool, match="Authorization"):
        await called(request)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(reply(200, b'{"a":1}', Content_Type="application/json"), Output('{"a":1}'), id="JSON"),
        pytest.param(reply(200, b"hi"), Output("hi"), id="text without a type"),
        pytest.param(
            reply(200, b"a\x00b"), Output("[binary content: unknown type, 3 bytes]"), id="bytes without a type"
        ),
        pytest.param(
            reply(200, "é".encode("latin-1"), Content_Type="text/plain; charset=ISO-8859-1"), Output("é"), id="charset"
        ),
        pytest.param(
            reply(200, b"x", Content_Type="text/plain; charset=zip"), Output("x"), id="a codec that is no charset"
        ),
        pytest.param(
            reply(200, b"\x89PNG", Content_Type="image/png"), Output("[binary content: image/png, 4 bytes]"), id="image"
        ),
        pytest.param(reply(204), Output("[HTTP 204 No Content, no content]"), id="nothing"),
        pytest.param(
            reply(404, b"no such city", Content_Type="text/plain"),
            Output("HTTP 404 Not Found\nno such city", is_error=True),
            id="404",
        ),
        pytest.param(reply(500), Output("HTTP 500 Internal Server Error", is_error=True), id="500 without a body"),
        pytest.param(reply(799, b"odd"), Output("HTTP 799\nodd", is_error=True), id="a status that nobody knows"),
        pytest.param(reply(304), Output("HTTP 304 Not Modified", is_error=True), id="304"),
        pytest.param(
            reply(200, gzip.compress(b"packed"), Content_Type="text/plain", Content_Encoding="gzip"),
            Output("packed"),
            id="compressed although we did not ask",
        ),
        pytest.param(
            reply(200, b"xx", Content_Type="text/plain", Content_Encoding="br"),
            Output("[binary content: text/plain, 2 bytes]"),
            id="compressed in a way that we do not read",
        ),
    ],
)
async def test_the_model_reads(answer: bytes, expected: Output) -> None:
    async with an_endpoint(answer) as endpoint:
        assert await called(ApiRequest(endpoint.url)) == expected


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(200, b"x" * 100_000, Content_Type="text/plain"), id="plain"),
        pytest.param(
            reply(200, gzip.compress(b"x" * 50_000_000), Content_Type="text/plain", Content_Encoding="gzip"),
            id="a compression bomb",
        ),
    ],
)
async def test_a_long_answer_is_cut_and_the_model_is_told(answer: bytes) -> None:
    async with an_endpoint(answer) as endpoint:
        output = await called(ApiRequest(endpoint.url, max_response_bytes=1000))
    assert output.content == "x" * 1000 + "\n[cut off: the answer is longer than 1000 bytes]"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", id="half a body"),
        pytest.param(b"HTTP/1.1 200", id="half a status line"),
        pytest.param(b"garbage\r\n\r\n", id="garbage"),
        pytest.param(
            reply(200, b"not gzip", Content_Type="text/plain", Content_Encoding="gzip"), id="broken compression"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", id="a header without an end"),
    ],
)
async def test_a_broken_answer_to_a_request_that_was_sent_is_uncertain(answer: bytes) -> None:
    async with an_endpoint(answer) as endpoint:
        with pytest.raises(Uncertain, match="connection lost"):
            await called(ApiRequest(endpoint.url))
        assert len(endpoint.received) == 1, "never a second try"


async def test_no_answer_in_time_is_uncertain() -> None:
    async with an_endpoint(HANG) as endpoint:
        with pytest.raises(Uncertain, match="timed out"):
            await called(ApiRequest(endpoint.url), timeout_seconds=1.0)


async def test_a_refused_connection_was_certainly_not_a_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotExecuted, match="unreachable"):
        await called(ApiRequest(f"http://127.0.0.1:{port}"))


async def test_a_name_that_takes_too_long_to_resolve_was_certainly_not_a_call() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    client = ExternalAPIClient(exchanger=HttpExchanger(LOOPBACK, lookup=lookup))
    with pytest.raises(NotExecuted, match="no connection in time"):
        await client.call(ApiRequest("http://a.example.com/"), {}, timeout_seconds=0.05)


async def test_the_address_that_was_checked_is_connected_to_and_the_name_stays_in_the_request() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.9", "127.0.0.1"]  # nothing listens on the first

    client = ExternalAPIClient(exchanger=HttpExchanger(LOOPBACK, lookup=lookup))
    async with an_endpoint(reply(200, b"hi")) as endpoint:
        url = f"http://api.example.com:{endpoint.port}/"
        assert await client.call(ApiRequest(url), {}, timeout_seconds=5) == Output("hi")
        assert endpoint.received[0].headers["host"] == f"api.example.com:{endpoint.port}"


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [
        pytest.param("localhost", True, id="a name that is in the certificate"),
        pytest.param("api.example.com", False, id="a name that is not, although its address is"),
    ],
)
async def test_the_certificate_must_be_for_the_name_and_not_for_the_address(
    tmp_path: Path, host: str, is_trusted: bool
) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    certificates = ensure(tmp_path, now=datetime.now(UTC))
    policy = AddressPolicy.parse(["127.0.0.1", "localhost"])
    trusted = ssl.create_default_context(cafile=certificates.authority)
    client = ExternalAPIClient(exchanger=HttpExchanger(policy, lookup=lookup, tls=trusted))
    async with an_endpoint(reply(200, b"hi"), tls=certificates.context()) as endpoint:
        request = ApiRequest(f"https://{host}:{endpoint.port}/")
        if is_trusted:
            assert await client.call(request, {}, timeout_seconds=5) == Output("hi")
        else:
            with pytest.raises(NotExecuted, match="its TLS certificate is for another name"):
                await client.call(request, {}, timeout_seconds=5)
            assert endpoint.received == []


async def test_a_name_that_resolves_inside_is_not_called() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    client = ExternalAPIClient(exchanger=HttpExchanger(AddressPolicy(), lookup=lookup))
    async with an_endpoint(reply(200, b"secret")) as endpoint:
        with pytest.raises(AddressRefused):
            await client.call(ApiRequest(f"http://rebind.example.com:{endpoint.port}/"), {}, timeout_seconds=5)
        assert endpoint.received == []


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with an_endpoint(reply(200, b"direct")) as endpoint:
        assert await called(ApiRequest(endpoint.url)) == Output("direct")


class TestRedirects:
    @pytest.mark.parametrize(
        ("method", "status", "expected"),
        [
            ("GET", 302, "GET"),
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("POST", 303, "GET"),
            ("PUT", 303, "GET"),
            ("PUT", 302, "PUT"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
        ],
    )
    async def test_the_method_changes_as_browsers_change_it(self, method: str, status: int, expected: str) -> None:
        def answer(request: Received) -> bytes:
            return reply(status, Location="/end?x=1#f") if request.target == "/" else reply(200, b"end")

        async with an_endpoint(answer) as endpoint:
            assert await called(ApiRequest(endpoint.url + "/", method=method, credentials=SecretStr("tok"))) == Output(
                "end"
            )
            _, last = endpoint.received
            assert (last.method, last.target, last.headers["authorization"]) == (expected, "/end?x=1", "Bearer tok")
            assert ("content-length" in last.headers) == (expected != "GET")

    async def test_credentials_stay_at_their_origin(self) -> None:
        async with an_endpoint(reply(200, b"elsewhere")) as other:
            async with an_endpoint(reply(307, Location=f"{other.url}/x")) as endpoint:
                request = ApiRequest(
                    endpoint.url,
                    credentials=SecretStr(CANARY),
                    headers={"X-Secret": SecretStr(CANARY), "X-Api-Key": CANARY, "X-Plain": "p"},
                )
                assert (await called(request)).content == "elsewhere"
            assert CANARY not in str(other.received[0])
            assert other.received[0].headers["x-plain"] == "p"

    @pytest.mark.parametrize(
        "location",
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]:6443/",
            "http://2852039166/",
            "http://metadata.google.internal/",
            "http://10.0.0.1/",
            "//10.0.0.1/",
        ],
    )
    async def test_a_redirect_to_an_internal_address_is_not_followed(self, location: str) -> None:
        async with an_endpoint(reply(302, Location=location)) as endpoint:
            output = await called(ApiRequest(endpoint.url))
        assert output.is_error
        assert output.content.startswith("HTTP 302: the redirect was not followed: address refused")

    @pytest.mark.parametrize(
        "location", ["file:///etc/passwd", "gopher://x.com/", "javascript:alert(1)", "http://x.com:99999/"]
    )
    async def test_a_redirect_to_something_else_is_the_answer(self, location: str) -> None:
        async with an_endpoint(reply(302, Location=location)) as endpoint:
            assert (await called(ApiRequest(endpoint.url))).content == "HTTP 302 Found"

    async def test_a_redirect_from_https_to_http_is_not_followed(self, tmp_path: Path) -> None:
        certificates = ensure(tmp_path, now=datetime.now(UTC))
        trusted = ssl.create_default_context(cafile=certificates.authority)
        client = ExternalAPIClient(exchanger=HttpExchanger(LOOPBACK, tls=trusted))
        async with (
            an_endpoint(reply(200, b"in clear")) as plain,
            an_endpoint(reply(307, Location=f"{plain.url}/x"), tls=certificates.context()) as endpoint,
        ):
            request = ApiRequest(f"https://127.0.0.1:{endpoint.port}/", credentials=SecretStr(CANARY))
            output = await client.call(request, {}, timeout_seconds=5)
            assert len(endpoint.received) == 1
            assert plain.received == []
        assert output == Output("HTTP 307: the redirect was not followed: it leads from https to http", is_error=True)

    @pytest.mark.parametrize(
        ("status", "keeps_key"), [(303, False), (302, False), (301, False), (307, True), (308, True)]
    )
    async def test_the_idempotency_key_goes_along_only_with_the_same_request(
        self, status: int, keeps_key: bool
    ) -> None:
        def answer(request: Received) -> bytes:
            return reply(status, Location="/end") if request.target == "/" else reply(200, b"end")

        async with an_endpoint(answer) as endpoint:
            await called(ApiRequest(endpoint.url + "/", idempotency_key="key-1", idempotency_header="X-Once"))
            first, last = endpoint.received
        assert first.headers["x-once"] == "key-1"
        assert last.headers.get("x-once") == ("key-1" if keeps_key else None)

    async def test_a_circle_ends(self) -> None:
        async with an_endpoint(reply(302, Location="/")) as endpoint:
            output = await called(ApiRequest(endpoint.url))
            assert len(endpoint.received) == MAX_REDIRECTS + 1
        assert output == Output("HTTP 302: the redirect was not followed: too many redirects", is_error=True)

    async def test_a_redirect_that_gets_no_answer_is_uncertain(self) -> None:
        def answer(request: Received) -> bytes:
            return reply(307, Location="/end") if request.target == "/" else b"x"

        async with an_endpoint(answer) as endpoint:
            with pytest.raises(Uncertain):
                await called(ApiRequest(endpoint.url + "/"))


class TestNoSecretLeaks:
    async def test_an_endpoint_that_repeats_the_credential_does_not_give_it_to_the_model(self) -> None:
        def answer(request: Received) -> bytes:
            return reply(500, json.dumps(request.headers).encode() + CANARY.encode(), Content_Type="application/json")

        async with an_endpoint(answer) as endpoint:
            output = await called(
                ApiRequest(endpoint.url, credentials=SecretStr(CANARY), headers={"X-B": SecretStr("other-canary")})
            )
        assert "canary" not in output.content
        assert output.content.count("[redacted]") == 3

    @pytest.mark.parametrize("secret", ["a b&c=d/e?f+g%h", 'pa"ss\\word', CANARY], ids=["URL", "JSON", "canary"])
    @pytest.mark.parametrize("write", [quote, quote_plus, json.dumps, _basic])
    async def test_an_encoded_secret_is_not_given_to_the_model(self, secret: str, write: Callable[[str], str]) -> None:
        async with an_endpoint(reply(200, f"you sent {write(secret)}".encode(), Content_Type="text/plain")) as endpoint:
            credentials = SecretStr(secret + "\n")
            output = await called(ApiRequest(endpoint.url, credentials=credentials, credentials_header="X-Key"))
        assert output.content.startswith("you sent ")
        assert "[redacted]" in output.content
        assert write(secret) not in output.content

    async def test_neither_errors_nor_reprs_nor_logs_have_it(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        request = ApiRequest("http://127.0.0.1:1/{x}", credentials=SecretStr(CANARY), headers={"X-B": CANARY})
        told = [repr(request)]
        async with an_endpoint(b"x") as endpoint:
            for url in (endpoint.url, "http://10.0.0.1/", "http://127.0.0.1:1/"):
                try:
                    await called(ApiRequest(**_fields(request, url=url)))
                except (NotExecuted, Uncertain) as error:
                    told += [str(error), repr(error), repr(error.__cause__)]
        assert len(told) == 10
        assert "canary" not in caplog.text + "".join(told)

"""The exchange over real sockets, with TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubechain.runtime import credentials
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.credentials import Cluster, StaticToken, client_context
from kubechain.runtime.errors import TransportError
from kubechain.runtime.http import HttpExchange
from kubechain.runtime.kubeconfig import load

REAL_TIME = True


def make_certificate(folder: Path, *, host: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


async def echo(request: web.Request) -> web.Response:
    headers = {name: request.headers.get(name, "") for name in ("Authorization", "User-Agent", "Accept-Encoding")}
    body = (await request.read()).decode()
    return web.json_response(
        {"method": request.method, "target": request.raw_path, "body": body, **headers}, headers={"X-Answer": "yes"}
    )


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def lines(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for chunk in (b'{"a":1}\n{"b"', b":2}\n", b"\n" + b"x" * 300_000, b"y\n"):
        await response.write(chunk)
        await asyncio.sleep(0.01)
    if "hang" in request.query:
        await asyncio.sleep(30)
    if "break" in request.query:
        assert request.transport is not None
        request.transport.abort()
    return response


async def refused(request: web.Request) -> web.Response:
    return web.Response(status=410, body=b"gone")


class Gate:
    """Holds requests until it is opened, and counts them."""

    def __init__(self, *, expected: int) -> None:
        self.expected = expected
        self.waiting = self.most = self.passed = 0
        self.full, self.open = asyncio.Event(), asyncio.Event()

    async def pass_through(self, request: web.Request) -> web.Response:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.waiting == self.expected:
            self.full.set()
        await self.open.wait()
        self.waiting -= 1
        self.passed += 1
        return web.Response()


@asynccontextmanager
async def exchange(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    server_name: str | None = None,
    gate: Gate | None = None,
    in_flight: int = 9,
) -> AsyncGenerator[HttpExchange]:
    certificate, key = make_certificate(folder, host=host)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_route("GET", "/slow", slow)
    if gate is not None:
        app.router.add_route("GET", "/gate", gate.pass_through)
    app.router.add_route("GET", "/lines", lines)
    app.router.add_route("GET", "/refused", refused)
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_side)
    await site.start()
    port = runner.addresses[0][1]
    cluster = Cluster(
        url=f"https://127.0.0.1:{port}", ssl=client_context(ca_file=certificate), tokens=StaticToken("t0ken"),
        tls_server_name=server_name,
    )  # fmt: skip
    made = HttpExchange(cluster, user_agent="kubechain/test", in_flight=in_flight)
    try:
        yield made
    finally:
        await made.aclose()
        await runner.cleanup()


async def test_a_request_arrives_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    target = "/apis/a%2Fb?labelSelector=a%3Db%2Cc&x=%C3%BC"
    async with exchange(tmp_path) as http:
        reply = await http.send("PUT", target, headers={"content-type": "x"}, body=b"{}", timeout_seconds=5)
    assert (reply.status, reply.headers["x-answer"]) == (200, "yes")
    for expected in (b'"PUT"', target.encode(), b"Bearer t0ken", b"kubechain/test", b'"identity"', b'"body": "{}"'):
        assert expected in reply.body


async def test_a_server_that_does_not_answer_is_a_lost_reply(tmp_path: Path) -> None:
    async with exchange(tmp_path) as http:
        with pytest.raises(TransportError, match="GET /slow: timed out"):
            await http.send("GET", "/slow?token=x", headers={}, body=None, timeout_seconds=0.05)


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    async with exchange(tmp_path, host="elsewhere.example") as http:
        with pytest.raises(TransportError, match=r"(?i)certificate"):
            await http.send("GET", "/", headers={}, body=None, timeout_seconds=5)


async def test_the_name_to_expect_in_the_certificate_can_be_given(tmp_path: Path) -> None:
    async with exchange(tmp_path, host="elsewhere.example", server_name="elsewhere.example") as http:
        reply = await http.send("GET", "/", headers={}, body=None, timeout_seconds=5)
    assert reply.status == 200


async def read(http: HttpExchange, target: str, *, idle_seconds: float = 5) -> list[bytes]:
    got: list[bytes] = []
    async with http.stream(target, headers={}, connect_timeout_seconds=5, idle_timeout_seconds=idle_seconds) as stream:
        assert stream.status == 200
        try:
            async for line in stream.lines:
                got.append(line)
        except TransportError:
            got.append(b"BROKEN")
    return got


LONG = b"x" * 300_000 + b"y"


async def test_a_stream_yields_whole_lines_of_any_length(tmp_path: Path) -> None:
    async with exchange(tmp_path) as http:
        assert await read(http, "/lines") == [b'{"a":1}', b'{"b":2}', LONG]


async def test_silence_and_a_broken_connection_end_a_stream_with_an_error(tmp_path: Path) -> None:
    async with exchange(tmp_path) as http:
        assert await read(http, "/lines?hang", idle_seconds=0.2) == [b'{"a":1}', b'{"b":2}', LONG, b"BROKEN"]
        assert (await read(http, "/lines?break"))[-1] == b"BROKEN"


async def test_a_refused_stream_can_be_read(tmp_path: Path) -> None:
    async with (
        exchange(tmp_path) as http,
        http.stream("/refused", headers={}, connect_timeout_seconds=5, idle_timeout_seconds=5) as stream,
    ):
        assert (stream.status, await stream.read()) == (410, b"gone")


async def test_requests_are_bounded_in_flight_and_open_watches_are_none_of_them(tmp_path: Path) -> None:
    gate = Gate(expected=3)
    async with exchange(tmp_path, gate=gate, in_flight=3) as http, AsyncExitStack() as watches:
        for _ in range(5):
            opened = http.stream("/lines?hang", headers={}, connect_timeout_seconds=5, idle_timeout_seconds=5)
            stream = await watches.enter_async_context(opened)
            assert stream.status == 200
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(http.send("GET", "/gate", headers={}, body=None, timeout_seconds=10))
            await gate.full.wait()
            await asyncio.sleep(0.05)  # a fourth would come within this
            gate.open.set()
    assert (gate.most, gate.passed) == (3, 10)


async def test_a_request_that_waits_for_its_turn_gives_up_in_time_and_takes_no_turn(tmp_path: Path) -> None:
    gate = Gate(expected=1)
    async with exchange(tmp_path, gate=gate, in_flight=1) as http, asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(http.send("GET", "/gate", headers={}, body=None, timeout_seconds=10))
        await gate.full.wait()
        with pytest.raises(TransportError, match="timed out"):
            await http.send("GET", "/gate", headers={}, body=None, timeout_seconds=0.05)
        gate.open.set()
    assert gate.passed == 1


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    http = HttpExchange(Cluster(url="http://127.0.0.1:1", ssl=None), user_agent="test")
    with pytest.raises(TransportError, match="GET /x: connection refused") as caught:
        await http.send("GET", "/x?token=secret", headers={}, body=None, timeout_seconds=5)
    assert caught.value.reason == "connection refused"
    await http.aclose()


async def test_a_connection_that_the_server_closes_is_told_in_plain_words(tmp_path: Path) -> None:
    async with (
        exchange(tmp_path) as http,
        http.stream("/lines?break", headers={}, connect_timeout_seconds=5, idle_timeout_seconds=5) as stream,
    ):
        with pytest.raises(TransportError, match="WATCH /lines: the server closed the connection"):
            [line async for line in stream.lines]


class Doors:
    """A server that accepts one token at a time."""

    def __init__(self) -> None:
        self.token = "first"
        self.refused = 0

    async def answer(self, request: web.Request) -> web.Response:
        is_welcome = request.headers.get("Authorization") == f"Bearer {self.token}"
        self.refused += not is_welcome
        return web.Response(status=200 if is_welcome else 401)


@asynccontextmanager
async def guarded(kubeconfig: Path, doors: Doors) -> AsyncGenerator[HttpExchange]:
    """An exchange as a kubeconfig says, with a server that is particular about tokens."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", doors.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    write_kubeconfig(kubeconfig, runner.addresses[0][1], "first")
    made = HttpExchange(load(clock=SystemClock(), path=str(kubeconfig)), user_agent="test")
    try:
        yield made
    finally:
        await made.aclose()
        await runner.cleanup()


def write_kubeconfig(path: Path, port: int, token: str) -> None:
    """Write a kubeconfig whose context is for a user with this token; another context comes first."""
    document = {
        "current-context": "me",
        "contexts": [
            {"name": "other", "context": {"cluster": "it", "user": "other"}},
            {"name": "me", "context": {"cluster": "it", "user": "me"}},
        ],
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "other", "user": {"token": "not-mine"}}, {"name": "me", "user": {"token": token}}],
    }
    path.write_text(json.dumps(document))


async def test_a_token_that_changed_in_the_kubeconfig_is_read_when_the_old_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "REFUSED_REREAD_SECONDS", 0.0)
    doors, path = Doors(), tmp_path / "config"
    async with guarded(path, doors) as http:

        async def ask() -> int:
            return (await http.send("POST", "/", headers={}, body=b"{}", timeout_seconds=5)).status

        assert await ask() == 200
        doors.token = "second"
        assert await ask() == 401  # the file still has the first
        write_kubeconfig(path, 1, "second")
        assert [await ask() for _ in range(3)] == [200, 200, 200]
        assert doors.refused == 2
        path.write_text("{")  # somebody is writing it
        doors.token = "third"
        assert await ask() == 401


async def test_a_watch_goes_on_with_the_new_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "REFUSED_REREAD_SECONDS", 0.0)
    doors, path = Doors(), tmp_path / "config"
    async with guarded(path, doors) as http:
        write_kubeconfig(path, 1, "second")
        doors.token = "second"
        statuses: list[int] = []
        for _ in range(2):
            async with http.stream("/", headers={}, connect_timeout_seconds=5, idle_timeout_seconds=5) as stream:
                statuses.append(stream.status)
    assert statuses == [401, 200]

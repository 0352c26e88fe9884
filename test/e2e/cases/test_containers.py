"""What containers and nodes do, kind by kind: the page's words are the ids."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubechain.llm.exchange import HttpCall
from kubechain.llm.pool import HttpPool
from kubechain.mcp.http import http_client
from kubechain.net.addresses import AddressPolicy
from kubechain.runtime.credentials import Cluster, client_context
from kubechain.runtime.http import HttpExchange
from kubechain.tools.external_api import ApiRequest, ExternalAPIClient
from kubechain.tools.http import HttpExchanger
from test.e2e.cases.rows import CONTAINERS, case, missing
from test.net.certificates import AUTHORITIES, signed
from test.tools.endpoint import an_endpoint, reply

ELSEWHERE: dict[str, str] = {}
"""Why a kind has no test here, by kind."""


@pytest.mark.xfail(reason="kinds of the page are still without a test", strict=True)
def test_each_kind_of_the_page_has_a_test() -> None:
    assert not missing(CONTAINERS, __name__, ELSEWHERE)


async def ask_api_server(url: str, ca: Path) -> str:
    exchange = HttpExchange(Cluster(url=url, ssl=client_context(ca_file=ca)), user_agent="test")
    try:
        return (await exchange.send("GET", "/", headers={}, body=None, timeout_seconds=5)).body.decode()
    finally:
        await exchange.aclose()


async def ask_llm(url: str, _: Path) -> str:
    pool = HttpPool(now=lambda: datetime.now(UTC))
    try:
        return (await pool.send(HttpCall("GET", f"{url}/", {}), timeout_seconds=5)).body.decode()
    finally:
        await pool.aclose()


async def ask_mcp_server(url: str, _: Path) -> str:
    async with http_client(
        {}, message_bytes=1000, answers_in_body=True, on_failure=lambda _: None, on_end=lambda _: None
    ) as client:
        return (await client.get(url)).text


async def ask_http_tool(url: str, _: Path) -> str:
    exchanger = HttpExchanger(AddressPolicy.parse(["127.0.0.1"]))
    return (await ExternalAPIClient(exchanger=exchanger).call(ApiRequest(url), {}, timeout_seconds=5)).content


@case(
    "CAs that Python 3.13 refuses",
    {"API server": ask_api_server, "LLM": ask_llm, "MCP server": ask_mcp_server, "HTTP tool": ask_http_tool},
)
async def test_a_ca_that_somebody_gave_is_trusted(
    given: Callable[[str, Path], Awaitable[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = ssl.create_default_context

    def as_python_3_13_makes_it(*args: object, **settings: object) -> ssl.SSLContext:
        context = make(*args, **settings)  # pyright: ignore[reportArgumentType]
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", as_python_3_13_makes_it)
    for authority in AUTHORITIES:
        made = signed(tmp_path, authority)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        async with an_endpoint(reply(200, b"hi"), tls=made.server_side()) as endpoint:
            assert await given(f"https://127.0.0.1:{endpoint.port}", made.authority) == "hi"

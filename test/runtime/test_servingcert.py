"""The certificate of the metrics server, as a TLS client sees it."""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from kubechain.runtime import servingcert
from kubechain.runtime.health import HttpServer

REAL_TIME = True


async def page(query: object) -> tuple[int, str, str]:
    del query
    return 200, "text/plain", "here"


async def admit(path: str, authorization: str) -> HTTPStatus:
    return HTTPStatus.OK if (path, authorization) == ("/metrics", "Bearer good") else HTTPStatus.UNAUTHORIZED


def make(folder: Path) -> bytes:
    """Make a certificate in a folder, and return it as a client gets it."""
    servingcert._make(folder)  # pyright: ignore[reportPrivateUsage]
    return ssl.PEM_cert_to_DER_cert((folder / servingcert.CERTIFICATE).read_text())


async def test_without_a_folder_a_certificate_is_made_and_who_asks_is_judged() -> None:
    server = HttpServer("127.0.0.1:0", {"/metrics": page}, tls=servingcert.context(None), admit=admit)
    await server.start()
    url = f"https://127.0.0.1:{server.port}/metrics"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(url, ssl=False, headers={"Authorization": "Bearer good"}) as reply:
                assert (reply.status, await reply.text()) == (200, "here")
            async with session.get(url, ssl=False) as reply:
                assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
            with pytest.raises(aiohttp.ClientError):
                await session.get(url.replace("https", "http"))
    finally:
        await server.stop()


async def test_a_certificate_that_is_renewed_is_shown_from_the_next_connection_on(tmp_path: Path) -> None:
    first = make(tmp_path)
    server = HttpServer("127.0.0.1:0", {"/metrics": page}, tls=servingcert.context(str(tmp_path)), admit=admit)
    await server.start()

    async def shown() -> bytes:
        return await asyncio.to_thread(
            lambda: ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))
        )

    try:
        assert await shown() == first
        second = make(tmp_path)
        assert await shown() == second
        (tmp_path / servingcert.CERTIFICATE).write_text("half")
        assert await shown() == second
    finally:
        await server.stop()


def test_a_folder_without_a_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(servingcert.BadCertificate, match=str(tmp_path)):
        servingcert.context(str(tmp_path))

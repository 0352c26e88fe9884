"""A mock provider on loopback, and a client that talks to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from aiohttp import web

from bench.mock_model import MockModel
from kubechain.llm.pool import HttpPool
from kubechain.llm.provider_client import ProviderClient


@dataclass(frozen=True, slots=True)
class Served:
    """A mock that is being served."""

    mock: MockModel
    base_url: str


@pytest.fixture
async def provider() -> AsyncGenerator[Served]:
    mock = MockModel(keep_bodies=True)
    runner = web.AppRunner(mock.app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Served(mock, f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncGenerator[ProviderClient]:
    async with ProviderClient(HttpPool(max_reply_bytes=200_000)) as client:
        yield client

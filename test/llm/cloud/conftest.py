"""The doubles, served, and a client that talks to them on a clock of the test."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from aiohttp import web

from kubechain.llm.identity import IDENTITY_HOSTS
from kubechain.llm.pool import HttpPool
from kubechain.llm.provider_client import ProviderClient
from test.llm.cloud.endpoints import Clouds


@pytest.fixture
async def clouds() -> AsyncGenerator[Clouds]:
    clouds = Clouds()
    runner = web.AppRunner(clouds.app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clouds.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield clouds
    await runner.cleanup()


@pytest.fixture
def environ() -> dict[str, str]:
    """What the administrator set; tests add to it before the first call."""
    return {IDENTITY_HOSTS: "gateway.test, 127.0.0.1"}


@pytest.fixture
async def client(environ: dict[str, str]) -> AsyncGenerator[ProviderClient]:
    async with ProviderClient(HttpPool(), environ=environ) as client:
        yield client

"""Runs the control loops on virtual time: backoffs of minutes take no time, and nothing sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from kubechain.controllers.setup import Clients
from kubechain.humans.model import ChannelKinds
from kubechain.llm.client import LLMClient
from test.controllers import world as worlds
from test.controllers.oneserver import Connect, OneServer
from test.runtime.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder, on the same loop that the runtime's tests use."""
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Gives the replicas of the test these connections."""
    plain = worlds.clients_for

    def connect(server: OneServer) -> None:
        def make(on_change: object) -> Any:
            del on_change
            return server

        def clients_for(model: LLMClient, channels: ChannelKinds | None = None) -> Clients:
            return replace(plain(model, channels), make_connections=make)

        monkeypatch.setattr(worlds, "clients_for", clients_for)

    return connect

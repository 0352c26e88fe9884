"""Runs the control loops on virtual time: backoffs of minutes take no time, and nothing sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from test.runtime.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder, on the same loop that the runtime's tests use."""
    return {"virtual": VirtualTimeLoop}

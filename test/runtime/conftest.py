"""Runs the tests of the runtime on virtual time, but for modules that say `REAL_TIME = True` (they use sockets)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from test.runtime.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop of a test by its module."""
    module = item.getparent(pytest.Module)
    if getattr(getattr(module, "obj", None), "REAL_TIME", False):
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualTimeLoop}

"""Runs the control loops on virtual time."""

from __future__ import annotations

from test.controllers.conftest import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]

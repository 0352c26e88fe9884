"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

from test.embedded.objects import Plane


@pytest.fixture
def plane() -> Plane:
    return Plane()

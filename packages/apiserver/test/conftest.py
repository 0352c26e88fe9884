"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

from packages.apiserver.test.objects import Plane


@pytest.fixture
def plane() -> Plane:
    return Plane()

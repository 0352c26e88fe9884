"""A control plane and a model for the session; each test starts, kills and measures managers of its own."""

from __future__ import annotations

import pytest

# The same control plane, namespaces and model as in the end-to-end tests, but without their manager.
from test.e2e.conftest import cluster, logs, make_namespace, model

__all__ = ["cluster", "logs", "make_namespace", "model"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "test/process" in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)

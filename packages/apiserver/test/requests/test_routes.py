"""Which resource, object and verb a URL means."""

from __future__ import annotations

import pytest

from kubechain_apiserver.requests import routes
from kubechain_apiserver.requests.routes import ResourcePath


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/namespaces", ResourcePath("", "v1", "namespaces")),
        ("/api/v1/namespaces/x", ResourcePath("", "v1", "namespaces", name="x")),
        ("/api/v1/namespaces/x/status", ResourcePath("", "v1", "namespaces", name="x", subresource="status")),
        ("/api/v1/namespaces/x/finalize", ResourcePath("", "v1", "namespaces", name="x", subresource="finalize")),
        ("/api/v1/namespaces/x/secrets", ResourcePath("", "v1", "secrets", "x")),
        ("/api/v1/namespaces/x/secrets/s", ResourcePath("", "v1", "secrets", "x", "s")),
        ("/api/v1/secrets", ResourcePath("", "v1", "secrets")),
        ("/apis/g.io/v1/tasks/", ResourcePath("g.io", "v1", "tasks")),
        ("/apis/g.io/v1/namespaces/x/tasks/t/status", ResourcePath("g.io", "v1", "tasks", "x", "t", "status")),
    ],
)
def test_paths_of_resources(path: str, expected: ResourcePath) -> None:
    assert routes.parse(path) == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis", "/api/v1", "/apis/g.io/v1", "/version", "/api/v1/a/b/c/d", "/api/v1//x"]
)
def test_other_paths(path: str) -> None:
    assert routes.parse(path) is None


@pytest.mark.parametrize(
    ("method", "name", "watch", "expected"),
    [
        ("GET", "", False, "list"),
        ("GET", "", True, "watch"),
        ("GET", "x", False, "get"),
        ("GET", "x", True, "get"),
        ("POST", "", False, "create"),
        ("PUT", "x", False, "update"),
        ("PATCH", "x", False, "patch"),
        ("DELETE", "x", False, "delete"),
        ("DELETE", "", False, "deletecollection"),
        ("PUT", "", False, None),
        ("OPTIONS", "", False, None),
    ],
)
def test_verbs(method: str, name: str, watch: bool, expected: str | None) -> None:
    assert routes.verb(method, ResourcePath("", "v1", "secrets", "x", name), watch=watch) == expected

"""Who is let in. The words of refusals are compared with kube-apiserver's by conformance."""

from __future__ import annotations

import pytest

from kubechain_apiserver.requests import authorization, routes
from kubechain_apiserver.wire.authn import ADMINISTRATOR, ANONYMOUS, User
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.http_types import HttpRequest

SERVICE_ACCOUNT = User("system:serviceaccount:ns:bot", ("system:authenticated",))


def ask(user: User, path: str, method: str = "GET", query: str = "") -> None:
    authorization.check(user, HttpRequest(method, path, query, {}, b""), routes.parse(path))


@pytest.mark.parametrize("user", [ADMINISTRATOR, SERVICE_ACCOUNT], ids=["the administrator", "a service account"])
def test_who_has_a_token_may_do_everything(user: User) -> None:
    ask(user, "/api/v1/namespaces/default/secrets/s", "DELETE")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version", "/version/"])
def test_anybody_may_ask_for_health_and_version(path: str) -> None:
    ask(ANONYMOUS, path)


REFUSED = {
    ("GET", "/"): 'forbidden: User "system:anonymous" cannot get path "/"',
    ("GET", "/livez/ping"): 'forbidden: User "system:anonymous" cannot get path "/livez/ping"',
    ("POST", "/healthz"): 'forbidden: User "system:anonymous" cannot post path "/healthz"',
    ("GET", "/api/v1/namespaces"): (
        'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" '
        "at the cluster scope"
    ),
    ("GET", "/api/v1/namespaces/n"): (
        'namespaces "n" is forbidden: User "system:anonymous" cannot get resource "namespaces" in API group "" '
        'in the namespace "n"'
    ),
    ("PATCH", "/apis/g.io/v1/namespaces/n/tasks/t/status"): (
        'tasks.g.io "t" is forbidden: User "system:anonymous" cannot patch resource "tasks/status" in API group "g.io" '
        'in the namespace "n"'
    ),
}


@pytest.mark.parametrize(("request_", "message"), REFUSED.items(), ids=[" ".join(key) for key in REFUSED])
def test_anybody_else_is_told_what_they_may_not_do(request_: tuple[str, str], message: str) -> None:
    method, path = request_
    with pytest.raises(StatusError) as refusal:
        ask(ANONYMOUS, path, method)
    assert (refusal.value.code, refusal.value.message) == (403, message)


def test_a_watch_is_called_so() -> None:
    with pytest.raises(StatusError, match='cannot watch resource "secrets"'):
        ask(ANONYMOUS, "/api/v1/secrets", query="watch=1")

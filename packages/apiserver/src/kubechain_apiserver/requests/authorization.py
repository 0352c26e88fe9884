"""Authorization: an authenticated user may do everything, others may read health and version."""

from __future__ import annotations

from typing import Final

from kubechain_apiserver.requests import routes
from kubechain_apiserver.requests.query import Query
from kubechain_apiserver.requests.routes import ResourcePath
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.authn import ANONYMOUS, User
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.http_types import HttpRequest

_PUBLIC: Final = routes.HEALTH_PATHS | {"/version"}
"""Paths that the role `system:public-info-viewer` allows to everybody."""


def check(user: User, request: HttpRequest, path: ResourcePath | None) -> None:
    """Refuse a request that the user may not make.

    Args:
        path: The resource of the URL; None if it is none.

    Raises:
        StatusError: The user may not do this (403).
    """
    if user is not ANONYMOUS or (request.method in {"GET", "HEAD"} and _name(request) in _PUBLIC):
        return
    raise _no_path(user, request) if path is None else _no_resource(user, request, path)


def _name(request: HttpRequest) -> str:
    return request.path.rstrip("/") or "/"


def _no_path(user: User, request: HttpRequest) -> StatusError:
    message = f'forbidden: User "{user.name}" cannot {request.method.lower()} path "{request.path}"'
    return StatusError(403, "Forbidden", message=message, details={})


def _no_resource(user: User, request: HttpRequest, path: ResourcePath) -> StatusError:
    verb = routes.verb(request.method, path, watch=Query(request.query).flag("watch")) or request.method.lower()
    plural = f"{path.plural}/{path.subresource}" if path.subresource else path.plural
    namespace = path.namespace or (path.name if path.plural == "namespaces" else "")
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {verb} resource "{plural}" in API group "{path.group}" {where}'
    return errors.forbidden(path.group, path.plural, path.name, why=why)

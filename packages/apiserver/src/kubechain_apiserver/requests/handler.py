"""The API server as one function from a request to a response.

Both the HTTP server and the in-process client call it. It routes requests and turns refusals into Status replies;
documents are in `documents`, verbs in `verbs`. Authentication is the caller's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import orjson

from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.kinds import reviews
from kubechain_apiserver.openapi import unstored, versions
from kubechain_apiserver.requests import authorization, bodies, routes
from kubechain_apiserver.requests.documents import Document, Documents
from kubechain_apiserver.requests.query import Query
from kubechain_apiserver.requests.routes import HEALTH_PATHS, ResourcePath
from kubechain_apiserver.requests.verbs import ResourceRequest, Verbs, reply
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.authn import ADMINISTRATOR, Tokens, User
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.http_types import JSON, HttpRequest, HttpResponse
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

_ROOT_PATHS: Final = ("/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version")
_log = logging.getLogger(__name__)

_TOO_DEEP_TO_ENCODE = "Recursion limit reached"
"""Message of orjson's TypeError for values with more than 254 levels."""


class ApiServer:
    """Answers requests from an engine.

    Args:
        tokens: Issues the tokens of TokenRequests.
        now: Seconds since the epoch.
        draw: A random number from 0 to 1, which spreads the ends of watches; None uses the machine's.
    """

    def __init__(
        self, engine: Engine, *, tokens: Tokens, now: Callable[[], float], draw: Callable[[], float] | None = None
    ) -> None:
        self._engine = engine
        self._tokens = tokens
        self._now = now
        self._documents = Documents(engine.registry)
        self._verbs = Verbs(engine, now=now, draw=draw) if draw else Verbs(engine, now=now)

    async def handle(self, request: HttpRequest, user: User = ADMINISTRATOR) -> HttpResponse:
        """Answer a request; never raises.

        Args:
            user: The authenticated user.
        """
        try:
            return self._answer(request, user)
        except RecursionError:
            return refusal(errors.too_deep())
        except StatusError as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001 - the owner of a request: a defect must not end the connection without a reply
            if str(error) == _TOO_DEEP_TO_ENCODE:
                return refusal(errors.too_deep())
            _log.exception("request failed", extra={"method": request.method, "path": request.path})
            return refusal(errors.internal(type(error).__name__))

    def _answer(self, request: HttpRequest, user: User) -> HttpResponse:
        path = routes.parse(request.path)
        authorization.check(user, request, path)
        if path is None:
            return self._document(request)
        if len(request.body) > errors.REQUEST_LIMIT_BYTES:
            raise errors.request_too_large()
        review = unstored.find(path.group, path.version, path.plural)
        if review is not None:
            return self._review(review, request, user)
        info = self._engine.registry.find(path.group, path.version, path.plural)
        if info is None:
            return self._no_resource(path)
        if path.subresource == "token" and unstored.subresources(info):
            return self._token(info, path, request)
        return self._resource(info, path, request)

    def _resource(self, info: ResourceInfo, path: ResourcePath, request: HttpRequest) -> HttpResponse:
        if path.namespace and not info.namespaced:
            return not_found_path()
        if path.subresource and path.subresource not in info.subresources:
            return self._no_subresource(info, path)
        query = Query(request.query)
        verb = routes.verb(request.method, path, watch=query.flag("watch"))
        if info.namespaced and not path.namespace and (path.name or verb in {"create", "deletecollection"}):
            return not_found_path()
        if verb is None and request.method in {"PUT", "PATCH"}:
            raise errors.bad_request("name must be provided")
        if path.subresource == "status" and verb == "delete":
            raise _no_delete(info)
        if verb is None or verb not in info.verbs:
            raise _method_not_allowed()
        call = ResourceRequest(request, path, info, query)
        try:
            return self._verbs.run(verb, call)
        except StatusError as error:
            return reply(error.code, orjson.dumps(error.to_status()), call)  # warnings are worth most with a refusal

    def _no_resource(self, path: ResourcePath) -> HttpResponse:
        known = self._documents.find(f"/apis/{path.group}/{path.version}" if path.group else "/api/v1", JSON)
        custom = any(info.custom for info in self._engine.registry.all() if info.group == path.group)
        if known is None or custom:
            return not_found_path()
        raise errors.no_such_resource()

    def _no_subresource(self, info: ResourceInfo, path: ResourcePath) -> HttpResponse:
        if info.custom:  # as kube-apiserver answers, whose handler of custom resources has no routes of its own
            raise errors.not_found(info.group, info.plural, path.name)
        raise errors.no_such_resource()

    def _document(self, request: HttpRequest) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise _method_not_allowed()
        found = self._documents.find(request.path, request.headers.get("accept", ""))
        if found is not None:
            return _send_document(found, request)
        name = request.path.rstrip("/")
        if name in HEALTH_PATHS or name.rpartition("/")[0] in HEALTH_PATHS:
            return _health(name, verbose=Query(request.query).flag("verbose"))
        if name == "/version":
            return _json(200, versions.version_info())
        if not name:
            return _json(200, {"paths": [*_ROOT_PATHS]})
        if name.startswith("/openapi/v3/"):
            return HttpResponse(404, {}, b"")
        return not_found_path()

    def _review(self, info: ResourceInfo, request: HttpRequest, user: User) -> HttpResponse:
        if request.method != "POST":
            raise _method_not_allowed()
        body = bodies.decode_object(request.body, request.headers.get("content-type", ""), expected=info.kind)
        return _json(201, reviews.answer(info, body, user))

    def _token(self, info: ResourceInfo, path: ResourcePath, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            raise _method_not_allowed()
        account = self._engine.get(info, path.namespace, path.name)
        body = bodies.decode_object(request.body, request.headers.get("content-type", ""), expected="TokenRequest")
        return _json(201, reviews.token_request(body, account, tokens=self._tokens, now=self._now()))


def refusal(error: StatusError) -> HttpResponse:
    """Return the response of a refused request."""
    return _json(error.code, error.to_status())


def not_found_path() -> HttpResponse:
    """Return the response for a path that does not exist: plain text, as from kube-apiserver."""
    return HttpResponse(404, {"content-type": "text/plain; charset=utf-8"}, b"404 page not found\n")


def _json(status: int, body: JsonObject) -> HttpResponse:
    return HttpResponse(
        status,
        {"content-type": JSON, "cache-control": "no-cache, private"},
        orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE),
    )


def _method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message=message, details={})


def _no_delete(info: ResourceInfo) -> StatusError:
    """Return a 405 for a subresource that cannot be deleted."""
    message = f'delete is not supported on resources of kind "{info.plural}.{info.group}"'
    return StatusError(405, "MethodNotAllowed", message=message, details={"group": info.group, "kind": info.plural})


def _send_document(document: Document, request: HttpRequest) -> HttpResponse:
    etag = f'"{document.etag}"'
    headers = {"content-type": document.media, "etag": etag, "vary": "Accept"}
    if request.headers.get("if-none-match") == etag:
        return HttpResponse(304, headers, b"")
    return HttpResponse(200, headers, document.body)


def _health(path: str, *, verbose: bool) -> HttpResponse:
    text = f"[+]ping ok\n[+]storage ok\n{path.strip('/')} check passed\n" if verbose else "ok"
    return HttpResponse(200, {"content-type": "text/plain; charset=utf-8"}, text.encode())

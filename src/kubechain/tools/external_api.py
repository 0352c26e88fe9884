"""Calls tools that are HTTP endpoints, and converts the response to an output for the model.

The caller must hold the claim on the call. Each request is sent once. At most `MAX_REDIRECTS` redirects are followed;
the address policy applies to each, and credentials are removed when a redirect leaves the origin of the Tool's URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import httpx2
from pydantic import SecretStr

from kubechain.net.addresses import PUBLIC, AddressPolicy
from kubechain.net.redaction import redacted
from kubechain.tools import replies, templates
from kubechain.tools.arguments import to_json
from kubechain.tools.http import HttpExchanger, Reply, Request, check_headers
from kubechain.tools.model import InvalidTool, NotExecuted, Output

MAX_RESPONSE_BYTES = 256 * 1024
"""Maximum size of a response to read, when the Tool sets none; far more than a model should get."""

MAX_REDIRECTS = 5

_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_METHODS = _METHODS_WITH_BODY | {"GET", "DELETE"}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """The HTTP endpoint of a Tool, with secrets resolved, and the idempotency key of one call.

    Attributes:
        url: URL template; `{name}` in the path or the query is replaced by an argument.
        method: GET, POST, PUT, PATCH or DELETE.
        headers: Headers of the request. A `SecretStr` is removed when a redirect leaves the origin, and redacted in
            responses.
        body: JSON template; None: send the arguments that the URL does not use.
        credentials: Token; None: send no credentials.
        credentials_header: Header for the token; `Authorization` sends it as a bearer token, others send it unchanged.
        idempotency_key: Key that is the same for each attempt of a call; empty: send no key.
        idempotency_header: Header for the key.
        max_response_bytes: Maximum size of the response to read.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str | SecretStr] = field(default_factory=dict[str, "str | SecretStr"], repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    credentials: SecretStr | None = None
    credentials_header: str = "Authorization"
    idempotency_key: str = ""
    idempotency_header: str = "Idempotency-Key"
    max_response_bytes: int = MAX_RESPONSE_BYTES


class ExternalAPIClient:
    """Calls the HTTP endpoints of Tools."""

    def __init__(self, policy: AddressPolicy | None = None, *, exchanger: HttpExchanger | None = None) -> None:
        """Create the client.

        Args:
            policy: Addresses that connections are allowed to; None: public addresses only.
            exchanger: Sends requests; tests replace it, including the policy, to run without a network.
        """
        self._http = exchanger or HttpExchanger(policy or PUBLIC)

    def check(self, request: ApiRequest) -> None:
        """Validate a request before it is sent, without opening a connection or resolving a name.

        Raises:
            InvalidTool: The method, the URL or a header is invalid.
            AddressRefused: The policy does not allow the host.
        """
        if request.method not in _METHODS:
            raise InvalidTool(f"method: {request.method[:16]}: must be GET, POST, PUT, PATCH or DELETE")
        self._http.check_address(_parsed(templates.origin(request.url)))
        check_headers(_headers(request))

    async def call(self, request: ApiRequest, arguments: Mapping[str, Any], *, timeout_seconds: float) -> Output:
        """Make one call; for an HTTP status of 400 or more, return an output with `is_error`.

        Raises:
            NotExecuted: The request was not sent.
            Uncertain: The request was sent or may have been sent, and there is no complete response.
        """
        self.check(request)
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        first = _first(request, arguments)
        reply = await self._http.exchange(first, max_bytes=request.max_response_bytes, deadline=deadline)
        output = await self._followed(request, first, reply, deadline)
        content = redacted(output.content, _secrets(request))
        return replace(output, content=content, is_refused=reply.status in _REFUSED)

    async def _followed(self, request: ApiRequest, sent: Request, reply: Reply, deadline: float) -> Output:
        for _ in range(MAX_REDIRECTS):
            target = _redirect_target(sent, reply)
            if target is None:
                return replies.output(reply)
            if sent.url.scheme == "https" and target.scheme != "https":
                return _not_followed(reply, "it leads from https to http")
            sent = _next(request, sent, reply.status, target)
            try:
                followed = await self._http.exchange(sent, max_bytes=request.max_response_bytes, deadline=deadline)
            except NotExecuted as error:
                return _not_followed(reply, str(error))
            reply = followed
        return _not_followed(reply, "too many redirects") if _redirect_target(sent, reply) else replies.output(reply)


def _first(request: ApiRequest, arguments: Mapping[str, Any]) -> Request:
    expanded = templates.expand_url(request.url, arguments)
    rest = {name: value for name, value in arguments.items() if name not in expanded.used}
    if request.method in _METHODS_WITH_BODY:
        value = rest if request.body is None else templates.expand_body(request.body, arguments)
        return Request(request.method, _parsed(expanded.url), _headers(request), to_json(value).encode())
    return Request(request.method, _parsed(templates.with_query(expanded.url, rest)), _headers(request), None)


def _headers(request: ApiRequest) -> dict[str, str]:
    """Return the headers of the first request; headers of the Tool override the defaults, ignoring case."""
    headers = {"User-Agent": "kubechain", "Accept": "application/json, text/*;q=0.9, */*;q=0.1"}
    if request.method in _METHODS_WITH_BODY:
        headers["Content-Type"] = "application/json"
    if request.idempotency_key:
        headers[request.idempotency_header] = request.idempotency_key
    given = {name: _revealed(value) for name, value in request.headers.items()}
    if request.credentials is not None:
        given = _without(given, {request.credentials_header}) | _credential(request, request.credentials)
    return _without(headers, given) | given | {"Accept-Encoding": "identity"}


def _credential(request: ApiRequest, credentials: SecretStr) -> dict[str, str]:
    # A key that was copied into a Secret from a file often ends with a line break.
    token = credentials.get_secret_value().strip()
    is_bearer = request.credentials_header.lower() == "authorization"
    return {request.credentials_header: f"Bearer {token}" if is_bearer else token}


def _next(request: ApiRequest, sent: Request, status: int, target: httpx2.URL) -> Request:
    """Return the request to the target of a redirect, by the rules of browsers."""
    headers = dict(sent.headers)
    if _origin(target) != _origin(sent.url):
        headers = _without(headers, _secret_names(request))
    becomes_get = status == HTTPStatus.SEE_OTHER or (status in (301, 302) and sent.method == "POST")
    if becomes_get and sent.method != "GET":
        return Request("GET", target, _without(headers, {"Content-Type", request.idempotency_header}), None)
    return Request(sent.method, target, headers, sent.body)


def _redirect_target(sent: Request, reply: Reply) -> httpx2.URL | None:
    location = reply.headers.get("location")
    if reply.status not in _REDIRECTS or not location:
        return None
    try:
        target = sent.url.join(location).copy_with(fragment=None)
    except (httpx2.InvalidURL, ValueError):
        return None
    return target if _can_be_called(target) else None


def _can_be_called(url: httpx2.URL) -> bool:
    return url.scheme in ("http", "https") and bool(url.raw_host) and (url.port is None or 0 < url.port < 65536)


def _not_followed(reply: Reply, reason: str) -> Output:
    return Output(f"HTTP {reply.status}: the redirect was not followed: {reason}", is_error=True)


def _parsed(url: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise InvalidTool("url: cannot be parsed") from None
    if not _can_be_called(parsed):
        raise InvalidTool("url: has no host, or no such port")
    return parsed


def _origin(url: httpx2.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port


def _secret_names(request: ApiRequest) -> set[str]:
    named = {name for name, value in request.headers.items() if isinstance(value, SecretStr)}
    # Headers with these names hold credentials, even if their value does not come from a Secret.
    return named | {request.credentials_header, "Authorization", "Cookie", "X-Api-Key"}


def _without(headers: Mapping[str, str], names: Mapping[str, str] | set[str]) -> dict[str, str]:
    taken = {name.lower() for name in names}
    return {name: value for name, value in headers.items() if name.lower() not in taken}


def _revealed(value: str | SecretStr) -> str:
    return value.get_secret_value().strip() if isinstance(value, SecretStr) else value


def _secrets(request: ApiRequest) -> list[SecretStr]:
    secrets = [value for value in request.headers.values() if isinstance(value, SecretStr)]
    return secrets if request.credentials is None else [*secrets, request.credentials]

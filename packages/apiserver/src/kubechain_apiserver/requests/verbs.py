"""The verbs of a resource over HTTP: decodes options and body, calls the engine, and encodes the response.

Get and list in JSON pass the engine's bytes through, without parsing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from kubechain_apiserver.engine.engine import Engine, ListPage
from kubechain_apiserver.engine.options import WriteOptions
from kubechain_apiserver.requests import bodies, negotiation
from kubechain_apiserver.requests.negotiation import Form
from kubechain_apiserver.requests.query import (
    Query,
    check_version,
    delete_options,
    list_options,
    selectors,
    watch_options,
    write_options,
)
from kubechain_apiserver.requests.routes import ResourcePath, Verb
from kubechain_apiserver.requests.watchstream import WatchStream, render
from kubechain_apiserver.tables.builtin import printer
from kubechain_apiserver.tables.tables import IncludeObject, list_metadata, partial_list, partial_object
from kubechain_apiserver.wire.http_types import JSON, HttpRequest, HttpResponse
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

WATCH_SECONDS: Final = 1800.0
"""Minimum duration of a watch without a time-out: kube-apiserver's `--min-request-timeout`; at most it is doubled."""


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """One request on a resource, with what several verbs need, parsed."""

    request: HttpRequest
    path: ResourcePath
    info: ResourceInfo
    query: Query
    warnings: list[str] = field(default_factory=list[str])

    @property
    def form(self) -> Form:
        """The form in which objects are accepted."""
        return negotiation.form(self.request.headers.get("accept", ""))

    @property
    def content_type(self) -> str:
        """Media type of the body."""
        return self.request.headers.get("content-type", "")

    @property
    def scope(self) -> str | None:
        """Namespace of a collection; None for all."""
        return self.path.namespace or None

    def write_options(self, kind: str) -> WriteOptions:
        """Return the options that create, update and patch share.

        Args:
            kind: Such as `CreateOptions`, for error messages.
        """
        agent = self.request.headers.get("user-agent", "")
        return write_options(self.query, kind=kind, user_agent=agent, warn=self.warnings.append)


class Verbs:
    """Executes requests on the engine.

    Args:
        now: Seconds since the epoch, for ages in Tables.
        draw: A random number from 0 to 1, which spreads the ends of watches.
    """

    def __init__(self, engine: Engine, *, now: Callable[[], float], draw: Callable[[], float] = random.random) -> None:
        self._engine = engine
        self._now = now
        self._draw = draw

    def run(self, verb: Verb, call: ResourceRequest) -> HttpResponse:
        """Execute a request.

        Raises:
            StatusError: It is refused.
        """
        match verb:
            case "get":
                response = self._get(call)
            case "list":
                response = self._list(call)
            case "watch":
                response = self._watch(call)
            case "create":
                response = self._create(call)
            case "update":
                response = self._update(call)
            case "patch":
                response = self._patch(call)
            case "delete":
                response = self._delete(call)
            case "deletecollection":
                response = self._delete_collection(call)
        return response

    def _get(self, call: ResourceRequest) -> HttpResponse:
        path = call.path
        check_version(call.query.text("resourceVersion"))
        if call.form is Form.OBJECT:
            return reply(200, self._engine.get_encoded(call.info, path.namespace, path.name), call)
        return self._object(200, self._engine.get(call.info, path.namespace, path.name), call)

    def _list(self, call: ResourceRequest) -> HttpResponse:
        return self._page(self._engine.list(call.info, call.scope, list_options(call.query)), call)

    def _watch(self, call: ResourceRequest) -> HttpResponse:
        options = watch_options(call.query, default_seconds=WATCH_SECONDS * (1 + self._draw()))
        how = render(call.form, printer(call.info), call.query.include_object, now=self._now)
        subscription = self._engine.watch(call.info, call.scope, options)
        return HttpResponse(200, headers(call), WatchStream(subscription, how))

    def _create(self, call: ResourceRequest) -> HttpResponse:
        options = call.write_options("CreateOptions")
        obj, strict_errors = _body(call)
        options = replace(options, strict_errors=strict_errors)
        return self._object(201, self._engine.create(call.info, call.path.namespace, obj, options), call)

    def _update(self, call: ResourceRequest) -> HttpResponse:
        path = call.path
        options = call.write_options("UpdateOptions")
        obj, strict_errors = _body(call)
        options = replace(options, strict_errors=strict_errors)
        makes = self._engine.update_makes(call.info, path.namespace, path.name)
        updated = self._engine.update(
            call.info, path.namespace, path.name, obj, subresource=path.subresource, options=options
        )
        return self._object(201 if makes else 200, updated, call)

    def _patch(self, call: ResourceRequest) -> HttpResponse:
        path = call.path
        kind = bodies.patch_type(call.content_type, custom=call.info.custom)
        options = call.write_options("PatchOptions")
        if kind == "apply":
            options = replace(options, field_manager=call.query.text("fieldManager"))
        body = call.request.body
        patch = bodies.decode_patch(body, kind)
        options = replace(options, strict_errors=bodies.strict_errors_of_patch(body, kind, patch))
        patched, created = self._engine.patch(
            call.info, path.namespace, path.name, kind, patch, subresource=path.subresource, options=options
        )
        return self._object(201 if created else 200, patched, call)

    def _delete(self, call: ResourceRequest) -> HttpResponse:
        options = delete_options(call.query, self._options_body(call))
        deleted = self._engine.delete(call.info, call.path.namespace, call.path.name, options)
        if deleted.get("kind") == "Status":
            return reply(200, orjson.dumps(deleted), call)
        return self._object(200, deleted, call)

    def _delete_collection(self, call: ResourceRequest) -> HttpResponse:
        options = delete_options(call.query, self._options_body(call))
        page = self._engine.delete_collection(call.info, call.scope, selectors(call.query), options)
        return self._page(page, call)

    def _options_body(self, call: ResourceRequest) -> JsonObject:
        body = call.request.body
        return bodies.decode_options(body, call.content_type) if body else {}

    def _object(self, status: int, obj: JsonObject, call: ResourceRequest) -> HttpResponse:
        match call.form:
            case Form.OBJECT:
                body = obj
            case Form.PARTIAL:
                body = partial_object(obj)
            case Form.PARTIAL_LIST:
                raise negotiation.not_a_list(call.info)
            case Form.TABLE:
                metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
                body = self._table([obj], metadata, call.info, include=call.query.include_object)
        return reply(status, orjson.dumps(body), call)

    def _page(self, page: ListPage, call: ResourceRequest) -> HttpResponse:
        metadata = list_metadata(page.resource_version, page.continue_, page.remaining)
        match call.form:
            case Form.OBJECT:
                body = encoded_list(call.info, metadata, page.encoded)
            case Form.PARTIAL:
                raise negotiation.is_a_list(call.info)
            case Form.PARTIAL_LIST:
                body = orjson.dumps(partial_list(page.items, metadata))
            case Form.TABLE:
                body = orjson.dumps(self._table(page.items, metadata, call.info, include=call.query.include_object))
        return reply(200, body, call)

    def _table(
        self, items: Sequence[JsonObject], metadata: JsonObject, info: ResourceInfo, *, include: IncludeObject
    ) -> JsonObject:
        return printer(info).table(items, metadata, now=self._now(), include=include, headers=True)


def _body(call: ResourceRequest) -> tuple[JsonObject, list[str]]:
    """Return the object of a request, and the errors of strict decoding."""
    body, media = call.request.body, call.content_type
    obj = bodies.decode_object(body, media, expected=call.info.kind, named=call.info.custom)
    found = bodies.strict_errors(body, media, obj)
    if found and not call.info.custom:
        obj = bodies.decode_doubled(body, media)
    return obj, found


def encoded_list(info: ResourceInfo, metadata: JsonObject, items: Sequence[bytes]) -> bytes:
    """Return a list as JSON, joined from encoded objects."""
    if info.custom:  # of these lists kube-apiserver does not leave it out
        metadata = {"continue": "", **metadata}
    head = orjson.dumps({"kind": info.list_kind, "apiVersion": info.api_version, "metadata": metadata})
    return b'%b,"items":[%b]}' % (head[:-1], b",".join(items))


def reply(status: int, body: bytes, call: ResourceRequest) -> HttpResponse:
    """Return a JSON response with the warnings of the request."""
    if call.query.flag("pretty"):
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    return HttpResponse(status, headers(call), body + b"\n")


_PLAIN_HEADERS: Final[Mapping[str, str]] = {"content-type": JSON, "cache-control": "no-cache, private"}


def headers(call: ResourceRequest) -> Mapping[str, str]:
    """Return response headers, with the warnings of the request."""
    deprecation = call.info.deprecation_warning
    warnings = [deprecation, *call.warnings] if deprecation else call.warnings
    return {**_PLAIN_HEADERS, "warning": ", ".join(map(_warning, warnings))} if warnings else _PLAIN_HEADERS


def _warning(text: str) -> str:
    """Return a value of the Warning header: code 299, no agent, the text as a quoted string."""
    line = " ".join(text.split())
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'

"""A typed client of the API server: models in and out, failures as the exceptions of `errors`.

An observer is notified of every successful write, so that caches never show an object older than our own write. Reads
are retried. Writes are retried only when the server says that it did not execute them (429): after a lost response,
the caller must decide whether to read, to repeat the write or to do nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import msgspec

from kubechain.net.backoff import EQUAL_JITTER, Backoff
from kubechain.net.retry_after import header_seconds
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    ApiError,
    Conflict,
    ServerTimeout,
    ServiceUnavailable,
    TooManyRequests,
    TransportError,
    error_from_status,
)
from kubechain.runtime.observers import NoObserver, WriteObserver
from kubechain.runtime.pages import PAGE_LIMIT, RawPage, page_of, target, type_setter
from kubechain.runtime.refusals import Refusals
from kubechain.runtime.resource import KubernetesObject, Resource
from kubechain.runtime.telemetry import NAMESPACE, NO_SPAN, NO_TELEMETRY, OBJECT_NAME, Telemetry
from kubechain.runtime.transport import Exchange, Reply

T = TypeVar("T", bound=KubernetesObject)

REQUEST_TIMEOUT_SECONDS = 30.0
"""Limit for one request. kube-apiserver's own limit is 60 s; our requests take less than a tenth of this."""

ATTEMPTS = 5
"""Attempts of one request; the fifth failure is raised, and the work queue retries later."""

STREAM_IDLE_SECONDS = 75.0
"""Time without data after which a stream counts as broken; a watch with bookmarks has data about once a minute."""

RETRY_BASE_SECONDS = 0.2
RETRY_MAX_SECONDS = 8.0
RETRY_BACKOFF = Backoff(RETRY_BASE_SECONDS, RETRY_MAX_SECONDS, jitter=EQUAL_JITTER)
"""Bounds of the backoff between attempts; a longer Retry-After is not waited for here but raised."""

ACCEPT_JSON = {"accept": "application/json"}
ACCEPT_METADATA = {
    "accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
}
ACCEPT_METADATA_LIST = {
    "accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
}


class Client:
    """Reads and writes objects on the API server."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        clock: Clock,
        observer: WriteObserver | None = None,
        refusals: Refusals | None = None,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        """Create a client.

        Args:
            exchange: sends the requests; closed by its owner.
            clock: for waits between attempts.
            observer: is notified of every successful write; None for no observer.
            refusals: counts refused writes to existing objects; None for a count that nobody reads.
            telemetry: receives a span for each write that is made within a step.
        """
        self._exchange = exchange
        self._clock = clock
        self._observer: WriteObserver = observer or NoObserver()
        self._refusals = refusals or Refusals(clock)
        self._telemetry = telemetry

    async def get(self, resource: Resource[T], namespace: str, name: str) -> T:
        """Read one object from the server.

        Raises:
            NotFound: there is none.
        """
        headers = ACCEPT_METADATA if resource.metadata_only else ACCEPT_JSON
        raw = await self.request("GET", resource.path(namespace, name), headers=headers)
        with _answer_of(resource):
            return resource.decode(raw)

    async def list(
        self, resource: Resource[T], namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> list[T]:
        """Read all objects that match, consistently and page by page.

        Args:
            resource: the kind.
            namespace: None for all.
            label_selector: as kubectl's `-l`.
            field_selector: as kubectl's `--field-selector`.
        """
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        decode, set_type = resource.decode, type_setter(resource)
        pages = self.pages(resource, namespace, query)
        with _answer_of(resource):
            return [decode(set_type(item)) async for page in pages for item in page.items]

    async def pages(
        self,
        resource: Resource[Any],
        namespace: str | None,
        query: Mapping[str, str],
        *,
        limit: int | None = PAGE_LIMIT,
    ) -> AsyncIterator[RawPage]:
        """Yield the pages of a list.

        Args:
            resource: the kind.
            namespace: None for all.
            query: selectors, or a resourceVersion that allows a list from the server's cache.
            limit: items of a page; None requests the whole list at once.

        Raises:
            Expired: the continue token is older than the server's history; start again.
        """
        size = {"limit": str(limit)} if limit else {}
        page = await self._page(resource, namespace, {**query, **size})
        yield page
        while page.continue_token:  # a continued list keeps the version of its first page and may not name one
            rest = {key: value for key, value in query.items() if key != "resourceVersion"}
            page = await self._page(resource, namespace, {**rest, **size, "continue": page.continue_token})
            yield page

    async def _page(self, resource: Resource[Any], namespace: str | None, query: Mapping[str, str]) -> RawPage:
        headers = ACCEPT_METADATA_LIST if resource.metadata_only else ACCEPT_JSON
        body = await self.request("GET", target(resource.path(namespace), query), headers=headers)
        return page_of(body)

    async def create(self, resource: Resource[T], obj: T) -> T:
        """Create an object.

        Raises:
            AlreadyExists: the name is taken.
        """
        path = resource.path(obj.metadata.namespace)
        namespace, name = obj.metadata.namespace or "", obj.metadata.name or ""
        with self._observer.writing(resource, namespace, name), self._span("create", resource, namespace, name):
            raw = await self.request("POST", path, body=resource.encode(obj))
            return self._written(resource, raw, base_version="")

    async def update(self, resource: Resource[T], obj: T) -> T:
        """Replace an object except its status; conditional when the object has a resourceVersion.

        Raises:
            Conflict: the object has changed since it was read.
        """
        return await self._put(resource, obj, subresource="")

    async def update_status(self, resource: Resource[T], obj: T) -> T:
        """Replace the status of an object; conditional when the object has a resourceVersion.

        Raises:
            Conflict: the object has changed since it was read.
        """
        return await self._put(resource, obj, subresource="status")

    async def patch(
        self,
        resource: Resource[T],
        namespace: str,
        name: str,
        patch: Mapping[str, Any],
        *,
        subresource: str = "",
        resource_version: str | None = None,
    ) -> T:
        """Apply a JSON merge patch.

        Args:
            resource: the kind.
            namespace: empty for cluster-scoped kinds.
            name: of the object.
            patch: the changes; null removes a field.
            subresource: such as `status`.
            resource_version: makes the patch conditional.

        Raises:
            Conflict: the patch is conditional and the object has changed.
        """
        if resource_version is not None:
            patch = {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": resource_version}}
        headers = {**ACCEPT_JSON, "content-type": "application/merge-patch+json"}
        path = resource.path(namespace, name, subresource)
        with self._writing("patch", resource, namespace, name, subresource):
            with self._conflicts_of(resource, namespace, name, resource_version):
                raw = await self.request("PATCH", path, headers=headers, body=msgspec.json.encode(patch))
            return self._written(resource, raw, base_version=resource_version)

    async def delete(
        self,
        resource: Resource[Any],
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation_policy: str | None = None,
    ) -> None:
        """Delete an object; one with finalizers is only marked as deleted.

        Args:
            resource: the kind.
            namespace: empty for cluster-scoped kinds.
            name: of the object.
            uid: delete only an object with this uid.
            resource_version: delete only an object with this version.
            propagation_policy: `Background`, `Foreground` or `Orphan`; None for the server's default.

        Raises:
            NotFound: there is none.
            Conflict: a precondition fails.
        """
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in wanted.items() if value is not None}
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            options["preconditions"] = preconditions
        if propagation_policy is not None:
            options["propagationPolicy"] = propagation_policy
        with self._writing("delete", resource, namespace, name):
            raw = await self.request("DELETE", resource.path(namespace, name), body=msgspec.json.encode(options))
            self._was_deleted(resource, namespace, name, raw)

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = ACCEPT_JSON,
        body: bytes | None = None,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> bytes:
        """Send one request, with the retries that are safe for its verb, and return the body of the response.

        Raises:
            ApiError: the server answered with a failure.
            TransportError: no complete response was received; for a read, after several attempts.
        """
        if body is not None and "content-type" not in headers:
            headers = {**headers, "content-type": "application/json"}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                reply = await self._exchange.send(
                    method, target, headers=headers, body=body, timeout_seconds=timeout_seconds
                )
                return _success(reply, self._clock)
            except (ApiError, TransportError) as error:
                pause = self._pause_seconds(method, error, attempt)
                if pause is None:
                    raise
            await self._clock.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def once(self, method: str, target: str, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> Reply:
        """Send one request without retries, and return the whole response, its headers too.

        Raises:
            ApiError: the server answered with a failure.
            TransportError: no complete response was received.
        """
        reply = await self._exchange.send(
            method, target, headers=ACCEPT_JSON, body=None, timeout_seconds=timeout_seconds
        )
        _success(reply, self._clock)
        return reply

    @asynccontextmanager
    async def stream(self, target: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a stream of lines, such as a watch that no informer needs, without retries.

        Raises:
            ApiError: the server answered with a failure.
            TransportError: the connection failed, or nothing was received for too long; also while lines are read.
        """
        async with self._exchange.stream(
            target,
            headers=ACCEPT_JSON,
            connect_timeout_seconds=REQUEST_TIMEOUT_SECONDS,
            idle_timeout_seconds=STREAM_IDLE_SECONDS,
        ) as reply:
            if reply.status != 200:
                raise error_from_status(reply.status, await reply.read())
            yield reply.lines

    def _pause_seconds(self, method: str, error: ApiError | TransportError, attempt: int) -> float | None:
        """Return how long to wait before the next attempt, or None when the request must not be repeated."""
        safe = isinstance(error, TooManyRequests) or (
            method == "GET" and isinstance(error, ServiceUnavailable | ServerTimeout | TransportError)
        )
        asked = error.retry_after_seconds if isinstance(error, ApiError) else None
        stale = isinstance(error, ApiError) and "ResourceVersionTooLarge" in error.cause_reasons
        if not safe or stale or attempt == ATTEMPTS or (asked is not None and asked > RETRY_MAX_SECONDS):
            return None
        own = RETRY_BACKOFF.seconds(attempt, self._clock.random.random())
        return max(own, asked or 0.0)

    async def _put(self, resource: Resource[T], obj: T, *, subresource: str) -> T:
        namespace, name = obj.metadata.namespace or "", obj.metadata.name or ""
        path, base_version = resource.path(namespace, name, subresource), obj.metadata.resource_version or None
        with self._writing("update", resource, namespace, name, subresource):
            with self._conflicts_of(resource, namespace, name, base_version):
                raw = await self.request("PUT", path, body=resource.encode(obj))
            return self._written(resource, raw, base_version=base_version)

    @contextmanager
    def _conflicts_of(
        self, resource: Resource[Any], namespace: str, name: str, base_version: str | None
    ) -> Generator[None]:
        """Notify the observer of a conflict of a conditional write."""
        try:
            yield
        except Conflict:
            if base_version:
                self._observer.conflicted(resource, namespace, name, base_version=base_version)
            raise

    @contextmanager
    def _writing(
        self, verb: str, resource: Resource[Any], namespace: str, name: str, subresource: str = ""
    ) -> Generator[None]:
        """Surround one write to an existing object."""
        watching = self._refusals.watching(resource.kind, namespace, name)
        span = self._span(verb, resource, namespace, name, subresource)
        with watching, self._observer.writing(resource, namespace, name), span:
            yield

    def _span(
        self, verb: str, resource: Resource[Any], namespace: str, name: str, subresource: str = ""
    ) -> AbstractContextManager[None]:
        """A span of one write, named by verb and resource as in a Role."""
        if not self._telemetry.is_recording:
            return NO_SPAN
        written = f"{resource.plural}/{subresource}" if subresource else resource.plural
        return self._telemetry.span(f"{verb} {written}", {NAMESPACE: namespace, OBJECT_NAME: name})

    def _written(self, resource: Resource[T], raw: bytes, *, base_version: str | None) -> T:
        with _answer_of(resource):
            decoded = self._observer.wrote(resource, raw, base_version=base_version)
            return resource.decode(raw) if decoded is None else decoded

    def _was_deleted(self, resource: Resource[Any], namespace: str, name: str, raw: bytes) -> None:
        """Notify the observer: the object is deleted (the response is a Status) or waits for its finalizers."""
        with _answer_of(resource):
            answer = _DELETED.decode(raw)
            if answer.kind != "Status":
                self._observer.wrote(resource, raw, base_version=None)
            elif answer.details and answer.details.uid:
                self._observer.deleted(resource, namespace, name, uid=answer.details.uid)


@contextmanager
def _answer_of(resource: Resource[Any]) -> Generator[None]:
    """Map a response that is no object of the kind to `TransportError`: a write may have been applied."""
    try:
        yield
    except (ValueError, TypeError, KeyError, RecursionError) as error:  # pydantic's and msgspec's are ValueErrors
        # Without the error's message, which may quote the object.
        raise TransportError(f"the answer is no {resource.kind}: {type(error).__name__}") from error


class _DeletedDetails(msgspec.Struct):
    uid: str | None = None


class _Deleted(msgspec.Struct):
    kind: str = ""
    details: _DeletedDetails | None = None


_DELETED = msgspec.json.Decoder(_Deleted)


def _success(reply: Reply, clock: Clock) -> bytes:
    if 200 <= reply.status < 300:
        return reply.body
    asked = header_seconds(reply.headers.get("retry-after"), now=clock.now())
    raise error_from_status(reply.status, reply.body, retry_after_seconds=asked)

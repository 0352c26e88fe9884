"""An API server small enough to read, that does to its clients whatever a test wants.

It keeps objects of any kind with kube-apiserver's rules for versions, conflicts, status isolation, finalizers, lists
and watches, and has switches for what goes wrong: errors for the next requests, replies lost after the write, streams
that break or fall silent, expired versions, lists from a stale cache. Shaped as an `Exchange`.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from kubechain.runtime.errors import TransportError
from kubechain.runtime.transport import Reply, StreamReply, WholeReply

Json = dict[str, Any]

BOOKMARK_SECONDS = 60.0
"""kube-apiserver sends one about every minute."""

NO_HEADERS: Mapping[str, str] = {}


def status_body(code: int, reason: str, message: str = "", *, causes: tuple[str, ...] = (), uid: str = "") -> bytes:
    """Return a metav1.Status."""
    details: Json = {"causes": [{"reason": cause} for cause in causes]}
    if uid:
        details["uid"] = uid
    outcome = "Success" if code < 300 else "Failure"
    return json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": outcome, "code": code, "reason": reason, "message": message,
         "details": details}
    ).encode()  # fmt: skip


def failure(code: int, reason: str, message: str = "", *, causes: tuple[str, ...] = (), **headers: str) -> Reply:
    """Return a failed answer; underscores in header names become dashes."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return WholeReply(code, names, status_body(code, reason, message, causes=causes))


@dataclass(frozen=True, slots=True)
class Target:
    """What a path addresses."""

    collection: str
    namespace: str
    name: str
    subresource: str

    @classmethod
    def parse(cls, path: str) -> Target:
        """Take apart /api/v1/... and /apis/<group>/<version>/..."""
        parts = path.strip("/").split("/")
        prefix, rest = (parts[:2], parts[2:]) if parts[0] == "api" else (parts[:3], parts[3:])
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        rest += [""] * (3 - len(rest))
        return cls("/".join([*prefix, rest[0]]), namespace, rest[1], rest[2])


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Json | None


@dataclass(slots=True)
class Watch:
    """An open stream."""

    target: Target
    lines: asyncio.Queue[bytes | Exception | None] = field(default_factory=asyncio.Queue[bytes | Exception | None])
    deaf: bool = False
    """Nothing arrives any more, as on a connection that died without a word."""
    version: Callable[[], int] = lambda: 0

    def bookmark(self) -> Json:
        """Return the metadata of a bookmark."""
        return {"resourceVersion": str(self.version())}


class FakeApiServer:
    """Holds objects; each kind is known as soon as somebody asks for it."""

    def __init__(self, *, watch_list: bool = True) -> None:
        self.version = 100
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.history: list[tuple[int, str, str, Json]] = []  # version, type, collection, object
        self.past: list[tuple[int, str, str, Json]] = []
        """The same, which clients that are too late do not get."""
        self.oldest_version = 0
        self.watch_list = watch_list
        self.initial_end = True
        """False: the bookmark after the initial events never comes."""
        self.sent: list[Sent] = []
        self.failures: deque[Reply | Exception] = deque()
        self.fails: Callable[[Sent], Reply | Exception | None] = lambda sent: None
        self.lose_reply: Callable[[Sent], bool] = lambda sent: False
        self.cache_lag = 0
        """How many versions a list from the cache is behind."""
        self.delay_seconds = 0.0
        self.watches: list[Watch] = []
        self.closed = False

    # --- what tests do from outside

    def put(self, collection: str, obj: Json) -> Json:
        """Create or change an object as somebody else would."""
        metadata = obj["metadata"]
        key = (collection, metadata.get("namespace", ""), metadata["name"])
        return self._store(key, obj, "MODIFIED" if key in self.objects else "ADDED")

    def remove(self, collection: str, namespace: str, name: str) -> None:
        """Delete an object as somebody else would."""
        key = (collection, namespace, name)
        obj = self.objects.pop(key)
        self._record("DELETED", key[0], obj)

    def expire(self) -> None:
        """Forget all history: every version that is not the newest is gone."""
        self.oldest_version = self.version
        self.history.clear()

    def restore(self, version: int) -> None:
        """Go back to the state at an earlier version, as after a restore from a backup; open streams fall silent."""
        for watch in self.watches:
            watch.deaf = True
        self.past = [change for change in self.past if change[0] <= version]
        self.history = [change for change in self.history if change[0] <= version]
        self.objects.clear()
        for _, change, collection, obj in self.past:
            key = (collection, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            if change == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = obj
        self.version = version

    def break_watches(self, error: Exception | None = None) -> None:
        """End every open stream, with an error or in peace."""
        for watch in self.watches:
            watch.lines.put_nowait(error)

    def say(self, event: Json) -> None:
        """Send an event of the test's own making to every stream."""
        for watch in self.watches:
            watch.lines.put_nowait(json.dumps(event).encode())

    def say_in(self, namespace: str, event: Json) -> None:
        """Send an event to the streams that a namespace belongs to."""
        for watch in self.watches:
            if not watch.deaf and watch.target.namespace in ("", namespace):
                watch.lines.put_nowait(json.dumps(event).encode())

    def writes(self) -> list[Sent]:
        """Return the requests that change something."""
        return [sent for sent in self.sent if sent.method not in ("GET", "WATCH")]

    # --- the exchange

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        sent = Sent(method, target, headers, json.loads(body) if body else None)
        self.sent.append(sent)
        await asyncio.sleep(self.delay_seconds)
        self._maybe_fail(sent)
        planned = self._planned(sent)
        if planned is not None:
            return planned
        reply = self._handle(sent)
        if self.lose_reply(sent):
            raise TransportError(f"{method}: the reply is lost")
        return reply

    @asynccontextmanager
    async def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AsyncGenerator[StreamReply]:
        sent = Sent("WATCH", target, headers, None)
        self.sent.append(sent)
        await asyncio.sleep(self.delay_seconds)
        self._maybe_fail(sent)
        planned = self._planned(sent)
        if planned is not None:
            yield _Stream(planned.status, planned.body, None, idle_timeout_seconds)
            return
        watch = Watch(Target.parse(urlsplit(target).path), version=lambda: self.version)
        refused = self._fill(watch, _query(target), partial="PartialObjectMetadata" in headers.get("accept", ""))
        if refused is not None:
            yield _Stream(refused.status, refused.body, None, idle_timeout_seconds)
            return
        self.watches.append(watch)
        try:
            yield _Stream(200, b"", watch, idle_timeout_seconds)
        finally:
            self.watches.remove(watch)

    async def aclose(self) -> None:
        self.closed = True

    def _maybe_fail(self, sent: Sent) -> None:
        if self.closed:
            raise TransportError("closed")

    def _planned(self, sent: Sent) -> Reply | None:
        planned = self.fails(sent)
        if planned is None and self.failures:
            planned = self.failures.popleft()
        if isinstance(planned, Exception):
            raise planned
        return planned

    # --- the API

    def _handle(self, sent: Sent) -> Reply:
        at = Target.parse(urlsplit(sent.target).path)
        match sent.method:
            case "GET" if not at.name:
                return self._list(at, _query(sent.target))
            case "GET":
                obj = self.objects.get((at.collection, at.namespace, at.name))
                return _ok(obj) if obj is not None else _not_found(at)
            case "POST":
                return self._create(at, sent.body or {})
            case "PUT":
                return self._update(at, sent.body or {})
            case "PATCH":
                return self._patch(at, sent.body or {})
            case "DELETE":
                return self._delete(at, sent.body or {})
            case _:
                return failure(405, "MethodNotAllowed")

    def _list(self, at: Target, query: Mapping[str, str]) -> Reply:
        asked = query.get("resourceVersion", "")
        cached = bool(asked) and "continue" not in query
        version = self.version - (self.cache_lag if cached else 0)
        if cached and int(asked) > version:
            return failure(504, "Timeout", "Too large resource version", causes=("ResourceVersionTooLarge",))
        items = self._at_version(at, version)
        start = 0
        if "continue" in query:
            version_text, _, start_text = query["continue"].partition(":")
            if int(version_text) < self.oldest_version:
                return failure(410, "Expired", "The provided continue parameter is too old")
            version, start = int(version_text), int(start_text)
            items = self._at_version(at, version)
        limit = int(query.get("limit", 0)) or len(items) or 1
        metadata: Json = {"resourceVersion": str(version)}
        if start + limit < len(items):
            metadata["continue"] = f"{version}:{start + limit}"
        body = {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items[start : start + limit]}
        return WholeReply(200, NO_HEADERS, json.dumps(body).encode())

    def _at_version(self, at: Target, version: int) -> list[Json]:
        """Return the state as it was, in the order of names."""
        state: dict[tuple[str, str], Json] = {}
        for at_version, change, collection, obj in self.past:
            if at_version > version or not _in_scope(at, collection, obj):
                continue
            key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            if change == "DELETED":
                state.pop(key, None)
            else:
                state[key] = obj
        return [state[key] for key in sorted(state)]

    def _create(self, at: Target, obj: Json) -> Reply:
        metadata = obj.setdefault("metadata", {})
        metadata.setdefault("namespace", at.namespace)
        key = (at.collection, at.namespace, metadata["name"])
        if key in self.objects:
            return failure(409, "AlreadyExists", f'"{key[2]}" already exists')
        obj.pop("status", None)
        return _ok(self._store(key, obj, "ADDED"), 201)

    def _update(self, at: Target, obj: Json) -> Reply:
        key = (at.collection, at.namespace, at.name)
        held = self.objects.get(key)
        if held is None:
            return _not_found(at)
        asked = obj["metadata"].get("resourceVersion")
        if asked and asked != held["metadata"]["resourceVersion"]:
            return failure(409, "Conflict", "the object has been modified")
        merged = {**held, "status": obj.get("status")} if at.subresource else {**obj, "status": held.get("status")}
        merged = {name: value for name, value in merged.items() if value is not None}
        return self._changed(key, held, merged)

    def _patch(self, at: Target, patch: Json) -> Reply:
        key = (at.collection, at.namespace, at.name)
        held = self.objects.get(key)
        if held is None:
            return _not_found(at)
        asked = patch.get("metadata", {}).get("resourceVersion")
        if asked and asked != held["metadata"]["resourceVersion"]:
            return failure(409, "Conflict", "the object has been modified")
        return self._changed(key, held, _merged(held, patch))

    def _changed(self, key: tuple[str, str, str], held: Json, new: Json) -> Reply:
        if _without_version(new) == _without_version(held):
            return _ok(held)
        if held["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self.objects[key] = new
            self.remove(*key)
            return _ok(new)
        return _ok(self._store(key, new, "MODIFIED"))

    def _delete(self, at: Target, options: Json) -> Reply:
        key = (at.collection, at.namespace, at.name)
        held = self.objects.get(key)
        if held is None:
            return _not_found(at)
        wanted = options.get("preconditions", {})
        if any(held["metadata"].get(name) != value for name, value in wanted.items()):
            return failure(409, "Conflict", "a precondition failed")
        if held["metadata"].get("finalizers"):
            marked = _merged(held, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
            return _ok(self._store(key, marked, "MODIFIED"))
        self.remove(*key)
        return WholeReply(200, NO_HEADERS, status_body(200, "", uid=held["metadata"]["uid"]))

    def _store(self, key: tuple[str, str, str], obj: Json, change: str) -> Json:
        self.version += 1
        uid = self.objects[key]["metadata"]["uid"] if key in self.objects else f"uid-{self.version}"
        metadata = {**obj["metadata"], "uid": uid, "resourceVersion": str(self.version)}
        stored = {**obj, "metadata": metadata}
        self.objects[key] = stored
        self._announce(change, key[0], stored)
        return stored

    def _record(self, change: str, collection: str, obj: Json) -> None:
        self.version += 1
        stamped = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self._announce(change, collection, stamped)

    def _announce(self, change: str, collection: str, obj: Json) -> None:
        self.history.append((self.version, change, collection, obj))
        self.past.append(self.history[-1])
        line = json.dumps({"type": change, "object": obj}).encode()
        for watch in self.watches:
            if not watch.deaf and _in_scope(watch.target, collection, obj):
                watch.lines.put_nowait(line)

    def _fill(self, watch: Watch, query: Mapping[str, str], *, partial: bool) -> Reply | None:
        """Put what a stream begins with into it, or refuse it."""
        asked = query.get("resourceVersion", "")
        if "sendInitialEvents" in query:
            if not self.watch_list:
                return failure(422, "Invalid", "sendInitialEvents is forbidden for watch")
            for obj in self._at_version(watch.target, self.version):
                watch.lines.put_nowait(json.dumps({"type": "ADDED", "object": obj}).encode())
            if not self.initial_end:
                return None
            end = {"resourceVersion": str(self.version), "annotations": {"k8s.io/initial-events-end": "true"}}
            watch.lines.put_nowait(json.dumps({"type": "BOOKMARK", "object": {"metadata": end}}).encode())
            return None
        if asked and int(asked) < self.oldest_version:
            body = json.loads(status_body(410, "Expired", "too old resource version"))
            watch.lines.put_nowait(json.dumps({"type": "ERROR", "object": body}).encode())
            return None
        for version, change, collection, obj in self.history:
            if version > int(asked or 0) and _in_scope(watch.target, collection, obj):
                watch.lines.put_nowait(json.dumps({"type": change, "object": obj}).encode())
        return None


class _Stream:
    """The answer to a watch."""

    def __init__(self, status: int, body: bytes, watch: Watch | None, idle_seconds: float) -> None:
        self.status = status
        self.headers: Mapping[str, str] = NO_HEADERS
        self._body = body
        self._watch = watch
        self._idle_seconds = idle_seconds
        self._asked = False

    @property
    def lines(self) -> AsyncIterator[bytes]:
        assert not self._asked, "lines are asked for once: over HTTP, what the first asking had buffered is lost"
        self._asked = True
        return self._lines()

    async def read(self) -> bytes:
        return self._body

    async def _lines(self) -> AsyncIterator[bytes]:
        if self._watch is None:
            yield self._body
            return
        while True:
            line = await self._next(self._watch)
            if line is None:
                return
            if isinstance(line, Exception):
                raise line
            yield line

    async def _next(self, watch: Watch) -> bytes | Exception | None:
        """Wait for a line; in a long silence send a bookmark, as kube-apiserver does, unless the line is dead."""
        deadline = asyncio.get_running_loop().time() + self._idle_seconds
        bookmark_at = asyncio.get_running_loop().time() + BOOKMARK_SECONDS
        try:
            async with asyncio.timeout_at(min(deadline, bookmark_at)):
                return await watch.lines.get()
        except TimeoutError:
            if not watch.deaf:
                return json.dumps({"type": "BOOKMARK", "object": {"metadata": watch.bookmark()}}).encode()
        try:
            async with asyncio.timeout_at(deadline):
                return await watch.lines.get()
        except TimeoutError:
            return TransportError("idle")


def _query(target: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


def _ok(obj: Json, status: int = 200) -> Reply:
    return WholeReply(status, NO_HEADERS, json.dumps(obj).encode())


def _not_found(at: Target) -> Reply:
    return failure(404, "NotFound", f'{at.collection} "{at.name}" not found')


def _in_scope(at: Target, collection: str, obj: Json) -> bool:
    return collection == at.collection and at.namespace in ("", obj["metadata"].get("namespace", ""))


def _without_version(obj: Json) -> Json:
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}}


def _merged(held: Any, patch: Any) -> Any:
    """Apply a JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    merged: Json = dict(cast("Json", held)) if isinstance(held, dict) else {}
    for name, value in cast("Json", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged

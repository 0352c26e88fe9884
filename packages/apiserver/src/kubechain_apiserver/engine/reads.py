"""Reads: get, list with pages, and the start of watches."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from dataclasses import dataclass
from typing import cast

import orjson

from kubechain_apiserver.engine.context import Core
from kubechain_apiserver.engine.options import ListOptions, WatchOptions
from kubechain_apiserver.store import selectors
from kubechain_apiserver.store.history import ExpiredError
from kubechain_apiserver.store.selectors import Selection
from kubechain_apiserver.store.storage import Record
from kubechain_apiserver.store.watch import Subscription, View, Watchers
from kubechain_apiserver.wire import errors, gojson
from kubechain_apiserver.wire.field_errors import FieldError, causes, forbidden, not_supported
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_VERSION_EXPIRED = "The resourceVersion for the provided list is too old."
_FROM_NOW = -1
"""Revision in the token of an inconsistent list: the rest is read from the present state."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list.

    Attributes:
        remaining: How many objects follow; None if nothing follows or a selector makes it unknown.
        shared_start: Length of the prefix that all encoded objects share and that a list leaves out: `apiVersion` and
            `kind` of built-in kinds.
    """

    resource_version: str
    continue_: str
    remaining: int | None
    records: list[Record]
    view: View | None
    shared_start: int = 0

    @property
    def items(self) -> list[JsonObject]:
        """The objects, shared with the engine: they must not be changed."""
        if self.view is None:
            return [record.object for record in self.records]
        return [self.view(record.object) for record in self.records]

    @property
    def encoded(self) -> list[bytes]:
        """The same objects as JSON."""
        if self.view is None:
            start = self.shared_start
            return [b"{%b" % record.data[start:] if start else record.data for record in self.records]
        start = self.shared_start
        viewed = [orjson.dumps(self.view(record.object)) for record in self.records]
        return [b"{%b" % data[start:] for data in viewed] if start else viewed


class Reader:
    """Reads objects."""

    def __init__(self, core: Core, watchers: Watchers) -> None:
        self._core = core
        self._watchers = watchers

    def get(self, info: ResourceInfo, namespace: str, name: str) -> JsonObject:
        """Return one object."""
        record = self._core.record(info, namespace, name)
        view = self._core.strategy(info).view(info)
        return view(record.object) if view else record.object

    def get_encoded(self, info: ResourceInfo, namespace: str, name: str) -> bytes:
        """Return one object as JSON."""
        record = self._core.record(info, namespace, name)
        view = self._core.strategy(info).view(info)
        return orjson.dumps(view(record.object)) if view else record.data

    def selection(self, info: ResourceInfo, namespace: str | None, *, labels: str, fields: str) -> Selection:
        if fields and "metadata.namespace" in fields and not info.namespaced:
            raise errors.bad_request("field label not supported: metadata.namespace")
        return selectors.select(
            namespace if info.namespaced else None,
            label_selector=labels,
            field_selector=fields,
            selectable=info.selectable_fields,
            reader=self._core.strategy(info).read_field,
            known=not info.custom and not info.selectable_fields,
        )

    def list(self, info: ResourceInfo, namespace: str | None, options: ListOptions) -> ListPage:
        """Return a page of objects."""
        self._check(options)
        strategy = self._core.strategy(info)
        selection = self.selection(info, namespace, labels=options.label_selector, fields=options.field_selector)
        revision, start = self._position(options)
        records = self._records(info, selection.namespace, revision, start)
        view = strategy.view(info)
        if start is not None:
            records = records[bisect_right(records, start, key=_place) :]
        matching = records if selection.takes_all else [r for r in records if _matches(selection, r, view)]
        limit = options.limit
        at = revision if revision > 0 else self._core.store.revision
        if limit <= 0 or len(matching) <= limit:
            return ListPage(str(at), "", None, matching, view, _shared_start(info))
        page = matching[:limit]
        remaining = len(matching) - limit if selection.takes_all else None
        return ListPage(str(at), _token(at, page[-1]), remaining, page, view, _shared_start(info))

    def _check(self, options: ListOptions) -> None:
        match = options.resource_version_match
        if not match:
            return
        found: list[FieldError] = []
        if not options.resource_version:
            text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            found.append(forbidden("resourceVersionMatch", text))
        if options.continue_:
            found.append(
                forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
            )
        if match not in {"Exact", "NotOlderThan"}:
            found.append(not_supported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""]))
        if match == "Exact" and options.resource_version == "0":
            text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            found.append(forbidden("resourceVersionMatch", text))
        if found:
            raise errors.invalid("meta.k8s.io", "ListOptions", "", causes=causes(found))

    def _position(self, options: ListOptions) -> tuple[int, tuple[str, str] | None]:
        """Return the revision to list at (0: the present) and the key to begin after."""
        if options.continue_:
            if options.resource_version not in {"", "0"}:
                raise errors.bad_request("specifying resource version is not allowed when using continue")
            return _parse_token(options.continue_)
        version = options.resource_version
        if version in {"", "0"}:
            return 0, None
        revision = parse_version(version)
        if revision > self._core.store.revision:
            raise _too_large(revision, self._core.store.revision)
        return (revision if options.resource_version_match == "Exact" else 0), None

    def _records(
        self, info: ResourceInfo, namespace: str | None, revision: int, start: tuple[str, str] | None
    ) -> list[Record]:
        if revision <= 0:
            return self._core.store.scan(info.storage_key, namespace)
        try:
            return self._core.store.at(info.storage_key, namespace, revision)
        except ExpiredError as error:
            if start is None:
                raise errors.expired(_VERSION_EXPIRED) from error
            raise errors.expired(_CONTINUE_EXPIRED, continue_token=_encode_token(_FROM_NOW, *start)) from error

    def watch(self, info: ResourceInfo, namespace: str | None, options: WatchOptions) -> Subscription:
        """Return a subscription."""
        store = self._core.store
        selection = self.selection(info, namespace, labels=options.label_selector, fields=options.field_selector)
        subscription = Subscription(
            info,
            selection,
            view=self._core.strategy(info).view(info),
            revision=lambda: store.revision,
            allow_bookmarks=options.allow_bookmarks,
            timeout_seconds=options.timeout_seconds,
            on_close=self._watchers.remove,
        )
        self._begin(subscription, selection, options)
        return subscription

    def _begin(self, subscription: Subscription, selection: Selection, options: WatchOptions) -> None:
        store = self._core.store
        version = options.resource_version
        present = options.send_initial_events or (options.send_initial_events is None and version in {"", "0"})
        if present:
            subscription.begin_with(store.scan(subscription.resource, selection.namespace))
            if options.send_initial_events and options.allow_bookmarks:
                subscription.mark_initial_end()
        elif version not in {"", "0"}:
            revision = _watched_version(version)
            try:
                subscription.replay(store.history.watched_since(subscription.resource, revision))
            except ExpiredError as error:
                text = f"too old resource version: {revision} ({error.compacted})"
                subscription.fail(errors.expired(text).to_status())
                return
        self._watchers.add(subscription)


def _shared_start(info: ResourceInfo) -> int:
    """Return the length of `apiVersion` and `kind`, which items of a list of a built-in kind do not repeat."""
    if info.custom:
        return 0
    return len(f'{{"apiVersion":"{info.api_version}","kind":"{info.kind}",')


def parse_version(version: str) -> int:
    """Parse a resourceVersion.

    Raises:
        StatusError: It is not a number (400).
    """
    if not (version.isascii() and version.isdigit()):
        text = f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise errors.bad_request(f"invalid resource version: resourceVersion: {text}")
    return int(version)


def _watched_version(version: str) -> int:
    """Parse the resourceVersion of a watch, which kube-apiserver refuses with 500 instead of 400."""
    try:
        return parse_version(version)
    except errors.StatusError as error:
        text = error.message.removeprefix("invalid resource version: ")
        raise errors.StatusError(500, "", message=text) from error


def _too_large(wanted: int, present: int) -> errors.StatusError:
    text = f"Timeout: Too large resource version: {wanted}, current: {present}"
    details: JsonObject = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    return errors.StatusError(504, "Timeout", message=text, details=details)


def _place(record: Record) -> tuple[str, str]:
    return record.key.namespace, record.key.name


def _matches(selection: Selection, record: Record, view: View | None) -> bool:
    return selection.matches(view(record.object) if view else record.object)


def _token(revision: int, last: Record) -> str:
    return _encode_token(revision, *_place(last))


def _encode_token(revision: int, namespace: str, name: str) -> str:
    content = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"{namespace}/{name}\x00"}
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def _parse_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        if wrong := gojson.syntax_error(text):
            raise ValueError(wrong)
        content = cast("JsonObject", orjson.loads(text))
        namespace, _, name = str(content["start"]).removesuffix("\x00").partition("/")
        return int(content["rv"]), (namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from error

"""The engine: what a Kubernetes API server does with objects, without sockets, sleeping or clocks of its own.

The two faces (HTTP and in-process) call it; it is synchronous and deterministic. It only says what happens in which order: each
step lives in a module of its own. HTTP, content negotiation, discovery and authentication do not belong here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from kubechain.embedded.environment import Environment, SystemEnvironment
from kubechain.embedded.registry import Registry, ResourceInfo

JsonObject = dict[str, Any]
FieldValidation = Literal["Ignore", "Warn", "Strict"]
Propagation = Literal["Background", "Foreground", "Orphan"]
PatchType = Literal["json", "merge", "strategic", "apply"]
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the object for a delete to happen; "" asks for nothing."""

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page. `items` are shared with the engine: read them, never change them.

    `encoded` holds the same objects as JSON bytes, ready to be sent; `remaining` is None where kube-apiserver gives no count.
    """

    items: list[JsonObject]
    encoded: list[bytes]
    resource_version: str
    continue_: str = ""
    remaining: int | None = None


class WatchEvent:
    """`type` ADDED, MODIFIED, DELETED, BOOKMARK or ERROR; `line` is the whole event as a line of JSON, encoded once for all watchers."""

    __slots__ = ("line", "object", "type")
    type: str
    object: JsonObject
    line: bytes


class Subscription:
    """A running watch: `async for event in subscription`; ends at its timeout, by `close()`, or when its reader is too slow."""

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> WatchEvent:
        raise NotImplementedError

    def close(self) -> None:
        """Stop: the iteration ends."""


class Engine:
    """Every object of the server.

    All returned dicts are shared with the engine (treat them as read-only); objects handed in are copied.

    Args:
        environment: time and randomness.
    """

    registry: Registry

    def __init__(self, storage: Any = None, *, environment: Environment | None = None) -> None:
        self._environment = environment or SystemEnvironment()
        self.registry = Registry()

    def get(self, info: ResourceInfo, namespace: str, name: str) -> JsonObject:
        """One object. `namespace` is "" for cluster-wide kinds."""
        raise NotImplementedError

    def get_encoded(self, info: ResourceInfo, namespace: str, name: str) -> bytes:
        """The same as JSON bytes, without parsing anything."""
        raise NotImplementedError

    def list(
        self,
        info: ResourceInfo,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
        resource_version_match: str = "",
    ) -> ListPage:
        """Objects in order of namespace and name. `namespace` None: of all namespaces."""
        raise NotImplementedError

    def create(
        self,
        info: ResourceInfo,
        namespace: str,
        obj: JsonObject,
        *,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation = "Warn",
        warn: Warn | None = None,
    ) -> JsonObject:
        """Make an object. `warn` is called with each text for a `Warning` header."""
        raise NotImplementedError

    def update(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        obj: JsonObject,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation = "Warn",
        warn: Warn | None = None,
    ) -> JsonObject:
        """Replace an object (PUT), or one subresource of it."""
        raise NotImplementedError

    def patch(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        patch_type: PatchType,
        patch: Any,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: FieldValidation = "Warn",
        force: bool = False,
        warn: Warn | None = None,
    ) -> tuple[JsonObject, bool]:
        """Change parts of an object; `apply` makes it when it is absent.

        Returns:
            the object, and whether it was created (201 instead of 200).
        """
        raise NotImplementedError

    def delete(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        *,
        preconditions: Preconditions = Preconditions(),
        propagation: Propagation | None = None,
        grace_period_seconds: int | None = None,
        orphan_dependents: bool | None = None,
        dry_run: bool = False,
    ) -> JsonObject:
        """Delete, or begin to: the reply's body (a Status, or the object while finalizers hold it)."""
        raise NotImplementedError

    def delete_collection(
        self,
        info: ResourceInfo,
        namespace: str | None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation: Propagation | None = None,
        grace_period_seconds: int | None = None,
        dry_run: bool = False,
    ) -> ListPage:
        """Delete all that match; the page holds what was deleted."""
        raise NotImplementedError

    def watch(
        self,
        info: ResourceInfo,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        allow_bookmarks: bool = False,
        send_initial_events: bool | None = None,
        timeout_seconds: float | None = None,
    ) -> Subscription:
        """Follow changes. A revision that is not kept any more gives one ERROR event (410) and the end."""
        raise NotImplementedError

    @property
    def resource_version(self) -> str:
        """The revision of the last write."""
        raise NotImplementedError

    def statistics(self) -> JsonObject:
        """Counts for people and tests: objects, revision, watchers, history."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the storage and end all watches."""

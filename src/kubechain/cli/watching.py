"""Watches a few objects for a command: those of one kind that a field selects. The manager's informers are no use here.

Without a cache: what matches is listed and then watched from the version of the list. A watch that ends is opened
again in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from kubechain.cli.clusters import Place
from kubechain.net.backoff import Backoff
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import ApiError, Expired, Forbidden, NotFound, TransportError, Unauthorized
from kubechain.runtime.pages import target, type_setter
from kubechain.runtime.resource import KubernetesObject, Resource

T = TypeVar("T", bound=KubernetesObject)

REOPEN = Backoff(initial_seconds=0.5, max_seconds=15.0)
"""Between two watches that failed."""

FINAL = (Unauthorized, Forbidden, NotFound)
"""To try again is of no use."""


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_EVENT = msgspec.json.Decoder(_Event)


@dataclass(slots=True)
class Watch(Generic[T]):
    """One kind of objects in a namespace, as long as `run` runs.

    Attributes:
        field_selector: As kubectl's.
        on_change: Called with all that matches, by name, at first and after each change; where all namespaces are
            watched, by namespace and name with a slash between.
        on_trouble: Called with what fails, before it is tried again.
        label_selector: As kubectl's.
    """

    place: Place
    resource: Resource[T]
    field_selector: str
    on_change: Callable[[Mapping[str, T]], None]
    on_trouble: Callable[[str], None]
    label_selector: str = ""

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            ApiError: It may not be read; or the first list fails.
            TransportError: The first list fails.
        """
        failures, is_known, clock = 0, False, SystemClock()
        while True:
            try:
                found, version = await self._listed()
                failures, is_known = 0, True
                self.on_change(found)
                await self._watched(found, version)
            except Expired:
                continue
            except FINAL:
                raise
            except (ApiError, TransportError) as error:
                if not is_known:
                    raise
                failures += 1
                self.on_trouble(str(error))
            await clock.sleep(REOPEN.seconds(failures))

    async def _listed(self) -> tuple[dict[str, T], str]:
        query, version = self._selectors(), ""
        set_type, found = type_setter(self.resource), dict[str, T]()
        async for page in self.place.client.pages(self.resource, self.place.namespace, query):
            version = page.resource_version
            for item in page.items:
                obj = self.resource.decode(set_type(item))
                found[self._key(obj)] = obj
        return found, version

    def _selectors(self) -> dict[str, str]:
        return {"fieldSelector": self.field_selector, "labelSelector": self.label_selector}

    def _key(self, obj: T) -> str:
        name = obj.metadata.name or ""
        return name if self.place.namespace is not None else f"{obj.metadata.namespace}/{name}"

    async def _watched(self, found: dict[str, T], version: str) -> None:
        """Apply what changes, until the server ends the watch."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            **self._selectors(),
            "resourceVersion": version,
        }
        async with self.place.client.stream(target(self.resource.path(self.place.namespace), query)) as lines:
            async for line in lines:
                self._apply(found, _EVENT.decode(line))

    def _apply(self, found: dict[str, T], event: _Event) -> None:
        if event.type == "BOOKMARK":
            return
        if event.type == "ERROR":
            raise Expired(410, "Expired", "the watch is too old")
        obj = self.resource.decode(bytes(event.object))
        if event.type == "DELETED":
            found.pop(self._key(obj), None)
        else:
            found[self._key(obj)] = obj
        self.on_change(found)

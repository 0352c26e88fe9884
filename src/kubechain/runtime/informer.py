"""One shared cache per kind: a store, the reflectors that fill it, and its handlers.

The manager creates it on the first request for a kind; controllers and listers share it. Handlers only enqueue keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Generic, TypeVar, cast

import structlog

from kubechain.runtime.changes import Handler
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import version_number
from kubechain.runtime.outages import Outages
from kubechain.runtime.permissions import Permissions
from kubechain.runtime.reflector import Reflector, ReflectorPhase
from kubechain.runtime.resource import KubernetesObject, Resource
from kubechain.runtime.store import Lister, Store
from kubechain.runtime.transport import Exchange

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

T = TypeVar("T", bound=KubernetesObject)

DOUBT_SECONDS = 10.0
"""Between two looks, of one kind, whether a conflict came from a server that went back in time."""


class Informer(Generic[T]):
    """The cache of one kind, in the namespaces that the manager works in."""

    def __init__(
        self, resource: Resource[T], reflectors: Callable[[Store[T]], Sequence[Reflector]], *, clock: Clock,
        look_again: Callable[[Request, int], Awaitable[None]], permissions: Permissions,
    ) -> None:  # fmt: skip
        """Create an informer.

        Args:
            resource: the kind.
            reflectors: makes the reflectors that fill its store.
            clock: for pauses.
            look_again: compares the server's version of an object with the one that a write was refused for.
            permissions: tells where an optional kind may be followed.
        """
        self.resource = resource
        self._clock, self._look_again, self._permissions = clock, look_again, permissions
        self._doubts: asyncio.Queue[tuple[Request, int]] = asyncio.Queue(maxsize=1)
        self.store = Store(resource)
        self.lister = Lister(self.store)
        self.reflectors = reflectors(self.store)

    def add_handler(self, handler: Handler) -> None:
        """Call `handler` for every change, and first for the objects that are already stored."""
        self.store.add_handler(handler)

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self.reflectors:
                group.create_task(self._follow(reflector))
            group.create_task(self._look_at_doubts())

    async def _follow(self, reflector: Reflector) -> None:
        if self.resource.is_optional:
            await self._permissions.follow(reflector, self.resource)
        else:
            await reflector.run()

    def follows(self, namespace: str) -> bool:
        """Tell whether changes in a namespace reach the cache; True while the server has not said that they may not."""
        return any(
            reflector.namespace in (None, namespace) and reflector.phase is not ReflectorPhase.FORBIDDEN
            for reflector in self.reflectors
        )

    def doubt(self, key: Request, version: int) -> None:
        """Compare an object with the server's soon: a write of ours conflicted although it had this version."""
        with suppress(asyncio.QueueFull):
            self._doubts.put_nowait((key, version))

    def rewind(self) -> None:
        """Read everything again, because the server went back to an earlier state."""
        self.store.rewind()
        for reflector in self.reflectors:
            reflector.rewind()

    async def _look_at_doubts(self) -> None:
        while True:
            await self._look_again(*await self._doubts.get())
            await self._clock.sleep(DOUBT_SECONDS)

    async def wait_synced(self) -> None:
        """Return when the first list is stored."""
        for reflector in self.reflectors:
            await reflector.synced.wait()

    @property
    def synced(self) -> bool:
        """Tell whether the first list is stored."""
        return all(reflector.synced.is_set() for reflector in self.reflectors)

    @property
    def received_at(self) -> float:
        """Return when data was last received, in the clock's monotonic seconds; the oldest of what is followed."""
        followed = (one.last_received_at for one in self.reflectors if one.phase is not ReflectorPhase.FORBIDDEN)
        return min(followed, default=self._clock.monotonic())

    @property
    def last_error(self) -> str:
        """Return the error of the last list or watch; empty when it succeeded."""
        return next((reflector.last_error for reflector in self.reflectors if reflector.last_error), "")

    def describe(self) -> str:
        """Return kind, verb and last error in one line, for time-outs and readiness."""
        resource = self.resource
        verbs = dict.fromkeys(reflector.verb for reflector in self.reflectors if not reflector.synced.is_set())
        name = f"{resource.plural}.{resource.group}".rstrip(".")
        return f"{resource.kind}: {', '.join(verbs) or 'watch'} {name}: {self.last_error or 'no answer yet'}"


class Informers:
    """All caches of a manager; the client notifies them of our own writes."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        clock: Clock,
        namespaces: Sequence[str] = (),
        watch_list: bool = True,
        outages: Outages | None = None,
    ) -> None:
        """Create an empty set.

        Args:
            exchange: for watches and lists.
            clock: for waits and jitter.
            namespaces: to list and watch; none means all.
            watch_list: try WatchList first.
            outages: logs what fails; None logs for these caches alone.
        """
        self._exchange, self._clock = exchange, clock
        self._client = Client(exchange, clock=clock)
        self._namespaces = tuple(namespaces)
        self._watch_list = watch_list
        self._outages = outages or Outages(clock=clock)
        self._informers: dict[tuple[str, str, str, bool], Informer[Any]] = {}

    def __iter__(self) -> Iterator[Informer[Any]]:
        """Iterate over all informers, in the order of their creation."""
        return iter(self._informers.values())

    def of(self, resource: Resource[T]) -> Informer[T]:
        """Return the informer of a kind; the first call creates it."""
        if resource.identity not in self._informers:
            self._informers[resource.identity] = Informer(
                resource, lambda store: self._reflectors(resource, store), clock=self._clock,
                look_again=lambda key, version: self._look_again(resource, key, version),
                permissions=Permissions(self._client, self._clock, self._outages),
            )  # fmt: skip
        return cast("Informer[T]", self._informers[resource.identity])

    def has(self, resource: Resource[Any]) -> bool:
        """Tell whether there is an informer of this kind already."""
        return resource.identity in self._informers

    @contextmanager
    def writing(self, resource: Resource[Any], namespace: str, name: str) -> Generator[None]:
        """Delay watch events of an object while our own write to it is in flight."""
        with ExitStack() as stack:
            for store in self._stores_of(resource):
                stack.enter_context(store.writing(Request(namespace if resource.namespaced else "", name)))
            yield

    def wrote(self, resource: Resource[T], raw: bytes, *, base_version: str | None) -> T | None:
        """Store our own write in every cache of its kind, unless it is outside of the watched namespaces.

        Returns the object as the caches' readers get it; None when there is no cache with the same codec.
        """
        decoded: T | None = None
        for store in self._stores_of(resource):
            written = store.stored(raw)
            if store.is_rewound(written, base_version=base_version):
                self._rewind(resource, store.newest, written.metadata.version)
            if not resource.namespaced or not self._namespaces or written.metadata.namespace in self._namespaces:
                store.wrote(written, base_version=base_version)
            if store.resource == resource:
                decoded = store.decoder.decode(written)
        return decoded

    def deleted(self, resource: Resource[Any], namespace: str, name: str, *, uid: str) -> None:
        """Remove an object that we deleted from every cache of its kind."""
        for store in self._stores_of(resource):
            store.deleted(Request(namespace, name), uid=uid)

    def conflicted(self, resource: Resource[Any], namespace: str, name: str, *, base_version: str) -> None:
        """Look soon whether the server has an older version than the one that a write was refused for."""
        informer = self._informers.get(resource.identity)
        if informer is not None:
            informer.doubt(Request(namespace, name), version_number(base_version))

    async def _look_again(self, resource: Resource[Any], key: Request, version: int) -> None:
        try:
            found = await self._client.get(resource, key.namespace, key.name)
        except (ApiError, TransportError):
            return  # a later conflict leads here again
        found_version = version_number(found.metadata.resource_version or "")
        if found_version < version:
            self._rewind(resource, version, found_version)

    def _rewind(self, resource: Resource[Any], seen: int, found: int) -> None:
        log.warning(
            "the API server went back in time, as after a restore from a backup: all caches are read again",
            kind=resource.kind, seen_version=seen, found_version=found,
        )  # fmt: skip
        for informer in self:
            informer.rewind()

    def _stores_of(self, resource: Resource[Any]) -> Iterable[Store[Any]]:
        group, version, plural, _ = resource.identity
        for only_metadata in (False, True):
            informer = self._informers.get((group, version, plural, only_metadata))
            if informer is not None:
                yield informer.store

    def _reflectors(self, resource: Resource[T], store: Store[T]) -> list[Reflector]:
        scopes: Sequence[str | None] = self._namespaces if self._namespaces and resource.namespaced else (None,)
        return [
            Reflector(
                resource, store, client=self._client, exchange=self._exchange, clock=self._clock,
                outages=self._outages, namespace=namespace, watch_list=self._watch_list,
                on_rewind=lambda seen, found: self._rewind(resource, seen, found),
            )
            for namespace in scopes
        ]  # fmt: skip

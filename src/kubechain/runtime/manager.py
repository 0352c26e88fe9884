"""The manager: creates caches, clients and recorders for controllers, and starts and stops everything in order.

Start order: HTTP servers, caches, runnables for every replica, runnables that need leadership. Stop order: the reverse,
so that reconciles in flight still have their caches, their events are written, and the lease is released only when no
reconcile runs. What must not go here: work that one of the parts can do itself.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from kubechain.runtime import servingcert
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock, SystemClock
from kubechain.runtime.endpoints import METHODS, EndpointLimits, EndpointServer, InboundEndpoint, InboundHandler
from kubechain.runtime.events import EventRecorder, EventSink
from kubechain.runtime.floods import FloodLimits
from kubechain.runtime.health import Checks, HttpServer, LoopWatch, Page, checks_page
from kubechain.runtime.informer import Informer, Informers
from kubechain.runtime.inspection import Inspection
from kubechain.runtime.leaderelection import LeaderElector, Timing
from kubechain.runtime.liveness import LeaseLiveness, Liveness, SoleReplica
from kubechain.runtime.loop import Controller
from kubechain.runtime.metadata import PartialObject
from kubechain.runtime.metered import MeteredExchange
from kubechain.runtime.metrics import Metrics
from kubechain.runtime.outages import Outages
from kubechain.runtime.pageguard import PageGuard
from kubechain.runtime.proxies import Network
from kubechain.runtime.refusals import Refusals
from kubechain.runtime.resource import KubernetesObject, Resource, metadata_only
from kubechain.runtime.runnables import Runnable, cancel, drain, spawn
from kubechain.runtime.shards.gate import Gate
from kubechain.runtime.shards.sharing import Allocator, Sharing
from kubechain.runtime.store import Lister
from kubechain.runtime.telemetry import NO_TELEMETRY, Telemetry
from kubechain.runtime.transport import Exchange

T = TypeVar("T", bound=KubernetesObject)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

GRACE_SECONDS = 30.0
"""The default terminationGracePeriodSeconds of a pod, after which the kubelet kills it."""

POD_VARIABLE = "POD_NAME"
"""Has the name of the pod; the manifests set it from the pod's own metadata."""

EVENTS_SECONDS = 3.0
"""How long a stop waits until the last events are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """Namespace, name and timing of the leader election's lease."""

    namespace: str
    name: str = "kubechain-manager"
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a manager.

    Attributes:
        namespaces: to watch; none means all.
        election: None starts without election and assumes that there is only one replica.
        shards: whether replicas share the work of the controllers that allow it; needs an election.
        probe_address: `host:port` of /healthz and /readyz; None for none.
        metrics_address: `host:port` of /metrics; None for none. May be the same as `probe_address`.
        metrics_secure: serve `metrics_address` over TLS, and only to those whom the API server permits it.
        metrics_certificates: folder of `tls.crt` and `tls.key` for that; None makes a certificate at each start.
        debug: serve /debug at `metrics_address`.
        endpoint_address: `host:port` of the inbound endpoints, which share no port with the others; None for none.
        trusted_proxies: networks of proxies in front of the inbound endpoints; see `FloodLimits`.
        watch_list: read the initial state by a watch where the server supports it.
        grace_seconds: limit for an ordered stop.
        gc_threshold: for `gc.set_threshold`; None for no change. Few objects of a cache can form cycles.
        gc_freeze: exclude the objects that exist after the first sync from garbage collection.
    """

    namespaces: Sequence[str] = ()
    election: Election | None = None
    shards: bool = False
    probe_address: str | None = None
    metrics_address: str | None = None
    metrics_secure: bool = False
    metrics_certificates: str | None = None
    debug: bool = False
    endpoint_address: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    watch_list: bool = True
    grace_seconds: float = GRACE_SECONDS
    gc_threshold: tuple[int, int, int] | None = None
    gc_freeze: bool = False


def new_identity(clock: Clock, *, pod: str | None = None) -> str:
    """Return a new identity for this process: `<pod>_<uuid>`."""
    name = pod or os.environ.get(POD_VARIABLE) or socket.gethostname()
    return f"{name}_{uuid.UUID(int=clock.random.getrandbits(128), version=4)}"


class Manager:
    """Runs one replica of an operator."""

    def __init__(
        self, exchange: Exchange, *, clock: Clock | None = None, identity: str | None = None,
        options: Options | None = None, lease_exchange: Exchange | None = None,
        event_exchange: Exchange | None = None, liveness: Liveness | None = None,
        host: str = "kubernetes", server: str = "", telemetry: Telemetry = NO_TELEMETRY, pod: str | None = None,
    ) -> None:  # fmt: skip
        """Create a manager; `run` starts it.

        Args:
            exchange: to the API server; closed by its owner.
            clock: None for the real time.
            identity: `<pod>_<uuid of the process>`; None creates one.
            options: None for the defaults.
            lease_exchange: a separate connection for leader election and liveness; None shares `exchange`.
            event_exchange: separate connections for Events, which do not wait behind other writes; None shares
                `exchange`.
            liveness: of other replicas; None for leases with an election, and for `SoleReplica` without.
            host: of the API server, for metrics.
            server: its URL and where that was configured, for the log.
            telemetry: receives a span for each step of a reconcile that writes, and for each of its writes.
            pod: the pod that this process runs in; empty outside of pods. None reads it from the environment.
        """
        self._pod = os.environ.get(POD_VARIABLE, "") if pod is None else pod
        self.options = options or Options()
        self.clock: Clock = clock or SystemClock()
        self.identity = identity or new_identity(self.clock)
        self.metrics = Metrics()
        self.telemetry = telemetry
        metered = MeteredExchange(exchange, self.metrics.rest_requests, host=host)
        self._outages = Outages(clock=self.clock, server=server)
        self._informers = Informers(
            exchange=metered, clock=self.clock, namespaces=self.options.namespaces, watch_list=self.options.watch_list,
            outages=self._outages,
        )  # fmt: skip
        self._refusals = Refusals(self.clock)
        self.client = Client(
            metered, clock=self.clock, observer=self._informers, refusals=self._refusals, telemetry=telemetry
        )
        self._lease_client = Client(lease_exchange or metered, clock=self.clock)
        self.liveness = liveness or self._default_liveness()
        self.sharing = self._sharing(MeteredExchange(lease_exchange or exchange, self.metrics.rest_requests, host=host))
        events = MeteredExchange(event_exchange or exchange, self.metrics.rest_requests, host=host)
        self.events = EventSink(Client(events, clock=self.clock), clock=self.clock, instance=self.identity)
        self.health, self.readiness = Checks(), Checks()
        self._loop_watch = LoopWatch(clock=self.clock, on_lag=self.metrics.loop_lag.set)
        self._everywhere: list[Runnable] = []
        self._leader_only: list[Runnable] = []
        if self.sharing is not None:
            self._everywhere.append(self.sharing)
            self._leader_only.append(Allocator(self.sharing))
        self._endpoints: list[InboundEndpoint] = []
        self._stop = asyncio.Event()
        self._started = self._began_to_lead = self._leads = False
        self._inspection = Inspection(
            identity=self.identity, clock=self.clock, informers=self._informers, controllers=self._controllers,
            events=self.events, metrics=self.metrics,
        )  # fmt: skip
        self._add_checks()

    # --- building

    def informer(self, resource: Resource[T]) -> Informer[T]:
        """Return the shared cache of a kind; the first call creates it and must come before the start."""
        if self._started and not self._informers.has(resource):
            raise RuntimeError(f"manager: caches are made before the start: {resource.kind}")
        return self._informers.of(resource)

    def informers(self) -> Iterable[Informer[Any]]:
        """Return all caches."""
        return self._informers

    def lister(self, resource: Resource[T]) -> Lister[T]:
        """Return the reader of a kind's cache."""
        return self.informer(resource).lister

    def metadata_lister(self, resource: Resource[Any]) -> Lister[PartialObject]:
        """Return the reader of a kind's cache of metadata; for Secrets, whose data is not cached."""
        return self.lister(metadata_only(resource))

    def add_index(self, resource: Resource[T], name: str, fn: Callable[[T], Iterable[str]]) -> None:
        """Index a kind's cache by the values that `fn` returns for each object."""
        self.informer(resource).store.add_index(name, fn)

    def recorder(self, component: str) -> EventRecorder:
        """Return a recorder of events of one component."""
        return EventRecorder(self.events, component)

    def add_runnable(self, runnable: Runnable, *, needs_leader: bool = True) -> None:
        """Add a runnable; before the start only.

        Args:
            runnable: its `drain`, if it has one, is awaited at a stop.
            needs_leader: run only while this replica leads.
        """
        if self._started:
            raise RuntimeError("manager: runnables are added before the start")
        (self._leader_only if needs_leader else self._everywhere).append(runnable)

    def add_endpoint(
        self, path: str, handler: InboundHandler, *, needs_leader: bool = False, methods: Sequence[str] = METHODS
    ) -> None:
        """Add an inbound HTTP endpoint at `Options.endpoint_address`; before the start only.

        Args:
            path: may have variables, as in `/approvals/{id}`.
            handler: answers requests, which are limited in size, number and time.
            needs_leader: answer 503 while this replica does not lead or is stopping.
            methods: other methods get a 405.
        """
        if self._started:
            raise RuntimeError("manager: endpoints are added before the start")
        self._endpoints.append(InboundEndpoint(path=path, handler=handler, needs_leader=needs_leader, methods=methods))

    @property
    def endpoints(self) -> Sequence[InboundEndpoint]:
        """The inbound endpoints that were added."""
        return tuple(self._endpoints)

    @property
    def leads(self) -> bool:
        """Tell whether this replica leads and is not stopping; without an election, whether it is running."""
        return self._leads and not self._stop.is_set()

    @property
    def gate(self) -> Gate | None:
        """Which shared work is this replica's; None where the leader does all."""
        return self.sharing.gate if self.sharing else None

    # --- running

    async def run(self) -> None:
        """Run until `stop` is called or a part fails.

        Raises:
            ExceptionGroup: with SyncTimeout, LeadershipLost, or the exceptions of runnables.
        """
        self._started = True
        for one in self._controllers():  # the other half is for writing results, and for what is not a controller
            one.options.drain_seconds = min(one.options.drain_seconds, self.options.grace_seconds / 2)
        if self.options.gc_threshold is not None:
            gc.set_threshold(*self.options.gc_threshold)
        if self.options.gc_freeze:
            gc.collect()  # here, where it delays nothing; after the sync it would
        servers = self._servers()
        try:
            for server in servers:
                await server.start()
            async with asyncio.TaskGroup() as group:
                await self._run_stages(group)
        finally:
            for server in servers:
                await server.stop()

    def stop(self) -> None:
        """Start an ordered stop; `run` returns when it is done."""
        self._stop.set()

    async def wait_synced(self) -> None:
        """Return when every cache is filled."""
        for informer in self._informers:
            await informer.wait_synced()

    async def _run_stages(self, group: asyncio.TaskGroup) -> None:
        shared = self.sharing.informers if self.sharing else ()
        base = spawn(group, [*self._informers, *shared, self._loop_watch])
        events = spawn(group, [self.events])
        base += [group.create_task(self._freeze(), name="gc")]
        if isinstance(self.liveness, LeaseLiveness):
            base += spawn(group, [self.liveness])
        everywhere = spawn(group, self._everywhere)
        leading = group.create_task(self._follow_and_lead(), name="leader-only")
        await self._stop.wait()
        log.info("stopping", active=sum(one.active for one in self._controllers()))
        if self.gate is not None:
            self.gate.leave()
        try:
            async with asyncio.timeout(self.options.grace_seconds):
                if not self._began_to_lead:
                    leading.cancel()
                shared = [one for one in self._everywhere if isinstance(one, Controller)]
                await asyncio.gather(asyncio.wait((leading,)), drain(shared))
                await drain(one for one in self._everywhere if one not in shared)
                await cancel(everywhere)
                await self._drain_events()
        except TimeoutError:
            log.error("stop took too long, cancelled", grace_seconds=self.options.grace_seconds)
        await cancel([leading, *everywhere, *events, *base])

    async def _follow_and_lead(self) -> None:
        if isinstance(self.liveness, LeaseLiveness):
            await self.liveness.start()  # before a claim is made under our identity
        elector = self._elector()
        await (elector.run(self._lead) if elector else self._lead())

    async def _lead(self) -> None:
        """Run the runnables that need leadership until the stop, then drain them."""
        self._began_to_lead = self._leads = True
        try:
            async with asyncio.TaskGroup() as group:
                tasks = spawn(group, self._leader_only)
                await self._stop.wait()
                await drain(self._leader_only)
                for task in tasks:
                    task.cancel()
        finally:
            self._leads = False

    async def _drain_events(self) -> None:
        try:
            async with asyncio.timeout(EVENTS_SECONDS):
                await self.events.drain()
        except TimeoutError:
            log.warning("last events not written", pending=self.events.statistics().pending)

    async def _freeze(self) -> None:
        await self.wait_synced()
        if self.options.gc_freeze:
            gc.freeze()

    def _elector(self) -> LeaderElector | None:
        election = self.options.election
        if election is None:
            return None
        return LeaderElector(
            self._lease_client, clock=self.clock, identity=self.identity, namespace=election.namespace,
            name=election.name, timing=election.timing, on_change=self.metrics.leader.labels(election.name).set,
            pod=self._pod, outages=self._outages,
        )  # fmt: skip

    def _sharing(self, exchange: Exchange) -> Sharing | None:
        election, liveness = self.options.election, self.liveness
        if not self.options.shards:
            return None
        if election is None or not isinstance(liveness, LeaseLiveness):
            raise ValueError("shards: replicas share work only with leader election")
        return Sharing(
            exchange, self._lease_client, clock=self.clock, identity=self.identity, namespace=election.namespace,
            name=f"{election.name}-shards", liveness=liveness, outages=self._outages,
        )  # fmt: skip

    def _default_liveness(self) -> Liveness:
        if self.options.election is None:
            return SoleReplica(self.identity)
        return LeaseLiveness(
            self._lease_client, clock=self.clock, identity=self.identity, namespace=self.options.election.namespace,
            pod=self._pod, outages=self._outages,
        )  # fmt: skip

    # --- health, metrics and servers

    def _add_checks(self) -> None:
        self.readiness.add("caches", lambda: self._inspection.caches_error() if self._started else "not started")
        self.readiness.add("event-loop", self._loop_watch.check)
        self.readiness.add("writes", self._refusals.check)
        self.metrics.follow(self._refusals.metrics)
        self.metrics.follow(self._inspection.cache_metrics)
        self.metrics.follow(self._inspection.event_metrics)

    def _controllers(self) -> list[Controller]:
        return [one for one in [*self._everywhere, *self._leader_only] if isinstance(one, Controller)]

    def _servers(self) -> list[HttpServer | EndpointServer]:
        """Return the servers to start; pages with the same address share one, endpoints do not."""
        pages: dict[str, dict[str, Page]] = {}
        if self.options.probe_address:
            probes = pages.setdefault(self.options.probe_address, {})
            probes["/healthz"] = checks_page("healthz", self.health)
            probes["/readyz"] = checks_page("readyz", self.readiness)
        if self.options.metrics_address:
            pages.setdefault(self.options.metrics_address, {}).update(self._inspection.pages(debug=self.options.debug))
        servers: list[HttpServer | EndpointServer] = [
            self._page_server(address, its_pages) for address, its_pages in pages.items()
        ]
        if self.options.endpoint_address and self._endpoints:
            limits = EndpointLimits(flood=FloodLimits(trusted_proxies=self.options.trusted_proxies))
            inbound = EndpointServer(
                self.options.endpoint_address, self._endpoints, leads=lambda: self.leads, limits=limits
            )
            self.metrics.follow(inbound.guard.metrics)
            servers.append(inbound)
        return servers

    def _page_server(self, address: str, pages: Mapping[str, Page]) -> HttpServer:
        if address != self.options.metrics_address or not self.options.metrics_secure:
            return HttpServer(address, pages)
        guard = PageGuard(self.client, self.clock)
        tls = servingcert.context(self.options.metrics_certificates)
        return HttpServer(address, pages, tls=tls, admit=guard.admit)

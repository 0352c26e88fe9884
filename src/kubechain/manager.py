"""The composition root: builds every object of a manager once, runs it, and closes it in order.

No decisions here; flags are read in `cli`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from kubechain import __version__
from kubechain.controllers.authority import POLICY
from kubechain.controllers.resources import TASK_RUNS
from kubechain.controllers.setup import (
    BRIDGE_URL,
    DEFAULT_MAX_CONCURRENT_RUNS,
    Clients,
    Isolation,
    Settings,
    add_controllers,
)
from kubechain.humans import channels
from kubechain.llm.provider_client import ProviderClient
from kubechain.mcp.manager import ConnectionManager
from kubechain.net.addresses import AddressPolicy
from kubechain.observability import tracing
from kubechain.observability.audit import Auditor
from kubechain.observability.chain import Chain
from kubechain.observability.emitter import Emitter
from kubechain.observability.tracer import Tracer
from kubechain.observability.tracing import SpanExporter
from kubechain.observability.witness import Witness
from kubechain.runtime import kubeconfig
from kubechain.runtime.clock import Clock, SystemClock
from kubechain.runtime.credentials import Cluster, ConfigError, own_namespace
from kubechain.runtime.events import WORKERS as EVENT_WORKERS
from kubechain.runtime.http import HttpExchange
from kubechain.runtime.manager import GRACE_SECONDS, POD_VARIABLE, Election, Manager, Options
from kubechain.runtime.proxies import Network
from kubechain.runtime.telemetry import NO_TELEMETRY, Telemetry
from kubechain.runtime.transport import Exchange
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.external_api import ExternalAPIClient

GC_THRESHOLD = (50_000, 50, 100)
"""Objects of a reconcile are freed by reference counting; the collector is needed only for rare cycles."""

USER_AGENT = f"kubechain/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerOptions:
    """Options of a manager.

    Attributes:
        kubeconfig: None for kubectl's search order, or the in-cluster config.
        context: Of the kubeconfig; None for the current one.
        namespaces: To watch; none means all.
        leader_elect: Whether to use leader election.
        leader_election_namespace: Of the Lease; None for the pod's own, or the context's.
        leader_election_id: Name of the Lease.
        shards: Whether replicas share the runs; needs leader election.
        probe_address: `host:port` of /healthz and /readyz; None for none.
        metrics_address: `host:port` of /metrics; None for none.
        metrics_secure: Whether to serve them over TLS, and only to those whom the API server permits it.
        metrics_certificates: Folder of `tls.crt` and `tls.key` for that; None makes a certificate at each start.
        debug: Whether to serve /debug at `metrics_address`.
        endpoint_address: `host:port` of the inbound endpoints, such as callbacks; None for none.
        trusted_proxies: Networks of proxies in front of the inbound endpoints, whose X-Forwarded-For counts.
        grace_seconds: Limit for an ordered stop.
        max_concurrent_runs: Runs that may wait for a model at the same time.
        allowed_addresses: Networks and host names that HTTP tools may reach although they are not public.
        allow_stdio_servers: Whether MCP servers may run as child processes of this one.
        isolate_servers: Whether MCP servers may run in Pods of their own.
        bridge_image: Image with the bridge for them; None for that of the manager's own Pod.
        bridge_url: Of each of them, with `{service}` and `{namespace}`; None for its Service in the cluster.
        require_verified_approvals: Whether decisions count only where the API server verified who made them.
        admission_policy: Name of the policy that compares who decides with who writes; empty for none.
        audit_log: File of the audit log, `-` for standard output; None for none.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    leader_elect: bool = False
    leader_election_namespace: str | None = None
    leader_election_id: str = "kubechain.humanlayer.dev"
    shards: bool = False
    probe_address: str | None = None
    metrics_address: str | None = None
    metrics_secure: bool = False
    metrics_certificates: str | None = None
    debug: bool = False
    endpoint_address: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    grace_seconds: float = GRACE_SECONDS
    max_concurrent_runs: int = DEFAULT_MAX_CONCURRENT_RUNS
    allowed_addresses: tuple[str, ...] = ()
    allow_stdio_servers: bool = True
    isolate_servers: bool = False
    bridge_image: str | None = None
    bridge_url: str | None = None
    require_verified_approvals: bool = False
    admission_policy: str = POLICY
    audit_log: str | None = None


async def run_manager(
    options: ManagerOptions,
    *,
    stop: asyncio.Event,
    exchange: Exchange | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Run a manager until `stop` is set.

    Args:
        options: Of the manager.
        stop: Starts an ordered stop.
        exchange: To the API server; None connects to the cluster of the options.
        on_ready: Called once, when every cache is filled.

    Raises:
        ConfigError: The configuration of the cluster is missing or invalid.
        ExceptionGroup: With the failures, such as LeadershipLost.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        cluster = None if exchange else kubeconfig.load(clock=clock, path=options.kubeconfig, context=options.context)
        exporter = _exporter(stack)
        telemetry = Emitter(exporter.export, clock) if exporter is not None else NO_TELEMETRY
        manager = _manager(options, stack, clock, exchange, cluster, telemetry)
        policy = _address_policy(options.allowed_addresses)
        clients = Clients(
            llm=await stack.enter_async_context(ProviderClient()),
            make_connections=lambda on_change: ConnectionManager(on_change=on_change),
            http=ExternalAPIClient(policy),
            engine=ContainerEngine(),
            channels=channels.kinds(policy, clock.now),
            witnesses=_witnesses(options, manager, exporter, stack),
        )
        # Half of the grace period for calls in flight; the rest for processing and writing their results.
        drain_seconds = options.grace_seconds / 2
        settings = Settings(
            max_concurrent_runs=options.max_concurrent_runs,
            drain_seconds=drain_seconds,
            allow_stdio_servers=options.allow_stdio_servers,
            isolation=_isolation(options, cluster),
            require_verified_approvals=options.require_verified_approvals,
            admission_policy=options.admission_policy,
        )
        add_controllers(manager, clients=clients, settings=settings)
        await _run(manager, stop, on_ready)


def _isolation(options: ManagerOptions, cluster: Cluster | None) -> Isolation | None:
    if not options.isolate_servers:
        return None
    pod = os.environ.get(POD_VARIABLE, "")
    around = cluster.namespace if cluster else "default"
    return Isolation(options.bridge_image or "", pod, own_namespace() or around, options.bridge_url or BRIDGE_URL)


def _exporter(stack: AsyncExitStack) -> SpanExporter | None:
    """Where spans go; None where they are not wanted. It is closed last, when all of them were made."""
    exporter = tracing.open_exporter(os.environ)
    if exporter is not None:
        stack.push_async_callback(asyncio.to_thread, exporter.close)
    return exporter


def _witnesses(
    options: ManagerOptions, manager: Manager, exporter: SpanExporter | None, stack: AsyncExitStack
) -> tuple[Witness, ...]:
    """Who is told of what is written and called, beside the metrics."""
    found: list[Witness] = []
    if exporter is not None:
        is_content_wanted = tracing.is_content_wanted(os.environ)
        runs = manager.lister(TASK_RUNS)
        found.append(Tracer(exporter.export, runs.get, manager.clock, is_content_recorded=is_content_wanted))
    if options.audit_log is not None:
        chain = _audit_chain(options.audit_log, manager)
        stack.callback(chain.close)
        found.append(Auditor(chain))
    return tuple(found)


def _audit_chain(path: str, manager: Manager) -> Chain:
    try:
        return Chain(path, lambda: manager.clock.now().isoformat(), process=manager.identity, version=__version__)
    except BlockingIOError as error:
        raise ConfigError(f'audit log: another process writes to it: "{path}"') from error
    except OSError as error:
        raise ConfigError(f'audit log: {error.strerror}: "{path}"') from error


def _address_policy(allowed: tuple[str, ...]) -> AddressPolicy:
    try:
        return AddressPolicy.parse(allowed)
    except ValueError as error:
        raise ConfigError(f"allowed addresses: {error}") from error


def _manager(
    options: ManagerOptions,
    stack: AsyncExitStack,
    clock: Clock,
    exchange: Exchange | None,
    cluster: Cluster | None,
    telemetry: Telemetry,
) -> Manager:
    lease_exchange, event_exchange, host = exchange, exchange, "embedded"
    server = ""
    if cluster is not None:
        connection = HttpExchange(cluster, user_agent=USER_AGENT)
        # Separate connections, so that renewals and Events do not wait for other requests.
        lease_exchange = HttpExchange(cluster, user_agent=f"{USER_AGENT} (leases)")
        event_exchange = HttpExchange(cluster, user_agent=f"{USER_AGENT} (events)", in_flight=EVENT_WORKERS)
        for each in (connection, lease_exchange, event_exchange):
            stack.push_async_callback(each.aclose)
        exchange, host = connection, connection.host
        server = f"{cluster.url}, {cluster.source}"
    assert exchange is not None, "either given or made"
    return Manager(
        exchange,
        clock=clock,
        lease_exchange=lease_exchange,
        event_exchange=event_exchange,
        host=host,
        server=server,
        options=_runtime_options(options, cluster),
        telemetry=telemetry,
    )


def _runtime_options(options: ManagerOptions, cluster: Cluster | None) -> Options:
    if options.shards and not options.leader_elect:
        raise ConfigError("--shards: replicas share runs only with leader election; add --leader-elect")
    if options.metrics_secure and options.metrics_address and options.metrics_address == options.probe_address:
        raise ConfigError("--metrics-secure: the probes of kubelet have no token; give them another address")
    election = None
    if options.leader_elect:
        around = cluster.namespace if cluster else "default"
        namespace = options.leader_election_namespace or own_namespace() or around
        election = Election(namespace=namespace, name=options.leader_election_id)
    return Options(
        namespaces=options.namespaces,
        election=election,
        shards=options.shards,
        probe_address=options.probe_address,
        metrics_address=options.metrics_address,
        metrics_secure=options.metrics_secure,
        metrics_certificates=options.metrics_certificates,
        debug=options.debug,
        endpoint_address=options.endpoint_address,
        trusted_proxies=options.trusted_proxies,
        grace_seconds=options.grace_seconds,
        gc_threshold=GC_THRESHOLD,
        gc_freeze=True,
    )


async def _run(manager: Manager, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(_stop_on(stop, manager)), group.create_task(_tell(manager, on_ready))]
        await manager.run()
        for task in others:
            task.cancel()


async def _stop_on(stop: asyncio.Event, manager: Manager) -> None:
    await stop.wait()
    manager.stop()


async def _tell(manager: Manager, on_ready: Callable[[], None]) -> None:
    await manager.wait_synced()
    on_ready()

"""The parts that the control loops share: built once, and passed to the `setup` of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kubechain.api.meta import StatusObject
from kubechain.controllers import resources
from kubechain.controllers.authority import POLICY, DecisionAuthority
from kubechain.controllers.buckets import Buckets
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.checks import LLMChecks
from kubechain.controllers.circuits import OpenCircuits
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.ledger import Ledger
from kubechain.controllers.namespacebudgets import BudgetBook
from kubechain.controllers.replica import Replica
from kubechain.controllers.secretnotice import SecretsNotice
from kubechain.controllers.secrets import SECRETS, SecretReader
from kubechain.controllers.toolkinds import agent, builtin, container, http, mcp, person
from kubechain.controllers.toolkinds.registry import ToolKinds
from kubechain.humans.model import ChannelKinds
from kubechain.llm.client import LLMClient
from kubechain.mcp.manager import ConnectionManager
from kubechain.mcp.model import ServerKey
from kubechain.observability.meter import Meter
from kubechain.observability.runmeter import RunMeter
from kubechain.observability.steps import StepSpans
from kubechain.observability.witness import Witness, Witnesses
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import Resource, metadata_only
from kubechain.runtime.sources import Trigger
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.external_api import ExternalAPIClient

T = TypeVar("T", bound="StatusObject[Any, Any]")

DEFAULT_MAX_CONCURRENT_RUNS = 1_000
"""A run that waits for its model takes about 70 KiB (`bench.memory`); the limits of the providers are lower."""


BRIDGE_URL = "http://{service}.{namespace}.svc:8080/mcp"
"""How the bridge of an MCP server in a Pod is reached from within the cluster."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """How MCP servers are run in Pods of their own.

    Attributes:
        image: That has the bridge; empty is the image of the manager's own Pod.
        pod: Name of that Pod; empty outside of a cluster.
        namespace: Of that Pod.
        url: Of a server's bridge, with its `service` and `namespace`.
    """

    image: str = ""
    pod: str = ""
    namespace: str = ""
    url: str = BRIDGE_URL


@dataclass(frozen=True, slots=True)
class Settings:
    """How the loops work.

    Attributes:
        max_concurrent_runs: Runs that may wait for a model at the same time.
        drain_seconds: How long model calls in flight may go on after the manager began to stop.
        allow_stdio_servers: Whether MCP servers may run as child processes of this one.
        isolation: How they are run in Pods of their own; None where they are not.
        require_verified_approvals: Whether decisions count only where the API server verified who made them.
        admission_policy: Name of the policy that compares who decides with who writes, and of its binding.
    """

    max_concurrent_runs: int = DEFAULT_MAX_CONCURRENT_RUNS
    drain_seconds: float = 20.0
    allow_stdio_servers: bool = True
    isolation: Isolation | None = None
    require_verified_approvals: bool = False
    admission_policy: str = POLICY


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of the loops; they are closed by the code that made them.

    Attributes:
        make_connections: Makes the manager of MCP connections, given the function to call when a connection changes.
        engine: Runs containers where the API server has no Jobs.
        channels: The types of contact channels.
        witnesses: Told of what is written and called, beside the metrics.
    """

    llm: LLMClient
    make_connections: Callable[[Callable[[ServerKey], None]], ConnectionManager]
    http: ExternalAPIClient
    engine: ContainerEngine
    channels: ChannelKinds = field(default_factory=ChannelKinds)
    witnesses: tuple[Witness, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that the control loops share.

    Attributes:
        llm_checks: Also triggers the loop of LLMs.
        connection_changed: Enqueues an MCPServer whose connection has another state.
        witness: Told of what is written and called.
        step_spans: Starts the spans of steps.
        meter: Counters and histograms.
    """

    manager: Manager
    settings: Settings
    llm: LLMClient
    llm_checks: LLMChecks
    circuits: OpenCircuits
    secrets: SecretReader
    connections: ConnectionManager
    connection_changed: Trigger
    tool_kinds: ToolKinds
    replica: Replica
    authority: DecisionAuthority
    channels: ChannelDirectory
    budget_book: BudgetBook
    witness: Witness
    step_spans: StepSpans
    meter: Meter
    buckets: Buckets

    def writer(self, resource: Resource[T], component: str) -> StatusWriter[T]:
        """The writer of one kind's status; its events come from `component`."""
        recorder = self.manager.recorder(component)
        return StatusWriter(resource, self.manager.client, recorder, self.witness, self.step_spans)


def build(manager: Manager, *, clients: Clients, settings: Settings) -> Parts:
    """Make the parts for the loops of one manager."""
    secrets = _secrets(manager)
    connection_changed = Trigger()
    authority = DecisionAuthority(manager.client, settings.require_verified_approvals, settings.admission_policy)
    manager.add_runnable(authority, needs_leader=manager.gate is None)
    buckets = Buckets(manager)
    connections = clients.make_connections(lambda key: connection_changed.enqueue(Request(key.namespace, key.name)))
    check_llm = Trigger()
    meter = Meter(manager.metrics.registry)
    return Parts(
        manager=manager,
        settings=settings,
        llm=clients.llm,
        llm_checks=LLMChecks(check_llm, manager.clock, manager.sharing),
        circuits=OpenCircuits(check_llm, manager.sharing),
        secrets=secrets,
        connections=connections,
        connection_changed=connection_changed,
        tool_kinds=_tool_kinds(manager, clients, secrets, connections),
        replica=Replica(manager.identity, manager.liveness),
        authority=authority,
        channels=ChannelDirectory(clients.channels, secrets),
        budget_book=_budget_book(manager),
        witness=Witnesses(RunMeter(meter, manager.clock), *clients.witnesses),
        step_spans=StepSpans(manager.telemetry, manager.lister(resources.TASK_RUNS).get, manager.clock.now),
        meter=meter,
        buckets=buckets,
    )


def _secrets(manager: Manager) -> SecretReader:
    watched = manager.informer(metadata_only(SECRETS))
    manager.add_runnable(SecretsNotice(watched, manager.options.namespaces), needs_leader=False)
    return SecretReader(manager.client, watched.lister, manager.clock, watched.follows)


def _budget_book(manager: Manager) -> BudgetBook:
    ledger = Ledger()
    manager.informer(resources.TASK_RUNS).add_handler(ledger.on_change)
    return BudgetBook(manager.lister(resources.BUDGETS), ledger, manager.clock)


def _tool_kinds(manager: Manager, clients: Clients, secrets: SecretReader, connections: ConnectionManager) -> ToolKinds:
    """The table of all sorts of tools, in the order in which a model is offered what they provide."""
    rows = (
        mcp.tool_kind(manager.lister(resources.MCP_SERVERS), connections, secrets),
        agent.tool_kind(manager.lister(resources.AGENTS)),
        http.tool_kind(clients.http, secrets),
        container.tool_kind(container.Containers(manager.client, manager.clock, clients.engine, secrets)),
        builtin.tool_kind(manager.clock),
        person.tool_kind(manager.lister(resources.CONTACT_CHANNELS)),
    )
    return ToolKinds(manager.lister(resources.TOOLS), rows)

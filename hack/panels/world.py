"""What the picture shows: two teams, their agents, models and people, and a provider that fails for a while.

The manager, the API server and Prometheus are programs of their own; models, tools and people are played here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from test.e2e import planes, processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import (
    API_VERSION,
    a_secret,
    a_task,
    an_agent,
    an_api_tool,
    an_llm,
    an_mcp_server,
    refs,
)
from test.e2e.model import Answer, Ask, Call, Failure, MockModel, asks
from test.e2e.processes import Program, free_port
from test.e2e.servers.endpoint import Endpoint
from test.e2e.servers.peers import QUICK
from test.e2e.test_approvals import decide
from test.prometheus.server import Prometheus

SCRAPE_SECONDS: Final = 5

SUPPORT: Final = "support"
RESEARCH: Final = "research"

DOWN: Final = (0.45, 0.6)
"""From when to when, as shares of the whole time, the provider of the strong model answers 503."""

HICCUPS: Final = 0.04
"""The part of the model calls that fails by chance."""

REJECTED: Final = 0.25
"""The part of the requests that people reject."""

DECIDED_SECONDS: Final = (8.0, 45.0)
"""How long a person takes to decide."""


@dataclass(slots=True)
class Model:
    """How the models answer: after a while, by what they are asked, and now and then not at all.

    Attributes:
        seconds: The shortest and the longest time of an answer.
        random: Of this model.
        is_down: Whether its provider fails now.
    """

    seconds: tuple[float, float]
    random: Random
    is_down: Callable[[], bool] = lambda: False

    def respond(self, call: Call) -> Answer:
        """The answer to a call, after its time."""
        if self.is_down():
            return Failure(503)
        time.sleep(self.random.uniform(*self.seconds))
        if self.random.random() < HICCUPS:
            return Failure(500)
        question = next(one["content"] for one in call.messages if one["role"] == "user")
        return _answer(str(question).partition(" ")[0], len(call.results))


def _answer(verb: str, results: int) -> Answer:
    """The next step of a story, which its first word names."""
    match verb, results:
        case "Find", 0:
            return asks(Ask("search-orders", {"text": "order"}))
        case "Refund", 0:
            return asks(Ask("refund", {"text": "order"}))
        case "Compare", 0:
            return asks(Ask("delegate_to_agent__reader", {"message": "Read this."}))
        case "Compare", 1:
            return asks(Ask("notes__note", {"text": "one", "seconds": 1.5}), Ask("notes__note", {"text": "two"}))
        case "Break", _:
            return Failure(400)
        case _:
            return "Done."


@dataclass(slots=True)
class World:
    """A manager at work.

    Attributes:
        prometheus: What scrapes it.
        namespaces: By name.
        random: Of people.
        began: When the work began, in seconds of the monotonic clock, and how many `seconds` it goes on.
    """

    prometheus: Prometheus
    namespaces: dict[str, Namespace]
    random: Random
    began: float = 0.0
    seconds: float = 1.0
    _count: int = 0
    _decides_at: dict[str, float] = field(default_factory=dict[str, float])

    def is_down(self) -> bool:
        """Whether the provider of the strong model fails now."""
        share = (time.monotonic() - self.began) / self.seconds
        return DOWN[0] < share < DOWN[1]

    def work(self, seconds: float) -> None:
        """Let people ask for runs and decide about requests, for a time."""
        self.began, self.seconds = time.monotonic(), seconds
        while (left := self.began + seconds - time.monotonic()) > 0:
            self._ask()
            self._decide()
            time.sleep(min(left, self.random.uniform(1.0, 3.5)))

    def _ask(self) -> None:
        """A few new runs."""
        self._count += 1
        number, more = self._count, 2 if self._count % 12 < 4 else 0
        support = [_task("triage", "Find", f"find-{number}-{one}") for one in range(1 + more)]
        if number % 3 == 0:
            support.append(_task("refunds", "Refund", f"refund-{number}"))
        if number % 7 == 0:
            support.append(_task("triage", "Break", f"break-{number}"))
        self.namespaces[SUPPORT].apply(*support)
        if number % 3 == 1:
            self.namespaces[RESEARCH].apply(_task("analyst", "Compare", f"compare-{number}"))

    def _decide(self) -> None:
        """Decide what has waited for long enough: a person takes some time."""
        support = self.namespaces[SUPPORT]
        for request in support.list("humanrequests"):
            name, now = request["metadata"]["name"], time.monotonic()
            if request.get("status", {}).get("phase") != "Open":
                continue
            if now > self._decides_at.setdefault(name, now + self.random.uniform(*DECIDED_SECONDS)):
                decide(support, "Reject" if self.random.random() < REJECTED else "Approve", name)


def _task(agent: str, verb: str, name: str) -> dict[str, Any]:
    return a_task(name, agent=agent, message=f"{verb} what {name} is about.")


@contextmanager
def a_world(folder: Path) -> Generator[World]:
    """Start it; everything ends with the block."""
    with ExitStack() as stack:
        cluster = stack.enter_context(planes.embedded(folder, folder / "control-plane.log"))
        model, orders = stack.enter_context(MockModel()), stack.enter_context(Endpoint(delay_seconds=0.4))
        prometheus = stack.enter_context(_observed(cluster, folder))
        namespaces = {name: Namespace(cluster, name) for name in (SUPPORT, RESEARCH)}
        world = World(prometheus, namespaces, Random(5))
        _play(model, world)
        for name in namespaces:
            cluster.kubectl("create", "namespace", name)
        _furnish(namespaces, model.base_url, orders, folder)
        yield world


@contextmanager
def _running(program: Program) -> Generator[Program]:
    program.start()
    try:
        yield program
    finally:
        program.stop()


@contextmanager
def _observed(cluster: Cluster, folder: Path) -> Generator[Prometheus]:
    """A manager, and the Prometheus that scrapes it."""
    address = f"127.0.0.1:{free_port()}"
    flags = ("--leader-elect", f"--metrics-bind-address={address}", "--allow-addresses=127.0.0.0/8")
    prometheus = Prometheus(address, folder, scrape_seconds=SCRAPE_SECONDS)
    with _running(processes.manager(cluster.kubeconfig, folder / "manager.log", *flags)), _running(prometheus.program):
        yield prometheus


def _play(model: MockModel, world: World) -> None:
    """Give each model its speed and size."""
    parts = {
        "finch-mini": ((0.4, 2.2), (900, 140), lambda: False),
        "heron-2": ((1.0, 5.0), (4200, 900), world.is_down),
        "owl-1": ((2.0, 4.5), (4200, 600), lambda: False),
    }
    for number, (name, (seconds, usage, is_down)) in enumerate(parts.items()):
        model[name].respond = Model(seconds, Random(number), is_down).respond
        model[name].usage = usage


def _furnish(namespaces: dict[str, Namespace], base_url: str, orders: Endpoint, folder: Path) -> None:
    """Agents, models, tools and budgets of both teams."""
    shared: dict[str, Any] = {"base_url": base_url, "maxConcurrentRequests": 3}
    fast = an_llm("fast", model="finch-mini", prices=_prices("0.5", "2"), **shared)
    strong = an_llm("strong", model="heron-2", prices=_prices("3", "15"), fallbacks=refs("spare"), **shared)
    spare = an_llm("spare", model="owl-1", prices=_prices("2", "8"), **shared)
    search = an_api_tool("search-orders", url=orders.url("/look"), semantics="Idempotent")
    refund = an_api_tool("refund", url=orders.url("/pay"), requiresApproval=True)
    notes = an_mcp_server("notes", type="stdio", command=sys.executable, args=[str(QUICK), str(folder / "notes")])
    namespaces[SUPPORT].apply(
        *(a_secret(), fast, strong, spare, search, refund),
        an_agent("triage", llm="fast", tools=refs("search-orders")),
        an_agent("refunds", llm="strong", tools=refs("refund")),
        _budget("month", maxCost="6"),
    )
    namespaces[RESEARCH].apply(
        *(a_secret(), strong, spare, notes),
        an_agent("reader", llm="strong"),
        an_agent("analyst", llm="strong", mcpServers=refs("notes"), subAgents=refs("reader")),
        _budget("month", maxCost="8", maxTokens=2_500_000),
    )


def _prices(tokens_in: str, tokens_out: str) -> dict[str, str]:
    return {"inputPerMillion": tokens_in, "outputPerMillion": tokens_out}


def _budget(name: str, **limits: Any) -> dict[str, Any]:
    spec = {"period": "Month", **limits}
    return {"apiVersion": API_VERSION, "kind": "Budget", "metadata": {"name": name}, "spec": spec}

"""A real Prometheus scrapes a real manager: every query of the dashboard and of the alerts finds something."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack import dashboard
from hack.panels.series import Span, interpolated
from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import API_VERSION, a_builtin, a_secret, a_task, an_agent, an_llm, an_mcp_server, refs
from test.e2e.model import ANSWER, Answer, Ask, Call, Failure, MockModel, asks
from test.e2e.processes import Program
from test.e2e.servers.peers import QUICK
from test.e2e.test_approvals import decide
from test.prometheus.programs import promtool
from test.prometheus.server import Prometheus, get
from test.prometheus.test_rules import expressions

pytestmark = pytest.mark.xdist_group("prometheus")

PRICES = {"inputPerMillion": "1000", "outputPerMillion": "1000"}


def respond(call: Call) -> Answer:
    """Each message of a user is a story of its own."""
    question = next(one["content"] for one in call.messages if one["role"] == "user")
    match question:
        case "add":
            return "Done." if call.results else asks(Ask("add", {"a": 1, "b": 2}))
        case "fail":
            return Failure(400)
        case _:
            return ANSWER


@pytest.fixture(scope="module")
def prometheus(
    cluster: Cluster,
    manager: Program,
    model: MockModel,
    make_namespace: Callable[[str], Namespace],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    """Prometheus after two rounds of runs, with one that is at its model: `_round` says of which sorts."""
    folder, namespace = tmp_path_factory.mktemp("prometheus"), make_namespace("prometheus")
    address = f"127.0.0.1:{processes.free_port()}"
    prometheus = Prometheus(address, folder)
    flags = (f"--namespaces={namespace.name}", f"--metrics-bind-address={address}", "--leader-elect")
    own = processes.manager(cluster.kubeconfig, folder / "manager.log", *flags)
    notes = an_mcp_server("notes", type="stdio", command=sys.executable, args=[str(QUICK), str(folder / "notes")])
    assert manager.stop() == 0
    try:
        own.start()
        prometheus.program.start()
        _apply(namespace, model)
        namespace.apply(notes)
        for number in (1, 2):
            _round(namespace, model, number)
            # A rate needs each series before and after its increase.
            prometheus.wait_for_scrapes(3)
        with model[namespace.name].held():
            # The gauges of an LLM tell of it while it is in use.
            namespace.apply(a_task("held", message="hello"))
            namespace.wait("taskrun/held-1", "{.status.phase}", "SendContextWindowToLLM")
            yield prometheus
    finally:
        prometheus.program.stop()
        own.stop()
        manager.start()


def _apply(namespace: Namespace, model: MockModel) -> None:
    model[namespace.name].respond = respond
    model[f"{namespace.name}-down"].respond = lambda call: Failure(503)
    llm = an_llm(base_url=model.base_url, model=namespace.name, prices=PRICES, maxConcurrentRequests=1)
    tool = a_builtin(requiresApproval=True)
    down = an_llm("down", base_url=model.base_url, model=f"{namespace.name}-down", fallbacks=refs("gpt-4o"))
    namespace.apply(a_secret(), llm, down, tool, an_agent(tools=refs("add")), an_agent("falls-back", llm="down"))
    limits = {"maxTokens": 100_000}
    namespace.apply({"apiVersion": API_VERSION, "kind": "Budget", "metadata": {"name": "month"}, "spec": limits})


def _round(namespace: Namespace, model: MockModel, number: int) -> None:
    """One run of each sort; the first two wait for one slot of the LLM."""
    script = model[namespace.name]
    with script.held():
        for place, phase in enumerate(("SendContextWindowToLLM", "ReadyForLLM")):
            namespace.apply(a_task(f"plain-{number}-{place}", message="hello"))
            namespace.wait(f"taskrun/plain-{number}-{place}-1", "{.status.phase}", phase)
    script.respond = _flaky(respond)
    namespace.apply(a_task(f"flaky-{number}", message="hello"))
    namespace.finished(f"flaky-{number}-1")
    namespace.apply(a_task(f"falls-back-{number}", agent="falls-back", message="hello"))
    namespace.finished(f"falls-back-{number}-1")
    script.respond = respond
    namespace.apply(a_task(f"failed-{number}", message="fail"), a_task(f"add-{number}", message="add"))
    namespace.finished(f"failed-{number}-1", "Failed")
    decide(namespace, "Approve", f"add-{number}-1-t0-c0")
    namespace.finished(f"add-{number}-1")
    namespace.apply(a_task(f"waits-{number}", message="add"), _without_agent(f"alone-{number}"))
    namespace.wait(f"hr/waits-{number}-1-t0-c0", "{.status.phase}", "Open")


def _without_agent(name: str) -> dict[str, Any]:
    """A run that waits."""
    spec = {"agentRef": {"name": "nobody"}, "userMessage": "hello"}
    return {"apiVersion": API_VERSION, "kind": "TaskRun", "metadata": {"name": name}, "spec": spec}


def _flaky(then: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """A model whose first answer is a failure that passes."""
    failures: list[Answer] = [Failure(500)]
    return lambda call: failures.pop() if failures else then(call)


SPAN = Span(0, 1, 75)
"""Rates over five minutes."""


def test_every_query_of_the_dashboard_finds_something(prometheus: Prometheus) -> None:
    prometheus.until_found([interpolated(query, SPAN) for query in dashboard.queries()])


def test_every_line_of_the_dashboard_has_a_name(prometheus: Prometheus) -> None:
    """Each label of a legend has a value in each series that is found."""
    panels: list[dict[str, Any]] = json.loads(dashboard.text())["panels"]
    targets: list[dict[str, str]] = [target for panel in panels for target in panel.get("targets", [])]
    nameless = [
        (target["expr"], one["metric"])
        for target in targets
        for one in prometheus.ask("query", query=interpolated(target["expr"], SPAN))
        if not all(one["metric"].get(label) for label in re.findall(r"{{(\w+)}}", target["legendFormat"]))
    ]
    assert nameless == []


def test_every_query_of_the_alerts_finds_something_once_it_has_no_threshold(prometheus: Prometheus) -> None:
    bare = [re.sub(r"\s[<>]\s[0-9.]+", "", expression) for expression in expressions()]
    unknown = [query for query in bare if "unknown_outcomes" in query]
    assert len(unknown) == 1
    prometheus.until_found([query for query in bare if query not in unknown])


def test_promtool_finds_no_fault_with_the_metrics(prometheus: Prometheus) -> None:
    config = yaml.safe_load((Path(prometheus.program.arguments[0].partition("=")[2])).read_text())
    [target] = config["scrape_configs"][0]["static_configs"][0]["targets"]
    promtool("check", "metrics", stdin=get(f"http://{target}/metrics"))

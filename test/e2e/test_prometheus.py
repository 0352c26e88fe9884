"""A real Prometheus scrapes a real manager: every query of the dashboard and of the alerts finds something."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack import dashboard
from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import API_VERSION, a_builtin, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.model import ANSWER, Answer, Ask, Call, Failure, MockModel, asks
from test.e2e.processes import Program
from test.e2e.test_approvals import decide
from test.prometheus.programs import program, promtool
from test.prometheus.test_rules import expressions

pytestmark = pytest.mark.xdist_group("prometheus")

DEADLINE_SECONDS = 90.0
SCRAPE_SECONDS = 1.0

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: kubechain-metrics
    honor_labels: true
    static_configs:
      - targets: ["{target}"]
        labels: {{namespace: kubechain-system}}
"""
PRICES = {"inputPerMillion": "1000", "outputPerMillion": "1000"}


def get(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as reply:
        return reply.read()


class Prometheus:
    """Prometheus, scraping one manager every second."""

    def __init__(self, target: str, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{processes.free_port()}"
        (folder / "prometheus.yml").write_text(CONFIG.format(target=target))
        arguments = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        command = (str(program("prometheus")),)
        self.program = Program(arguments, folder / "prometheus.log", f"{self.url}/-/ready", command=command)

    def query(self, query: str) -> list[float]:
        """The values that a query finds, without those that are no number."""
        found: dict[str, Any] = json.loads(get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"))
        assert found["status"] == "success", found
        values = [float(one["value"][1]) for one in found["data"]["result"]]
        return [value for value in values if not math.isnan(value)]

    def until_found(self, queries: list[str]) -> None:
        """Wait until every query finds something."""
        deadline, left = time.monotonic() + DEADLINE_SECONDS, queries
        while left := [query for query in left if not self.query(query)]:
            assert time.monotonic() < deadline, f"nothing found by: {left}"
            self.wait_for_scrapes(1)

    def wait_for_scrapes(self, count: int) -> None:
        """Return when there are so many scrapes more than now."""
        assert self.program.popen is not None
        for _ in range(count):
            with pytest.raises(subprocess.TimeoutExpired):
                self.program.popen.wait(SCRAPE_SECONDS)


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
    """Prometheus after two rounds of runs: with a tool, failed, waiting for a person, with a retry, within a Budget."""
    folder, namespace = tmp_path_factory.mktemp("prometheus"), make_namespace("prometheus")
    address = f"127.0.0.1:{processes.free_port()}"
    prometheus = Prometheus(address, folder)
    flags = (f"--namespaces={namespace.name}", f"--metrics-bind-address={address}", "--leader-elect")
    own = processes.manager(cluster.kubeconfig, folder / "manager.log", *flags)
    assert manager.stop() == 0
    try:
        own.start()
        prometheus.program.start()
        _apply(namespace, model)
        for number in (1, 2):
            _round(namespace, model, number)
            # A rate needs each series before and after its increase.
            prometheus.wait_for_scrapes(3)
        yield prometheus
    finally:
        prometheus.program.stop()
        own.stop()
        manager.start()


def _apply(namespace: Namespace, model: MockModel) -> None:
    model[namespace.name].respond = respond
    llm = an_llm(base_url=model.base_url, model=namespace.name, prices=PRICES, maxConcurrentRequests=1)
    tool = a_builtin(requiresApproval=True)
    namespace.apply(a_secret(), llm, tool, an_agent(tools=refs("add")))
    limits = {"maxTokens": 100_000}
    namespace.apply({"apiVersion": API_VERSION, "kind": "Budget", "metadata": {"name": "month"}, "spec": limits})


def _round(namespace: Namespace, model: MockModel, number: int) -> None:
    """One run of each sort; the first two wait for one slot of the LLM."""
    script = model[namespace.name]
    with script.held():
        namespace.apply(*(a_task(f"plain-{number}-{place}", message="hello") for place in range(2)))
        namespace.wait(f"taskrun/plain-{number}-1-1", "{.status.phase}", "ReadyForLLM")
    script.respond = _flaky(respond)
    namespace.apply(a_task(f"flaky-{number}", message="hello"))
    namespace.finished(f"flaky-{number}-1")
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


def test_every_query_of_the_dashboard_finds_something(prometheus: Prometheus) -> None:
    variables = (("$__rate_interval", "5m"), ("$namespace", ".*"))
    queries = dashboard.queries()
    for variable, value in variables:
        queries = [query.replace(variable, value) for query in queries]
    prometheus.until_found(queries)


def test_every_query_of_the_alerts_finds_something_once_it_has_no_threshold(prometheus: Prometheus) -> None:
    bare = [re.sub(r"\s[<>]\s[0-9.]+", "", expression) for expression in expressions()]
    unknown = [query for query in bare if "unknown_outcomes" in query]
    assert len(unknown) == 1
    prometheus.until_found([query for query in bare if query not in unknown])


def test_promtool_finds_no_fault_with_the_metrics(prometheus: Prometheus) -> None:
    config = yaml.safe_load((Path(prometheus.program.arguments[0].partition("=")[2])).read_text())
    [target] = config["scrape_configs"][0]["static_configs"][0]["targets"]
    promtool("check", "metrics", stdin=get(f"http://{target}/metrics"))

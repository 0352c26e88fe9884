"""Two managers that share the runs, as processes: one is killed, stopped or stands still while both work."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import API_VERSION, a_secret, an_agent, an_api_tool, an_llm
from test.e2e.model import ANSWER, Answer, Ask, Call, MockModel, asks
from test.e2e.processes import Program
from test.e2e.servers.endpoint import Endpoint

COUNT = 200
DEADLINE_SECONDS = 300.0
"""A Lease runs out after 30 s; the rest is for two cores that have other things to do."""


@pytest.fixture
def alone(
    make_namespace: Callable[[str], Namespace], request: pytest.FixtureRequest, manager: Program
) -> Iterator[Namespace]:
    """A namespace in which the session's manager does not work."""
    assert manager.stop() == 0
    yield make_namespace(f"shards-{request.node.callspec.id}")
    manager.start()


def a_run(number: int) -> dict[str, object]:
    spec = {"agentRef": {"name": "my-assistant"}, "userMessage": f"order {number}"}
    return {"apiVersion": API_VERSION, "kind": "TaskRun", "metadata": {"name": f"run-{number}"}, "spec": spec}


def paying(call: Call) -> Answer:
    """Pay for the order once, then answer."""
    return ANSWER if call.results else asks(Ask("pay", {"text": call.messages[1]["content"]}))


def go_on(program: Program) -> None:
    assert program.popen is not None
    program.popen.send_signal(signal.SIGCONT)


def stand_still(program: Program) -> None:
    assert program.popen is not None
    program.popen.send_signal(signal.SIGSTOP)


def stop(program: Program) -> None:
    assert program.stop() == 0


@pytest.mark.parametrize(
    ("strike", "later"),
    [
        pytest.param(Program.kill, Program.start, id="killed"),
        pytest.param(stop, Program.start, id="stopped"),
        pytest.param(stand_still, go_on, id="frozen"),
    ],
)
def test_no_payment_is_made_twice_and_every_run_ends_while_replicas_come_and_go(
    strike: Callable[[Program], object], later: Callable[[Program], object],
    alone: Namespace, cluster: Cluster, model: MockModel, tmp_path: Path,
) -> None:  # fmt: skip
    script = model[alone.name]
    script.respond = paying
    with ExitStack() as stack:
        endpoint = stack.enter_context(Endpoint(delay_seconds=0.05))
        shared = [
            "--leader-elect", "--shards", f"--leader-election-namespace={alone.name}", f"--namespaces={alone.name}",
            "--allow-addresses=127.0.0.1",
        ]  # fmt: skip
        replicas = [
            processes.manager(cluster.kubeconfig, tmp_path / f"{pod}.log", *shared, environment={"POD_NAME": pod})
            for pod in ("one", "other")
        ]
        for program in replicas:
            program.start()
            stack.callback(program.kill)
        llm = an_llm(base_url=model.base_url, model=alone.name)
        alone.apply(a_secret(), llm, an_api_tool("pay", url=endpoint.url("/pay")), an_agent(tools=[{"name": "pay"}]))
        alone.wait("agent/my-assistant", "{.status.ready}", "true")
        script.gate.set()
        alone.apply(*(a_run(number) for number in range(COUNT)))
        for _ in range(COUNT // 10):
            endpoint.wait_for_hit(timeout_seconds=DEADLINE_SECONDS)
        strike(replicas[0])
        alone.until(
            lambda: len(ended(alone)) >= COUNT // 2, watch="taskrun", what="the other replica works",
            timeout_seconds=DEADLINE_SECONDS,
        )  # fmt: skip
        later(replicas[0])
        alone.until(
            lambda: len(ended(alone)) == COUNT, watch="taskrun", what="every run ends",
            timeout_seconds=DEADLINE_SECONDS,
        )  # fmt: skip
        for program in replicas:
            assert program.stop() == 0
    paid = Counter(hit.text for hit in endpoint.hits)
    assert set(paid.values()) == {1}
    unknown = [call for call in alone.list("taskruntoolcall") if call["status"]["phase"] == "OutcomeUnknown"]
    assert COUNT - len(paid) <= len(unknown) < COUNT // 2
    assert all("buckets moved" in program.log.read_text() for program in replicas)


def ended(namespace: Namespace) -> list[str]:
    runs = namespace.kubectl("get", "taskrun", "-o", "jsonpath={.items[*].status.phase}").out.split()
    assert set(runs) & {"Failed", "Cancelled"} == set()
    return [phase for phase in runs if phase == "FinalAnswer"]

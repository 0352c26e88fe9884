"""The manager as a process: its flags, its end, its log, and that only one works."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hack import metrics_page
from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import KEY, QUESTION, SYSTEM, a_secret, a_task, an_agent, an_llm
from test.e2e.model import ANSWER, MockModel
from test.e2e.processes import LOST_LEADERSHIP, Program

RUN = "hello-world-task-1"
LEASE = "kubechain.humanlayer.dev"
TAKE_OVER_SECONDS = 90.0
"""The leader's lease lasts 15 s after its last renewal; that its calls are dead too is known 30 s later."""


@pytest.fixture
def alone(make_namespace: Callable[[str], Namespace], request: pytest.FixtureRequest, manager: Program) -> Namespace:
    """A namespace of the test's own, for managers that watch nothing else. The session's one works on it too."""
    return make_namespace(request.node.name.removeprefix("test_"))


@pytest.fixture
def without_manager(manager: Program) -> Iterator[None]:
    """Stop the session's manager for the time of the test."""
    assert manager.stop() == 0
    yield
    manager.start()


def a_manager(cluster: Cluster, folder: Path, name: str, *more: str, **environment: str) -> Program:
    return processes.manager(cluster.kubeconfig, folder / f"{name}.log", *more, environment=environment)


def log_lines(program: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in program.log.read_text().splitlines()]


def test_the_log_tells_a_run_in_one_line_a_transition(
    alone: Namespace, without_manager: None, cluster: Cluster, model: MockModel, tmp_path: Path
) -> None:
    program = a_manager(cluster, tmp_path, "manager", f"--namespaces={alone.name}")
    program.start()
    alone.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    alone.finished(RUN)
    assert program.stop() == 0
    told = [line for line in log_lines(program) if line.get("name") == RUN and "next_phase" in line]
    assert [(line["phase"], line["next_phase"]) for line in told] == [
        ("", "SendContextWindowToLLM"),
        ("SendContextWindowToLLM", "FinalAnswer"),
    ]
    for line in told:
        assert line["controller"] == "taskrun"
        assert line["namespace"] == alone.name
        assert line["reconcile_id"]
    text = program.log.read_text()
    for hidden in (KEY, QUESTION, SYSTEM, ANSWER):
        assert hidden not in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(cluster: Cluster, tmp_path: Path, number: signal.Signals) -> None:
    program = a_manager(cluster, tmp_path, "manager", "--namespaces=nobody-here")
    program.start()
    assert program.stop(number) == 0
    told = [(line["level"], line["message"]) for line in log_lines(program)]
    assert told[-2:] == [("info", "stopping"), ("info", "stopped")]


def test_every_metric_that_is_served_is_on_the_page(cluster: Cluster, tmp_path: Path) -> None:
    metrics, endpoint = (f"127.0.0.1:{processes.free_port()}" for _ in range(2))
    flags = (f"--metrics-bind-address={metrics}", f"--endpoint-bind-address={endpoint}", "--leader-elect", "--shards")
    program = a_manager(cluster, tmp_path, "manager", "--namespaces=nobody-here", "--leader-election-id=page", *flags)
    program.start()
    with urllib.request.urlopen(f"http://{metrics}/metrics") as reply:
        served = set(re.findall(r"^# TYPE (\S+) ", reply.read().decode(), re.MULTILINE))
    assert program.stop() == 0
    shown = set(re.findall(r"^\| `(\S+)` \|", metrics_page.PAGE.read_text(), re.MULTILINE))
    assert {name for name in served if not name.endswith("_created")} - shown == set()
    assert len(served) > 20


def test_it_works_only_in_the_namespaces_that_it_is_given(
    make_namespace: Callable[[str], Namespace],
    without_manager: None,
    cluster: Cluster,
    model: MockModel,
    tmp_path: Path,
) -> None:
    ours, theirs = make_namespace("ours"), make_namespace("theirs")
    program = a_manager(cluster, tmp_path, "manager", WATCH_NAMESPACE=ours.name)
    program.start()
    for each in (theirs, ours):
        each.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    ours.finished(RUN)
    assert program.stop() == 0
    assert theirs.list("taskrun") == []
    assert theirs.get("llm", "gpt-4o")["status"] == {"observedGeneration": -1}, "nobody looked at it"


def test_it_serves_metrics_under_the_names_of_go_operators(cluster: Cluster, tmp_path: Path) -> None:
    metrics = f"127.0.0.1:{processes.free_port()}"
    program = a_manager(cluster, tmp_path, "manager", "--namespaces=nobody", f"--metrics-bind-address={metrics}")
    program.start()
    with urllib.request.urlopen(f"http://{metrics}/metrics") as reply:
        text = reply.read().decode()
    assert program.stop() == 0
    for name in ("workqueue_depth", "controller_runtime_reconcile_total", "controller_runtime_active_workers"):
        assert name in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["--kubeconfig=/no/such/file"], "/no/such/file", id="no kubeconfig"),
        pytest.param(["--context=elsewhere"], "elsewhere", id="no such context"),
    ],
)
def test_a_wrong_way_to_the_cluster_is_told_in_a_line(
    cluster: Cluster, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    program = a_manager(cluster, tmp_path, "manager", *arguments)
    with pytest.raises(AssertionError, match="ended with 1"):
        program.start()
    [line] = [line for line in program.log.read_text().splitlines() if line.startswith("error: ")]
    assert complaint in line
    assert "Traceback" not in program.log.read_text()


def test_when_the_leader_dies_the_other_takes_over(
    alone: Namespace, without_manager: None, cluster: Cluster, model: MockModel, tmp_path: Path
) -> None:
    election = ["--leader-elect", f"--leader-election-namespace={alone.name}", f"--namespaces={alone.name}"]
    script = model[alone.name]
    alone.apply(a_secret(), an_llm(base_url=model.base_url, model=alone.name), an_agent(), a_task())
    replicas = {name: a_manager(cluster, tmp_path, name, *election, POD_NAME=name) for name in ("one", "other")}
    with ExitStack() as stack, script.held():
        for program in replicas.values():
            program.start()
            stack.callback(program.kill)
        script.wait_for_call()
        leader = holder_of(alone).partition("_")[0]
        replicas.pop(leader).kill()
        [(follower, program)] = replicas.items()
        alone.until(
            lambda: holder_of(alone).startswith(follower),
            watch="lease",
            what="the other leads",
            timeout_seconds=TAKE_OVER_SECONDS,
        )
        script.wait_for_call(timeout_seconds=TAKE_OVER_SECONDS)
        script.gate.set()
        status = alone.finished(RUN, timeout_seconds=TAKE_OVER_SECONDS)["status"]
        assert [message["role"] for message in status["contextWindow"]] == ["system", "user", "assistant"]
        assert program.stop() == 0


def test_a_process_restarted_in_its_pod_leads_at_once_and_takes_its_predecessors_work_over(
    alone: Namespace, without_manager: None, cluster: Cluster, model: MockModel, tmp_path: Path
) -> None:
    election = ["--leader-elect", f"--leader-election-namespace={alone.name}", f"--namespaces={alone.name}"]
    script = model[alone.name]
    alone.apply(a_secret(), an_llm(base_url=model.base_url, model=alone.name), an_agent(), a_task())
    first, second = (a_manager(cluster, tmp_path, name, *election, POD_NAME="the-pod") for name in ("first", "second"))
    with ExitStack() as stack, script.held():
        first.start()
        stack.callback(first.kill)
        script.wait_for_call()
        predecessor = holder_of(alone)
        first.kill()
        second.start()
        stack.callback(second.kill)
        script.wait_for_call()
        assert holder_of(alone) not in ("", predecessor)
        assert {lease["spec"]["holderIdentity"] for lease in alone.list("lease")} == {holder_of(alone)}
        script.gate.set()
        alone.finished(RUN)
        assert second.stop() == 0


def test_who_loses_the_leadership_ends_with_a_status_of_its_own(
    alone: Namespace, without_manager: None, cluster: Cluster, tmp_path: Path
) -> None:
    program = a_manager(
        cluster,
        tmp_path,
        "manager",
        "--leader-elect",
        f"--leader-election-namespace={alone.name}",
        f"--namespaces={alone.name}",
    )
    program.start()
    try:
        alone.until(lambda: holder_of(alone) != "", watch="lease", what="it leads")
        stolen = json.dumps({"spec": {"holderIdentity": "a-thief"}})
        alone.kubectl("patch", "lease", LEASE, "--type=merge", "-p", stolen)
        assert program.popen is not None
        assert program.popen.wait(30) == LOST_LEADERSHIP
    finally:
        program.kill()
    said = [line["message"] for line in log_lines(program)]
    assert any("leadership lost" in message for message in said)
    assert said[-1] == "ended without leadership, to be started again"


def holder_of(namespace: Namespace) -> str:
    """Who leads, as `<pod>_<uuid of the process>`; empty for nobody."""
    leases = [lease for lease in namespace.list("lease") if lease["metadata"]["name"] == LEASE]
    return leases[0]["spec"].get("holderIdentity", "") if leases else ""

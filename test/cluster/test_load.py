"""The manager goes while many runs are under way: no run is lost, nothing happens twice, no container is ended.

Each run calls a container and an MCP server, both at once. KUBECHAIN_LOAD says how many runs there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hack.cluster.node import Node
from hack.cluster.places import CONTAINERD_SOCKET
from test.cluster.installation import SYSTEM_NAMESPACE, Installation
from test.cluster.notes import Notes
from test.cluster.test_containers import kill, shell, upgrade
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_task, a_tool, an_agent, an_mcp_server, refs
from test.e2e.model import Answer, Ask, Call, Script, asks

RUNS = int(os.environ.get("KUBECHAIN_LOAD", "20"))
SECONDS = 60.0 + 9 * RUNS
"""A Pod takes some three seconds of two cores, and the cores do other work too."""

MESSAGE = "Note number "


@pytest.fixture
def notes(listening: Callable[[], Any]) -> Iterator[Notes]:
    with Notes(listening()) as notes:
        yield notes


def both_and_then_an_answer(call: Call) -> Answer:
    """What the model says: first both calls, then the results in the order of their ids."""
    if call.results:
        return " ".join(call.results[id] for id in sorted(call.results))
    [text] = [one["content"] for one in call.messages if one["role"] == "user"]
    return asks(Ask("box"), Ask("notes__note", {"text": text.removeprefix(MESSAGE)}))


def begin(namespace: Namespace, script: Script, notes: Notes) -> None:
    """Create all runs."""
    script.respond = both_and_then_an_answer
    namespace.apply(
        a_tool("box", toolType="container", execute={"container": shell("echo begun; sleep 5; echo ended")}),
        an_mcp_server("notes", type="http", url=f"{notes.url}/mcp"),
        an_agent(tools=refs("box"), mcpServers=refs("notes")),
    )
    namespace.wait("agent/my-assistant", "{.status.status}", "Ready")
    namespace.apply(*(a_task(f"n{number}", message=f"{MESSAGE}{number}") for number in range(RUNS)))


def wait_until_many_are_under_way(namespace: Namespace, notes: Notes) -> None:
    """Return in the middle: all runs are there, some containers run, some calls of the MCP server have begun."""

    def many() -> bool:
        running = [one for one in containers(namespace) if one["status"]["phase"] == "Running"]
        return bool(running) and len(notes.begun) >= RUNS // 4 and len(phases(namespace)) == RUNS

    namespace.until(many, watch="pods", what="many are under way", timeout_seconds=SECONDS)
    assert phases(namespace).count("FinalAnswer") <= RUNS - RUNS // 4


def containers(namespace: Namespace) -> list[dict[str, Any]]:
    return [pod for pod in namespace.list("pods") if "job-name" in pod["metadata"]["labels"]]


def phases(namespace: Namespace) -> list[str]:
    return [run.get("status", {}).get("phase", "") for run in namespace.list("taskruns")]


def finish(namespace: Namespace) -> dict[str, str]:
    """Wait for every run, and return the answers by the number of the run."""
    namespace.until(
        lambda: phases(namespace) == ["FinalAnswer"] * RUNS,
        watch="taskruns",
        what="every run has its answer",
        timeout_seconds=SECONDS,
    )
    runs = namespace.list("taskruns")
    return {run["metadata"]["name"].removeprefix("n").removesuffix("-1"): run["status"]["output"] for run in runs}


def drain(installation: Installation, node: Node | None) -> None:
    """Evict the manager from its node, which takes no Pods until that is done."""
    [pod] = installation.pods()
    chosen = "--pod-selector=app.kubernetes.io/component=manager"
    name = pod["spec"]["nodeName"]
    try:
        installation.cluster.kubectl("drain", name, chosen, "--ignore-daemonsets", "--delete-emptydir-data")
    finally:
        installation.cluster.kubectl("uncordon", name)
    installation.wait_until_ready()


def each_container_ran_once(namespace: Namespace, calls: int = RUNS) -> bool:
    """Whether each of so many calls has one Pod, which was neither killed nor started again."""
    pods = containers(namespace)
    states = [state["state"].get("terminated", {}) for pod in pods for state in pod["status"]["containerStatuses"]]
    return (
        len({pod["metadata"]["labels"]["job-name"] for pod in pods}) == len(pods) == calls
        and all(state.get("exitCode") == 0 for state in states)
        and not any(state["restartCount"] for pod in pods for state in pod["status"]["containerStatuses"])
    )


ORDERED: dict[str, Callable[[Installation, Node | None], None]] = {"a rolling upgrade": upgrade, "a node drain": drain}


@pytest.mark.timeout(2 * SECONDS + 300)
@pytest.mark.parametrize("end", ORDERED.values(), ids=ORDERED)
def test_of_an_ordered_end_under_load_no_run_knows(
    namespace: Namespace,
    script: Script,
    notes: Notes,
    installation: Installation,
    node: Node | None,
    end: Callable[[Installation, Node | None], None],
) -> None:
    begin(namespace, script, notes)
    wait_until_many_are_under_way(namespace, notes)
    end(installation, node)
    assert finish(namespace) == {str(one): f"begun\nended\n noted: {one}" for one in range(RUNS)}
    assert notes.begun == {str(one): 1 for one in range(RUNS)}
    assert each_container_ran_once(namespace)


def each_run_is_over_and_nothing_happened_twice(namespace: Namespace, notes: Notes) -> None:
    """Wait for every run; what was under way at the server when its caller ended is told to the model as unknown."""
    answers = finish(namespace)
    assert len(answers) == RUNS
    # Of a manager that ends between the claim of a call and the creation of its Job nobody knows that there was no Job.
    without_job = [number for number, answer in answers.items() if not answer.startswith("begun\nended\n ")]
    assert all("its Job is gone" in answers[number] for number in without_job)
    unknown = [number for number, answer in answers.items() if f"noted: {number}" not in answer]
    assert all("unknown" in answers[number] for number in unknown)  # nobody repeats the call
    assert notes.begun.keys() <= answers.keys()
    assert max(notes.begun.values()) == 1
    assert each_container_ran_once(namespace, RUNS - len(without_job))


@pytest.mark.timeout(2 * SECONDS + 300)
def test_a_killed_leader_loses_no_run_and_nothing_happens_twice(
    namespace: Namespace, script: Script, notes: Notes, installation: Installation, node: Node | None
) -> None:
    begin(namespace, script, notes)
    wait_until_many_are_under_way(namespace, notes)
    kill(installation, node)
    each_run_is_over_and_nothing_happened_twice(namespace, notes)


@pytest.fixture
def two(installation: Installation) -> Iterator[Installation]:
    """One manager leads and one waits."""
    installation.scale(2)
    yield installation
    installation.scale(1)


@contextmanager
def frozen(pod: dict[str, Any], node: Node) -> Generator[None]:
    """None of the processes of a Pod's container is scheduled."""
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")

    def task(what: str) -> None:
        ctr = str(node.places.program("ctr"))
        done = node.run(ctr, "-a", CONTAINERD_SOCKET, "-n", "k8s.io", "tasks", what, container)
        assert done.returncode == 0, done.stderr

    task("pause")
    try:
        yield
    finally:
        task("resume")


@pytest.mark.timeout(2 * SECONDS + 300)
def test_a_leader_that_goes_on_after_another_has_taken_over_does_nothing_twice(
    namespace: Namespace, script: Script, notes: Notes, two: Installation, node: Node | None
) -> None:
    if node is None:
        pytest.skip("needs the containers of the node")
    begin(namespace, script, notes)
    wait_until_many_are_under_way(namespace, notes)
    leader = two.leader()
    [pod] = [pod for pod in two.pods() if pod["metadata"]["name"] == leader]
    system = Namespace(two.cluster, SYSTEM_NAMESPACE)
    with frozen(pod, node):
        system.until(lambda: two.leader() not in ("", leader), watch="leases", what="the other one leads")
    each_run_is_over_and_nothing_happened_twice(namespace, notes)

"""Managers that share runs whose calls are paid for once: what the tests of shards and of partitions have in common."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kubechain.runtime.shards import model as shard_model
from test.e2e import processes
from test.e2e.cluster import Namespace
from test.e2e.manifests import API_VERSION, a_secret, an_agent, an_api_tool, an_llm
from test.e2e.model import ANSWER, Answer, Ask, Call, MockModel, asks
from test.e2e.processes import Program
from test.e2e.servers.endpoint import Endpoint

LEASE = "kubechain.humanlayer.dev"
DEADLINE_SECONDS = 300.0
"""A Lease runs out after 30 s; the rest is for two cores that have other things to do."""


def a_run(number: int) -> dict[str, object]:
    """An order of that number, without a Task."""
    spec = {"agentRef": {"name": "my-assistant"}, "userMessage": f"order {number}"}
    return {"apiVersion": API_VERSION, "kind": "TaskRun", "metadata": {"name": f"run-{number}"}, "spec": spec}


def paying(call: Call) -> Answer:
    """Pay for the order once, then answer."""
    return ANSWER if call.results else asks(Ask("pay", {"text": call.messages[1]["content"]}))


def a_replica(kubeconfig: Path, namespace: Namespace, pod: str, folder: Path) -> Program:
    """A manager of that namespace that shares, not started yet."""
    shared = (
        "--leader-elect", "--shards", f"--leader-election-namespace={namespace.name}",
        f"--namespaces={namespace.name}", "--allow-addresses=127.0.0.1",
    )  # fmt: skip
    return processes.manager(kubeconfig, folder / f"{pod}.log", *shared, environment={"POD_NAME": pod})


def arrange(namespace: Namespace, model: MockModel, endpoint: Endpoint) -> None:
    """An agent that pays for whatever it is told."""
    script = model[namespace.name]
    script.respond = paying
    llm = an_llm(base_url=model.base_url, model=namespace.name)
    namespace.apply(a_secret(), llm, an_api_tool("pay", url=endpoint.url("/pay")), an_agent(tools=[{"name": "pay"}]))
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    script.gate.set()


def ended(namespace: Namespace) -> list[str]:
    """The phases of the runs that were answered, while none ended otherwise."""
    runs = namespace.kubectl("get", "taskrun", "-o", "jsonpath={.items[*].status.phase}").out.split()
    assert set(runs) & {"Failed", "Cancelled"} == set()
    return [phase for phase in runs if phase == "FinalAnswer"]


def until_ended(namespace: Namespace, count: int, what: str) -> None:
    """Wait until so many runs were answered."""
    namespace.until(
        lambda: len(ended(namespace)) >= count, watch="taskrun", what=what, timeout_seconds=DEADLINE_SECONDS
    )


def sharers(namespace: Namespace) -> set[str]:
    """The pods that have buckets, as far as none of these moves; none while one does."""
    said = namespace.kubectl("get", "lease", f"{LEASE}-shards", "--ignore-not-found", "-o", "json").out
    found = shard_model.read(json.loads(said)["metadata"].get("annotations")) if said else None
    if found is None or any(one.heir for one in found.buckets):
        return set()
    return {holder.rpartition("_")[0] for holder in found.holders}


def until_shared(namespace: Namespace, pods: Sequence[str], what: str) -> None:
    """Wait until these pods have all buckets, and no other has one."""
    namespace.until(lambda: sharers(namespace) == set(pods), watch="lease", what=what, timeout_seconds=DEADLINE_SECONDS)


def assert_paid_once(namespace: Namespace, endpoint: Endpoint, count: int) -> None:
    """No order was paid twice, and of each that was not, nobody says that it was."""
    paid = Counter(hit.text for hit in endpoint.hits)
    assert set(paid.values()) == {1}
    unknown = [call for call in namespace.list("taskruntoolcall") if call["status"]["phase"] == "OutcomeUnknown"]
    assert count - len(paid) <= len(unknown) < count // 2

"""`kill -9` of the manager at random moments while runs call tools; the tools keep the ledger.

Every run must end with its answer. A call that is not safe to repeat is carried out at most once; one whose outcome is
unknown was in flight at a kill. KUBECHAIN_KILLS makes it longer, KUBECHAIN_SEED repeats one that failed.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import API_VERSION, a_builtin, a_secret, an_agent, an_api_tool, an_llm, an_mcp_server, refs
from test.e2e.model import Answer, Ask, Call, MockModel, asks
from test.e2e.processes import Program
from test.e2e.servers import peers
from test.e2e.servers.endpoint import Endpoint
from test.e2e.servers.peers import Ledger

RUNS = 50
KILLS = int(os.environ.get("KUBECHAIN_KILLS", "8"))
SEED = int(os.environ.get("KUBECHAIN_SEED", str(random.randrange(10**6))))
RECOVERY_SECONDS = 5.0
"""From the start of the successor to its first call of a model or a tool."""

RECORD_SECONDS = 2.0
"""A tool that answered longer than this before a kill has had its answer recorded, on a busy machine too."""

END_SECONDS = 120.0
DONE = "done"


def scripted(call: Call) -> Answer:
    """Three calls, then two, then the answer: each tells by its text which run and which call it is."""
    name = next(one["content"] for one in call.messages if one["role"] == "user")
    match sum(one["role"] == "assistant" for one in call.messages):
        case 0:
            return asks(
                Ask("pay", {"text": f"{name}-0"}, id="a"),
                Ask("look", {"text": f"{name}-1"}, id="b"),
                Ask("desk__note", {"text": f"{name}-2", "seconds": 0.2}, id="c"),
            )
        case 1:
            return asks(
                Ask("shop__note", {"text": f"{name}-3", "seconds": 0.1}, id="d"), Ask("add", {"a": 1, "b": 2}, id="e")
            )
        case _:
            return DONE


@dataclass(slots=True)
class Story:
    """What was done to the manager, and when.

    Attributes:
        kills: `time.time()` of each.
        starts: Seconds until each successor, started at once, was ready.
        recoveries: Seconds until each successor first called a model or a tool, where there was something left to do.
    """

    kills: list[float] = field(default_factory=list[float])
    starts: list[float] = field(default_factory=list[float])
    recoveries: list[float] = field(default_factory=list[float])


class Activity:
    """When models and tools were last called, by whomever."""

    def __init__(self, script_calls: list[Call], endpoint: Endpoint, ledger: Ledger) -> None:
        self._sources: list[Callable[[], int]] = [
            lambda: len(script_calls),
            lambda: len(endpoint.hits),
            lambda: sum(line["what"] == "begun" for line in ledger.lines()),
        ]

    def count(self) -> int:
        """How many calls there were."""
        return sum(source() for source in self._sources)


def a_run(name: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskRun",
        "metadata": {"name": name},
        "spec": {"agentRef": {"name": "my-assistant"}, "userMessage": name},
    }


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(delay_seconds=0.15) as endpoint:
        yield endpoint


@pytest.fixture
def manager(cluster: Cluster, logs: Path) -> Iterator[Program]:
    """A manager that this test kills."""
    program = processes.manager(cluster.kubeconfig, logs / "killed.log", "--allow-addresses=127.0.0.0/8")
    program.start()
    yield program
    assert program.popen is None or program.stop() == 0, program.tail()


def kill_and_restart(namespace: Namespace, manager: Program, activity: Activity, story: Story) -> None:
    manager.kill()
    killed_at = time.time()
    story.kills.append(killed_at)
    # What the dead one had sent may still arrive; what comes later is the successor's.
    before = settled(activity)
    has_work = not all(is_over(run) for run in namespace.list("taskrun"))
    began = time.time()
    manager.start()
    story.starts.append(time.time() - began)
    pause = threading.Event()
    while has_work and activity.count() == before:
        assert time.time() - began < END_SECONDS, manager.tail(5)
        pause.wait(0.01)
    if has_work:
        story.recoveries.append(time.time() - began)


def settled(activity: Activity) -> int:
    """The count once nothing more arrives from a process that is dead."""
    pause, before = threading.Event(), -1
    while (now := activity.count()) != before:
        before = now
        pause.wait(0.05)
    return before


def test_runs_with_tools_survive_kills(
    make_namespace: Callable[[str], Namespace],
    model: MockModel,
    endpoint: Endpoint,
    manager: Program,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    namespace, ledger = make_namespace("kills"), Ledger(tmp_path / "lines")
    script = model[namespace.name]
    script.respond = scripted
    names = [f"run-{number}" for number in range(RUNS)]
    with peers.over_http("http", ledger) as url:
        namespace.apply(
            a_secret(),
            an_llm(base_url=model.base_url, model=namespace.name),
            an_api_tool("pay", url=endpoint.url("/pay")),
            an_api_tool("look", url=endpoint.url("/look?text={text}"), method="GET", semantics="Idempotent"),
            a_builtin("add"),
            an_mcp_server("desk", **peers.quick(ledger)),
            an_mcp_server("shop", type="http", url=url),
            an_agent(tools=refs("pay", "look", "add"), mcpServers=refs("desk", "shop")),
        )
        namespace.wait("agent/my-assistant", "{.status.ready}", "true")
        story = kill_at_random(namespace, names, Activity(script.calls, endpoint, ledger), manager)
        namespace.until(
            lambda: all(is_over(run) for run in namespace.list("taskrun")),
            watch="taskrun",
            what="every run ends",
            timeout_seconds=END_SECONDS,
        )
    with capsys.disabled():
        report(story)
    calls = namespace.list("trtc")
    assert_every_run_answered(namespace.list("taskrun"), names)
    assert_effects_at_most_once(calls, endpoint, ledger)
    assert_unknown_only_in_flight(calls, story, endpoint, ledger)
    assert quantile(story.recoveries) < RECOVERY_SECONDS * crowd(), f"seed {SEED}"
    assert len([pid for pid in ledger.living() if pid]) <= 1, "no child outlives its manager"


def test_a_listed_call_that_a_kill_interrupts_is_made_again_and_any_other_one_is_reported(
    make_namespace: Callable[[str], Namespace], model: MockModel, manager: Program, tmp_path: Path
) -> None:
    namespace, ledger = make_namespace("listed"), Ledger(tmp_path / "lines")
    asked = [Ask(f"{server}__note", {"text": server, "seconds": 3.0}, id=server) for server in ("desk", "shop")]
    script = model[namespace.name]
    script.answers = [asks(*asked), DONE]
    with peers.over_http("http", ledger) as url:
        namespace.apply(
            a_secret(),
            an_llm(base_url=model.base_url, model=namespace.name),
            an_mcp_server("desk", **peers.quick(ledger), tools={"idempotent": ["n*"]}),
            an_mcp_server("shop", type="http", url=url, tools={"idempotent": ["n", "shop__note"]}),
            an_agent(mcpServers=refs("desk", "shop")),
        )
        namespace.wait("agent/my-assistant", "{.status.ready}", "true")
        namespace.apply(a_run("run"))
        pause, until = threading.Event(), time.time() + END_SECONDS
        while not all(ledger.times("begun", server) for server in ("desk", "shop")):
            assert time.time() < until, manager.tail(5)
            pause.wait(0.01)
        manager.kill()
        manager.start()
        namespace.finished("run")
    ends = {call["spec"]["toolCallId"]: call["status"]["phase"] for call in namespace.list("trtc")}
    assert ends == {"desk": "Succeeded", "shop": "OutcomeUnknown"}
    assert [ledger.times("begun", server) for server in ("desk", "shop")] == [2, 1]
    keys = {line["key"] for line in ledger.lines() if (line["what"], line["text"]) == ("begun", "desk")}
    assert len(keys - {""}) == 1, "a repeat under another key"
    results = script.calls[-1].results
    assert results["desk"] == "noted: desk"
    assert "may or may not" in results["shop"]


def kill_at_random(namespace: Namespace, names: list[str], activity: Activity, manager: Program) -> Story:
    """Start runs a few at a time, and kill the manager between."""
    dice, story, pause = random.Random(SEED), Story(), threading.Event()
    share = -(-len(names) // KILLS)
    for number in range(KILLS):
        fresh = names[number * share : (number + 1) * share]
        if fresh:
            namespace.apply(*(a_run(name) for name in fresh))
        # The moment is what is random here; nothing is waited for.
        pause.wait(dice.uniform(0.0, 1.2))
        if not all(is_over(run) for run in namespace.list("taskrun")):
            kill_and_restart(namespace, manager, activity, story)
    return story


def is_over(run: dict[str, Any]) -> bool:
    return run.get("status", {}).get("phase") in ("FinalAnswer", "Failed", "Cancelled")


def quantile(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def crowd() -> float:
    """How many share a core: where others are at work too, starting a process takes that much longer."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def report(story: Story) -> None:
    print(f"\nseed {SEED}: {len(story.kills)} kills, load {os.getloadavg()[0]:.1f}")
    for title, values in (("ready", story.starts), ("first progress", story.recoveries)):
        print(f"start to {title}: p50 {median(values):.2f} s, p99 {quantile(values):.2f} s")


def assert_every_run_answered(runs: list[dict[str, Any]], names: list[str]) -> None:
    ends = {run["metadata"]["name"]: run["status"]["phase"] for run in runs}
    assert ends == dict.fromkeys(names, "FinalAnswer"), f"seed {SEED}"
    for run in runs:
        window = run["status"]["contextWindow"]
        roles = ["system", "user", "assistant", *["tool"] * 3, "assistant", *["tool"] * 2, "assistant"]
        assert [message["role"] for message in window] == roles, f"seed {SEED}: {run['metadata']['name']}"
        ids = [message["toolCallId"] for message in window if message["role"] == "tool"]
        assert ids == ["a", "b", "c", "d", "e"]


def text_of(call: dict[str, Any]) -> str:
    """How the ledgers know a call."""
    turn, idx = call["metadata"]["name"].rsplit("-", 2)[1:]
    return f"{call['spec']['taskRunRef']['name']}-{int(turn[1:]) * 3 + int(idx[1:])}"


def assert_effects_at_most_once(calls: list[dict[str, Any]], endpoint: Endpoint, ledger: Ledger) -> None:
    assert len(calls) == 5 * RUNS, f"seed {SEED}"
    done = Counter(hit.text for hit in endpoint.hits if hit.path == "/pay")
    done.update(line["text"] for line in ledger.lines() if line["what"] == "begun")
    assert not {text: times for text, times in done.items() if times > 1}, f"seed {SEED}: done twice"
    unsafe = [call for call in calls if call["spec"]["toolRef"]["name"] in ("pay", "desk__note", "shop__note")]
    lost = [text_of(call) for call in unsafe if call["status"]["phase"] == "Succeeded" and not done[text_of(call)]]
    assert not lost, f"seed {SEED}: succeeded without having been done"
    keys: dict[str, set[str]] = {}
    for hit in endpoint.hits:
        keys.setdefault(hit.text, set()).add(hit.key)
    assert not [text for text, seen in keys.items() if len(seen) != 1], f"seed {SEED}: a repeat under another key"


def assert_unknown_only_in_flight(
    calls: list[dict[str, Any]], story: Story, endpoint: Endpoint, ledger: Ledger
) -> None:
    phases = Counter(call["status"]["phase"] for call in calls)
    assert set(phases) <= {"Succeeded", "OutcomeUnknown"}, f"seed {SEED}: {phases}"
    finished = dict(endpoint.finished) | {line["text"]: line["at"] for line in ledger.lines() if line["what"] == "done"}
    for call in calls:
        if call["status"]["phase"] != "OutcomeUnknown":
            continue
        claimed_at = datetime.fromisoformat(call["status"]["execution"]["startedAt"]).timestamp()
        killed_at = next((at for at in story.kills if at >= claimed_at), None)
        assert killed_at is not None, f"seed {SEED}: {call['metadata']['name']} was claimed after the last kill"
        ended_at = finished.get(text_of(call), killed_at)
        assert ended_at > killed_at - RECORD_SECONDS, f"seed {SEED}: {call['metadata']['name']} had been over"
    assert phases["OutcomeUnknown"] <= len(calls) // 2

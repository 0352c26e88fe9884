"""Traces of a tree of runs over OTLP, over a restart of the manager and over a change of the leader."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import QUESTION, SYSTEM, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.model import ANSWER, Answer, Ask, Call, MockModel, Script, asks
from test.e2e.processes import Program
from test.e2e.servers.collector import Collector, Received

RUN = "hello-world-task-1"
LAST = "invoke_agent my-assistant"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def alone(make_namespace: Callable[[str], Namespace], request: pytest.FixtureRequest) -> Namespace:
    """A namespace that only managers of the test watch."""
    return make_namespace(request.node.name.removeprefix("test_"))


@pytest.fixture
def without_manager(manager: Program) -> Iterator[None]:
    assert manager.stop() == 0
    yield
    manager.start()


def delegating(call: Call) -> Answer:
    """The first agent has the second one look, and answers then."""
    return ANSWER if call.results else asks(Ask("delegate_to_agent__scout", {"message": "Look."}))


def begin(namespace: Namespace, model: MockModel) -> Script:
    """The script of the second agent's model, which a test may hold."""
    scout = f"{namespace.name}-scout"
    model[namespace.name].respond = delegating
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name))
    namespace.apply(an_llm("scouting", base_url=model.base_url, model=scout))
    namespace.apply(an_agent("scout", llm="scouting"), an_agent(subAgents=refs("scout")))
    return model[scout]


def a_manager(cluster: Cluster, folder: Path, name: str, namespace: Namespace, collector: Collector) -> Program:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    flags = (f"--namespaces={namespace.name}", "--leader-elect", f"--leader-election-id={namespace.name}"[:80])
    return processes.manager(cluster.kubeconfig, folder / f"{name}.log", *flags, environment=environment)


def is_connected(spans: list[Received]) -> bool:
    ids = {span.span_id for span in spans}
    tops = [span for span in spans if not span.parent_id]
    return (
        len({span.trace_id for span in spans}) == 1
        and len(tops) == 1
        and all(span.parent_id in ids for span in spans if span.parent_id)
    )


def judge(collector: Collector) -> None:
    """One connected trace, with each part of the story once, how it was written below, and without content."""
    received = collector.until(lambda spans: any(span.name == LAST for span in spans))
    trace_id = next(span.trace_id for span in received if span.name == LAST)
    spans = [span for span in received if span.trace_id == trace_id]
    story = sorted(span.name for span in spans if span.name.startswith(("invoke_agent ", "execute_tool ")))
    assert story == ["execute_tool delegate_to_agent__scout", LAST, "invoke_agent scout"]
    assert is_connected(spans), spans
    judge_steps(spans)
    assert {span.service for span in received} == {"kubechain"}
    text = repr(received)
    for hidden in (QUESTION, SYSTEM, ANSWER):
        assert hidden not in text


def judge_steps(spans: list[Received]) -> None:
    """Each step wrote something, and each write is part of a step, whichever process made it."""
    steps = {span.span_id: span.name for span in spans if span.name.startswith("reconcile ")}
    writes = [span for span in spans if span.name.startswith(("create ", "update ", "patch ", "delete "))]
    assert {span.parent_id for span in writes} == set(steps)
    assert {steps[span.parent_id] for span in writes if span.name == "update taskruns/status"} >= {
        "reconcile TaskRun/Begin",
        "reconcile TaskRun/AnswerToolCalls",
    }
    assert {steps[span.parent_id] for span in writes if span.name == "create taskruntoolcalls"} == {
        "reconcile TaskRun/CreateToolCalls"
    }


def end_while_the_scout_thinks(program: Program, namespace: Namespace, script: Script) -> None:
    """Have the manager end while the second agent's model is called: it records the answer, and begins no more."""
    scout = f"taskrun/{RUN}-t0-c0-run"
    with script.held():
        namespace.apply(a_task())
        namespace.wait(scout, "{.status.phase}", "SendContextWindowToLLM")
        assert program.popen is not None
        program.popen.send_signal(signal.SIGTERM)
        namespace.until(lambda: '"stopping"' in program.log.read_text(), watch="taskruns", what="the manager stops")
    assert program.popen.wait(processes.STOP_SECONDS) == 0
    namespace.wait(scout, "{.status.phase}", "FinalAnswer")


@pytest.mark.usefixtures("without_manager")
def test_a_tree_is_one_trace_although_the_manager_was_restarted(
    alone: Namespace, cluster: Cluster, model: MockModel, collector: Collector, tmp_path: Path
) -> None:
    program = a_manager(cluster, tmp_path, "manager", alone, collector)
    program.start()
    end_while_the_scout_thinks(program, alone, begin(alone, model))
    assert "invoke_agent scout" in {span.name for span in collector.spans}
    program.start()
    alone.finished(RUN)
    assert program.stop() == 0
    judge(collector)


@pytest.mark.usefixtures("without_manager")
def test_a_tree_is_one_trace_although_another_replica_took_over(
    alone: Namespace, cluster: Cluster, model: MockModel, collector: Collector, tmp_path: Path
) -> None:
    first, second = (a_manager(cluster, tmp_path, name, alone, collector) for name in ("first", "second"))
    first.start()
    second.start()
    end_while_the_scout_thinks(first, alone, begin(alone, model))
    alone.finished(RUN)
    assert second.stop() == 0
    judge(collector)

"""The spans of runs, model calls and tool calls: their ids, their names, and what they do not tell."""

from __future__ import annotations

import importlib
import json
import pkgutil
from dataclasses import replace
from datetime import timedelta
from typing import Any

import opentelemetry.semconv._incubating.attributes as published
import opentelemetry.semconv._incubating.attributes.gen_ai_attributes as conventions
import pytest

from kubechain.api import traces
from kubechain.api.message import Message
from kubechain.api.meta import KubeObject
from kubechain.api.taskrun import SpanContext, TaskRun, TaskRunPhase
from kubechain.llm.errors import ServerFailed
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.observability import spans, witness
from kubechain.observability.emitter import Emitter
from kubechain.observability.spans import Span
from kubechain.observability.tracer import Tracer
from kubechain.runtime.clock import LoopClock, SystemClock
from test.controllers import world as worlds
from test.controllers.builders import NOW, a_call, a_claim, a_run, later
from test.controllers.test_delegation import CHILD, a_hierarchy, delegation
from test.controllers.test_durability import is_over
from test.controllers.world import KEY, World, a_world

ROOT = traces.of_run(a_run())
RUN = a_run(phase=TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, span_context=ROOT, llm=a_claim())
PARENT = SpanContext(trace_id="a" * 32, span_id="b" * 16)


def under(text: str) -> TaskRun:
    run = a_run()
    return run.model_copy(update={"metadata": run.metadata.with_changes(annotations={traces.TRACEPARENT: text})})


def test_a_run_with_a_parent_is_in_its_trace_with_a_span_of_its_own() -> None:
    run = under(traces.traceparent(PARENT))
    assert traces.parent_of(run) == PARENT
    assert traces.of_run(run) == SpanContext(trace_id=PARENT.trace_id, span_id=ROOT.span_id)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"00-{'0' * 32}-{'b' * 16}-01", id="a trace id of zeros"),
        pytest.param(f"00-{'a' * 32}-{'0' * 16}-01", id="a span id of zeros"),
        pytest.param(f"00-{'A' * 32}-{'b' * 16}-01", id="capital letters"),
        pytest.param(f"01-{'a' * 32}-{'b' * 16}-01", id="another version"),
        pytest.param(f"00-{'a' * 32}-{'b' * 16}-01\n", id="a line break"),
    ],
)
def test_an_annotation_that_is_no_parent_is_not_taken_for_one(text: str) -> None:
    assert traces.of_run(under(text)) == ROOT


@pytest.mark.parametrize(
    ("seconds", "is_linked"),
    [
        pytest.param(0, False, id="at once"),
        pytest.param(3_599, False, id="within the hour"),
        pytest.param(3_600, True, id="an hour later"),
        pytest.param(-5, False, id="by a clock that went back"),
    ],
)
def test_what_begins_an_hour_after_its_run_has_a_link_in_place_of_a_parent(seconds: float, is_linked: bool) -> None:
    part = traces.of_part(RUN, "c" * 16, later(seconds))
    assert part is not None
    assert Span("any", part, NOW, NOW, above=ROOT).is_linked == is_linked


def test_all_that_begins_in_one_hour_is_in_one_trace() -> None:
    parts = [traces.of_part(RUN, "c" * 16, NOW + timedelta(hours=hours)) for hours in (1.1, 1.9, 2.1)]
    first, second, third = (part.trace_id for part in parts if part is not None)
    assert first == second != third


class Keeping(witness.Witness):
    """Keeps the newest version of each run, as a cache does."""

    def __init__(self) -> None:
        self.runs: dict[str, TaskRun] = {}

    def wrote(self, before: KubeObject, after: KubeObject) -> None:
        del before
        if isinstance(after, TaskRun):
            self.runs[after.metadata.name] = after


class Recorded:
    """Keeps the spans, whichever replica made them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_content_recorded: bool = False) -> None:
        self.spans: list[Span] = []
        keeping = Keeping()
        tracer = Tracer(
            self.spans.append,
            lambda _, name: keeping.runs.get(name),
            SystemClock(),
            is_content_recorded=is_content_recorded,
        )
        plain = worlds.clients_for

        def clients_for(*arguments: Any) -> Any:
            return replace(plain(*arguments), witnesses=(keeping, tracer))

        monkeypatch.setattr(worlds, "clients_for", clients_for)

    @property
    def story(self) -> list[Span]:
        """Without the steps and writes that led to it."""
        return [span for span in self.spans if span.name.startswith(("chat ", "execute_tool ", "invoke_agent "))]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def named_one(self, name: str) -> Span:
        [span] = self.named(name)
        return span


async def a_tree(world: World, recorded: Recorded) -> None:
    """A run that has another agent look, over a restart of the manager in between."""
    world.telemetry = Emitter(recorded.spans.append, LoopClock())
    first = world.replica(FakeLLMClient(ServerFailed("503"), delegation("agent-1"), answer("seen"), answer("done")))
    await a_hierarchy(world, 1)
    await world.apply_task()
    await world.until(lambda run: run.status.completion_time is not None, CHILD)
    await first.stop()
    world.replica(FakeLLMClient(answer("done")), "pod-b_1")
    await world.until(is_over)


def connected(spans: list[Span]) -> bool:
    """Whether all are in one trace, and each but one is below another one of them."""
    ids = {span.context.span_id for span in spans}
    tops = [span for span in spans if span.above is None]
    rest = [span for span in spans if span.above is not None]
    return (
        len({span.context.trace_id for span in spans}) == 1
        and len(tops) == 1
        and all(span.above is not None and span.above.span_id in ids for span in rest)
    )


async def test_a_tree_is_one_trace_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch)
    async with a_world() as world:
        await a_tree(world, recorded)
    names = sorted(span.name for span in recorded.story)
    assert names == [
        "chat gpt-4o",
        "chat gpt-4o",
        "chat gpt-4o",
        "chat gpt-4o",
        "execute_tool delegate_to_agent__agent-1",
        "invoke_agent agent-1",
        "invoke_agent my-assistant",
    ]
    assert connected(recorded.story)
    call = recorded.named_one("execute_tool delegate_to_agent__agent-1")
    assert recorded.named_one("invoke_agent agent-1").above == call.context
    assert call.above == recorded.named_one("invoke_agent my-assistant").context
    assert [span.error for span in recorded.named("chat gpt-4o")].count("ServerFailed") == 1


async def test_steps_and_writes_are_in_the_trace_of_their_run_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch)
    async with a_world() as world:
        await a_tree(world, recorded)
    trace_id = recorded.named_one("invoke_agent my-assistant").context.trace_id
    spans = [span for span in recorded.spans if span.context.trace_id == trace_id]
    assert connected(spans)
    steps = [span for span in spans if span.name.startswith("reconcile ")]
    writes = [span for span in spans if span.is_client and not span.name.startswith("chat ")]
    ids = {step.context.span_id for step in steps}
    assert {write.above.span_id for write in writes if write.above is not None} == ids
    assert {step.name for step in steps} >= {
        "reconcile TaskRun/Begin",
        "reconcile TaskRun/CreateToolCalls",
        "reconcile TaskRun/AnswerToolCalls",
        "reconcile TaskRunToolCall/Delegate",
    }
    assert {write.name for write in writes} >= {"update taskruns/status", "create taskruntoolcalls"}


async def test_a_run_that_never_began_has_a_span_with_its_steps_below(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch)
    async with a_world() as world:
        world.telemetry = Emitter(recorded.spans.append, LoopClock())
        world.replica(FakeLLMClient())
        await world.apply("taskruns", {"metadata": {"name": "lone"}, "spec": a_spec("nobody")})
        await world.until(lambda run: run.status.status_detail != "", "lone")
        await world.patch_run({"spec": {"cancel": True}}, "lone")
        await world.until(is_over, "lone")
    top = recorded.named_one("invoke_agent nobody")
    assert top.error == "Cancelled"
    assert [span.name for span in recorded.spans if span.above == top.context] == [
        "reconcile TaskRun/Wait",
        "reconcile TaskRun/Cancel",
    ]


def a_spec(agent: str) -> dict[str, Any]:
    return {"agentRef": {"name": agent}, "userMessage": "What is the capital of the moon?"}


def published_names() -> set[str]:
    """The names of all attributes that OpenTelemetry has published."""
    modules = [
        importlib.import_module(f"{published.__name__}.{one.name}") for one in pkgutil.iter_modules(published.__path__)
    ]
    return {value for one in modules for name, value in vars(one).items() if name.isupper() and isinstance(value, str)}


def values_of(enumeration: str) -> set[str]:
    """The values of one attribute; their enumeration has moved to a repository that has no package yet."""
    return {one.value for one in getattr(conventions, enumeration)}


async def test_names_of_attributes_are_those_of_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch, is_content_recorded=True)
    async with a_world() as world:
        await a_tree(world, recorded)
    used = {name for span in recorded.spans for name in span.attributes if not name.startswith("kubechain.")}
    assert len([name for name in used if name.startswith("gen_ai.")]) >= 12
    assert used <= published_names()
    operations = {span.attributes["gen_ai.operation.name"] for span in recorded.story}
    assert operations <= values_of("GenAiOperationNameValues")
    assert set(spans.PROVIDERS.values()) <= values_of("GenAiProviderNameValues")


async def test_content_is_told_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch)
    async with a_world() as world:
        await a_tree(world, recorded)
    told = json.dumps([dict(span.attributes) for span in recorded.spans])
    for hidden in ("capital of the moon", "You are helpful", "Go and see", "seen", KEY):
        assert hidden not in told


def test_content_is_without_what_looks_like_a_secret() -> None:
    call = witness.ModelCall(RUN, llm="gpt-4o", provider="openai", model="gpt-4o")
    message = Message(role="user", content="My key is sk-0123456789abcdefgh")
    claim = RUN.status.llm
    assert claim is not None
    span = spans.of_model_call(call, claim, witness.ModelReply(1.0), now=NOW, content=[message])
    assert span is not None
    assert "sk-0123456789abcdefgh" not in str(span.attributes["gen_ai.input.messages"])
    assert "My key is" in str(span.attributes["gen_ai.input.messages"])


async def test_a_tool_call_has_its_arguments_and_result_where_content_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = Recorded(monkeypatch, is_content_recorded=True)
    async with a_world() as world:
        world.replica(FakeLLMClient(calls(a_call("update_plan", '{"steps": []}')), answer("done")))
        await world.apply_walk_through(planning=True)
        await world.apply_task()
        await world.until(is_over)
    span = recorded.named_one("execute_tool update_plan")
    assert span.attributes["gen_ai.tool.call.arguments"] == '{"steps": []}'
    assert span.attributes["gen_ai.tool.call.result"]

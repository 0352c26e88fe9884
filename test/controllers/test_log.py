"""What the log tells of a run on a terminal: line by line, as a person reads it who does not know the code."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from kubechain import logs
from kubechain.api.task import Task
from kubechain.llm.errors import AuthenticationFailed, ServerFailed
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.people import decide
from test.controllers.test_approvals import waiting_world
from test.controllers.test_delegation import a_hierarchy, delegation
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import World, a_world

VARYING = ((r"duration_seconds=\S+", "duration_seconds=…"), (r"20\d\d-\d\d-\d\dT[\d:.]+Z", "…"))


@asynccontextmanager
async def told(world: World) -> AsyncGenerator[list[str]]:
    """What the log says until the world's managers have stopped, without times."""
    lines: list[str] = []
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured:
        yield lines
        for replica in world.replicas:
            await replica.stop()
    lines += [_line(event) for event in captured if event["log_level"] != "debug"]


def _line(captured: EventDict) -> str:
    event = dict(captured)
    named = {"level": event.pop("log_level"), "message": event.pop("event"), **event}
    line = logs.ConsoleRenderer(colour=False)(None, "", logs.in_reading_order(None, "", named))
    for pattern, put in VARYING:
        line = re.sub(pattern, put, line)
    return line


def about(lines: list[str], *kinds: str) -> list[str]:
    """The lines about objects of these kinds, in their order."""
    return [line for line in lines if line.split()[1] in kinds]


def has_run(phase: str) -> Callable[[Task], bool]:
    """Whether a Task says that its newest run is in a phase."""
    return lambda task: task.status.last_run is not None and task.status.last_run.phase == phase


async def test_the_start_and_a_run_without_tools() -> None:
    async with a_world() as world, told(world) as lines:
        world.replica(FakeLLMClient(answer("It has none.")))
        await world.apply_walk_through()
        await world.apply_task()
        await world.task_until(
            lambda task: task.status.last_run is not None and task.status.last_run.phase == "FinalAnswer"
        )
    assert about(lines, "llm") == [
        "info     llm default/gpt-4o  · → Ready  OpenAI API key validated successfully",
    ]
    assert about(lines, "agent")[-1].endswith("→ Ready  All dependencies validated successfully")
    assert about(lines, "taskrun") == [
        "info     taskrun default/hello-1  · → SendContextWindowToLLM  Sending context window to LLM",
        "info     taskrun default/hello-1  SendContextWindowToLLM → FinalAnswer  LLM final response received  "
        "duration_seconds=… input_tokens=1 output_tokens=1 llm=gpt-4o llm_model=fake",
    ]
    assert about(lines, "task")[-1].endswith("→ Ready  Task Run Created")


async def test_a_run_with_tools() -> None:
    async with a_world() as world, told(world) as lines:
        asked = calls(a_call("add", '{"a": 2, "b": 3}'), a_call("nothing", call_id="call_2"))
        world.replica(FakeLLMClient(asked, answer("5")))
        await world.apply_walk_through(tools=[{"name": "add"}])
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        await world.apply_task()
        await world.until(is_over)
    assert about(lines, "taskrun")[1:] == [
        "info     taskrun default/hello-1  SendContextWindowToLLM → ToolCallsPending  LLM asked for 2 tool call(s)  "
        "duration_seconds=… input_tokens=1 output_tokens=1 llm=gpt-4o llm_model=fake",
        "info     taskrun default/hello-1  ToolCallsPending → SendContextWindowToLLM  Sending context window to LLM",
        "info     taskrun default/hello-1  SendContextWindowToLLM → FinalAnswer  LLM final response received  "
        "duration_seconds=… input_tokens=1 output_tokens=1 llm=gpt-4o llm_model=fake",
    ]
    assert sorted(about(lines, "taskruntoolcall")) == [
        "info     taskruntoolcall default/hello-1-t0-c0  · → Succeeded  Tool executed successfully  "
        "duration_seconds=… tool=add",
        "warning  taskruntoolcall default/hello-1-t0-c1  · → Failed  "
        'there is no tool named "nothing"; available tools: add  tool=nothing',
    ]


async def test_a_run_that_has_another_agent_look() -> None:
    async with a_world() as world, told(world) as lines:
        world.replica(FakeLLMClient(delegation("agent-1"), answer("seen"), answer("done")))
        await a_hierarchy(world, 1)
        await world.apply_task()
        await world.until(is_over)
    assert about(lines, "taskruntoolcall") == [
        "info     taskruntoolcall default/hello-1-t0-c0  · → AwaitingSubAgent  "
        'Waiting for the agent\'s run "hello-1-t0-c0-run"',
        "info     taskruntoolcall default/hello-1-t0-c0  AwaitingSubAgent → Succeeded  Tool executed successfully  "
        "tool=delegate_to_agent__agent-1",
    ]


async def test_a_call_that_a_person_approves() -> None:
    async with waiting_world() as world, told(world) as lines:
        await decide(world, "Approve")
        await world.until(is_over)
    assert about(lines, "humanrequest") == [
        "info     humanrequest default/hello-1-t0-c0  Open → Decided  Approve by bob (Claimed)",
    ]
    assert about(lines, "taskruntoolcall") == [
        "info     taskruntoolcall default/hello-1-t0-c0  · → AwaitingHumanApproval  "
        'Waiting for approval: HumanRequest "hello-1-t0-c0"',
        "info     taskruntoolcall default/hello-1-t0-c0  AwaitingHumanApproval → ReadyToExecuteApprovedTool  "
        "Approved by bob",
        "info     taskruntoolcall default/hello-1-t0-c0  ReadyToExecuteApprovedTool → Succeeded  "
        "Tool executed successfully  duration_seconds=… tool=add",
    ]


async def test_an_llm_that_fails_is_a_warning_each_time_with_its_name() -> None:
    async with a_world() as world, told(world) as lines:
        failing = ServerFailed("provider failed: HTTP 503"), AuthenticationFailed("authentication failed: HTTP 401")
        world.replica(FakeLLMClient(*failing))
        await world.apply_walk_through()
        await world.apply_task()
        await world.until(is_over)
        await world.task_until(has_run("Failed"))
    assert about(lines, "taskrun")[1:] == [
        "warning  taskrun default/hello-1  SendContextWindowToLLM → ErrorBackoff  Model call failed 1 time(s), "
        "trying again at …, until …: provider failed: HTTP 503  duration_seconds=… llm=gpt-4o",
        "info     taskrun default/hello-1  ErrorBackoff → SendContextWindowToLLM  Sending context window to LLM",
        "warning  taskrun default/hello-1  SendContextWindowToLLM → Failed  authentication failed: HTTP 401  "
        "attempt=1 duration_seconds=… llm=gpt-4o",
    ]
    [*_, last] = about(lines, "task")
    assert last.startswith("warning  task default/hello  ")
    assert last.endswith('→ Error  TaskRun "hello-1" failed: authentication failed: HTTP 401')


async def test_a_task_that_repeats_what_its_run_says_is_quiet() -> None:
    async with a_world() as world, told(world) as lines:
        failing = [ServerFailed("provider failed: HTTP 503")] * 5
        world.replica(FakeLLMClient(*failing, answer("at last")))
        await world.apply_walk_through()
        await world.apply_task()
        await world.task_until(lambda task: task.status.output == "at last")
    assert len([line for line in about(lines, "taskrun") if "ErrorBackoff  Model call failed" in line]) == 5
    [one] = [line for line in about(lines, "task") if "503" in line]
    assert one.endswith('→ Error  TaskRun "hello-1": trying again: provider failed: HTTP 503')


async def test_a_terminal_has_no_ids_and_nothing_twice() -> None:
    async with a_world() as world, told(world) as lines:
        world.replica(FakeLLMClient(answer("It has none.")))
        await world.apply_walk_through()
        await world.apply_task()
        await world.until(is_over)
    about_objects = [line for line in lines if "default/" in line]
    assert [line for line in about_objects if re.search(r"\b(reconcile_id|trace_id|uid|reason)=", line)] == []
    assert len(lines) == len(set(lines))

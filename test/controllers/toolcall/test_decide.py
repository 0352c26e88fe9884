"""What a tool call does next, phase by phase: it is carried out at most once unless it is safe to repeat."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TERMINAL_TOOL_CALL_PHASES, ToolCallPhase
from kubechain.api.tool import ToolSemantics
from kubechain.controllers import plan
from kubechain.controllers.frame import Done
from kubechain.controllers.toolcall.decide import INTERRUPTED, decide
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.steps import (
    Cancel,
    Delegate,
    Execute,
    Fail,
    Follow,
    Hold,
    LookForChild,
    Release,
    ReportUnknown,
    Step,
    TakeAnswer,
    Wait,
)
from kubechain.controllers.toolkinds.model import Missing, Withdrawn
from test.controllers.builders import NOW, a_run
from test.controllers.toolcall.builders import (
    CHILD_NAME,
    KINDS,
    MESSAGE,
    OFFERS,
    a_tool_call,
    a_waiting_run,
    an_execution,
    claimed,
    seen,
)

P = ToolCallPhase
OVER = sorted(TERMINAL_TOOL_CALL_PHASES)
PEOPLE = (
    P.AWAITING_HUMAN_INPUT,
    P.AWAITING_HUMAN_APPROVAL,
    P.READY_TO_EXECUTE_APPROVED_TOOL,
    P.ERROR_REQUESTING_HUMAN_APPROVAL,
    P.ERROR_REQUESTING_HUMAN_INPUT,
)
OPEN = (None, P.PENDING, P.RUNNING, P.AWAITING_SUB_AGENT, *PEOPLE)
ONCE, REPEATABLE = ToolSemantics.AT_MOST_ONCE, ToolSemantics.IDEMPOTENT

NEW = a_tool_call()
DELEGATION = a_tool_call(arguments=MESSAGE)


def executes(offer: str, semantics: ToolSemantics, *, timeout_seconds: float, attempt: int = 0) -> Execute:
    return Execute(OFFERS[offer], {"a": 1}, semantics, attempt, timeout_seconds)


def adds(*, attempt: int = 0) -> Execute:
    return executes("add", REPEATABLE, timeout_seconds=10.0, attempt=attempt)


def test_every_phase_is_in_one_of_the_tables() -> None:
    assert {*OPEN, *OVER} == {None, *P}


# --- a call that is over


@pytest.mark.parametrize("phase", OVER)
@pytest.mark.parametrize(
    ("is_deleted", "run", "step"),
    [
        pytest.param(False, a_waiting_run(), Done(), id="the run has yet to take the result"),
        pytest.param(False, a_waiting_run(pending_turn=()), Release(), id="the run has taken the result"),
        pytest.param(False, a_waiting_run(completion_time=NOW), Release(), id="the run is over"),
        pytest.param(False, None, Release(), id="the run is gone"),
        pytest.param(True, a_waiting_run(), Done(), id="deleted before the run has taken the result"),
        pytest.param(
            True, a_waiting_run(spec={"cancel": True}), Done(), id="deleted, and the cancelled run has not ended yet"
        ),
        pytest.param(True, a_waiting_run(pending_turn=()), Release(), id="deleted, and the run has taken the result"),
        pytest.param(True, None, Release(), id="deleted, and the run is gone"),
        pytest.param(True, a_waiting_run(is_deleted=True), Release(), id="deleted together with the run"),
        pytest.param(True, a_waiting_run(completion_time=NOW), Release(), id="deleted after the run was over"),
    ],
)
def test_a_call_that_is_over_is_only_released(
    phase: ToolCallPhase, is_deleted: bool, run: TaskRun | None, step: Step | Done
) -> None:
    assert decide(seen(a_tool_call(phase, is_deleted=is_deleted), "add", run=run)) == step
    assert decide(seen(a_tool_call(phase, is_held=False), "add", run=run)) == Done()


@pytest.mark.parametrize("offer", ["add", "fetch", "ask_scout"])
def test_a_call_that_acts_outside_is_held_before_it_begins(offer: str) -> None:
    call = a_tool_call(is_held=False, arguments=MESSAGE if offer == "ask_scout" else '{"a": 1}')
    assert (decide(seen(call, offer)) == Hold()) == (offer != "add")


# --- a call that nobody waits for


@pytest.mark.parametrize("phase", OPEN)
@pytest.mark.parametrize(
    ("is_deleted", "run", "reason"),
    [
        pytest.param(True, a_waiting_run(), "the tool call was deleted", id="deleted while the run waits for it"),
        pytest.param(
            True, a_waiting_run(spec={"cancel": True}), "the tool call was deleted", id="deleted, and the run cancelled"
        ),
        pytest.param(True, None, "the tool call was deleted", id="deleted, and the run is gone"),
        pytest.param(False, None, "its run was deleted", id="the run is gone"),
        pytest.param(False, a_waiting_run(is_deleted=True), "its run was deleted", id="the run is being deleted"),
        pytest.param(False, a_waiting_run(spec={"cancel": True}), "its run was cancelled", id="the run is cancelled"),
        pytest.param(
            False, a_waiting_run(phase=TaskRunPhase.CANCELLED), "its run was cancelled", id="the run has been cancelled"
        ),
        pytest.param(
            False,
            a_waiting_run(phase=TaskRunPhase.FAILED, completion_time=NOW),
            "its run is over",
            id="the run is over",
        ),
        pytest.param(
            False,
            a_waiting_run().with_status(pending_turn=()),
            "its run does not wait for it",
            id="the run has taken the result of an earlier object of this name",
        ),
    ],
)
def test_a_call_that_nobody_waits_for_is_cancelled(
    phase: ToolCallPhase | None, is_deleted: bool, run: TaskRun | None, reason: str
) -> None:
    call = a_tool_call(phase, is_deleted=is_deleted, execution=an_execution() if phase == P.RUNNING else None)
    expected = Cancel(INTERRUPTED if phase == P.RUNNING else reason)
    assert decide(seen(call, "add", run=run)) == expected


# --- the beginning


@pytest.mark.parametrize("phase", [None, P.PENDING])
@pytest.mark.parametrize(
    ("world", "step"),
    [
        pytest.param({"offer": "add"}, adds(), id="the tool is there"),
        pytest.param(
            {}, Fail('there is no tool named "add"; available tools: add, fetch'), id="the tool was never offered"
        ),
        pytest.param(
            {"run": a_waiting_run(tools=())},
            Fail('there is no tool named "add"; available tools: none'),
            id="no tool was ever offered",
        ),
        pytest.param(
            {"run": a_waiting_run(pinned=None)},
            Fail('there is no tool named "add"; available tools: none'),
            id="the run has pinned nothing",
        ),
        pytest.param({"found": Withdrawn("gone for good")}, Fail("gone for good"), id="the tool was withdrawn"),
        pytest.param({"found": Missing("Waiting for it")}, Wait("Waiting for it"), id="the tool is not ready"),
        pytest.param({"offer": "add", "obstacle": "No wire"}, Wait("No wire"), id="this process lacks something"),
        pytest.param(
            {"offer": "add", "holder_gone_in_seconds": 9.0}, adds(), id="a holder counts only where there is a claim"
        ),
    ],
)
def test_a_call_begins(phase: ToolCallPhase | None, world: dict[str, Any], step: Step) -> None:
    assert decide(seen(a_tool_call(phase), **world)) == step


@pytest.mark.parametrize(
    ("attempt", "step"),
    [
        pytest.param(0, adds(attempt=1), id="the first attempt was certainly not made"),
        pytest.param(1, adds(attempt=2), id="the second attempt was certainly not made"),
    ],
)
def test_a_call_that_waits_for_its_next_attempt_counts_on(attempt: int, step: Step) -> None:
    assert decide(seen(a_tool_call(P.PENDING, execution=an_execution(attempt=attempt)), "add")) == step


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param("{", "arguments: not valid JSON", id="not JSON"),
        pytest.param("[1]", "arguments: must be a JSON object, not an array", id="not an object"),
        pytest.param("", 'arguments: $: "a" is a required property', id="none"),
        pytest.param('{"a": "one"}', 'arguments: $.a: "one" is not of type "integer"', id="of another type"),
        pytest.param('{"a": 1, "a": 2}', 'arguments: "a" is given twice', id="a name twice"),
    ],
)
@pytest.mark.parametrize("obstacle", ["", "No wire"])
def test_arguments_that_do_not_fit_are_an_answer_for_the_model(arguments: str, message: str, obstacle: str) -> None:
    step = decide(seen(a_tool_call(arguments=arguments), "add", obstacle=obstacle))
    assert isinstance(step, Fail)
    assert step.message.startswith(message)


def test_a_call_of_a_tool_with_a_broken_schema_fails() -> None:
    step = decide(seen(NEW, "broken"))
    assert isinstance(step, Fail)
    assert step.message.startswith("parameters: not a JSON schema")


# --- the sorts of tools


@pytest.mark.parametrize(
    ("offer", "semantics", "timeout_seconds"),
    [
        pytest.param("add", REPEATABLE, 10.0, id="a builtin computes, and may be repeated"),
        pytest.param("add_once", ONCE, 10.0, id="a builtin whose Tool says at most once"),
        pytest.param("fetch", ONCE, 60.0, id="an HTTP endpoint of which nothing is said"),
        pytest.param("fetch_safely", REPEATABLE, 5.0, id="an HTTP endpoint whose Tool says that it may be repeated"),
        pytest.param("job", ONCE, 600.0, id="a container of which nothing is said"),
        pytest.param("job_safely", REPEATABLE, 30.0, id="a container whose Tool says that it may be repeated"),
        pytest.param("eyes__look", ONCE, 120.0, id="an MCP server that says so, and of which nobody says to trust it"),
        pytest.param("not__look", ONCE, 120.0, id="an MCP server that says so, and is not trusted"),
        pytest.param("trusted__look", REPEATABLE, 120.0, id="an MCP server that says so, and is trusted"),
        pytest.param("trusted__touch", ONCE, 120.0, id="an MCP server that is trusted, and says nothing"),
    ],
)
def test_every_sort_says_whether_its_calls_may_be_repeated(
    offer: str, semantics: ToolSemantics, timeout_seconds: float
) -> None:
    assert decide(seen(NEW, offer)) == executes(offer, semantics, timeout_seconds=timeout_seconds)


def test_the_plan_may_be_repeated() -> None:
    call = a_tool_call(arguments='{"steps": []}')
    assert decide(seen(call, plan.NAME)) == Execute(OFFERS[plan.NAME], {"steps": []}, REPEATABLE, 0, 10.0)


@pytest.mark.parametrize(
    ("offer", "depth", "step"),
    [
        pytest.param("delegate_to_agent__scout", 0, Delegate("scout", "Go and see."), id="a sub-agent"),
        pytest.param("ask_scout", 0, Delegate("scout", "Go and see."), id="a Tool with an agentRef"),
        pytest.param("ask_scout", 7, Delegate("scout", "Go and see."), id="the last level"),
        pytest.param("ask_scout", 8, Fail("agents delegate to agents at most 8 levels deep"), id="one level too deep"),
        pytest.param(
            "delegate_to_agent__scout", 9, Fail("agents delegate to agents at most 8 levels deep"), id="deeper still"
        ),
    ],
)
def test_a_call_is_delegated_up_to_a_depth(offer: str, depth: int, step: Step) -> None:
    assert decide(seen(DELEGATION, offer, depth=depth)) == step


@pytest.mark.parametrize("arguments", ["{}", '{"message": ""}', '{"message": "x", "to": "y"}'])
def test_a_delegation_without_a_message_or_with_more_fails(arguments: str) -> None:
    assert isinstance(decide(seen(a_tool_call(arguments=arguments), "ask_scout")), Fail)


def test_the_depth_limits_nothing_but_delegation() -> None:
    assert decide(seen(NEW, "add", depth=99)) == adds()


@pytest.mark.parametrize(
    ("offer", "obstacle"),
    [
        pytest.param("eyes__look", 'Waiting for MCPServer "eyes" to be connected', id="an MCP server not connected"),
        pytest.param("add", "", id="a builtin lacks nothing"),
        pytest.param("fetch", "", id="an HTTP endpoint lacks nothing"),
        pytest.param("job", "", id="a container lacks nothing"),
        pytest.param("ask_scout", "", id="delegation lacks nothing"),
    ],
)
def test_what_each_sort_lacks_in_a_process_without_connections(offer: str, obstacle: str) -> None:
    assert KINDS.planner(OFFERS[offer]).obstacle(OFFERS[offer]) == obstacle


# --- a claim that was found


UNSAFE = claimed(semantics=ONCE)
WITHDRAWN = ReportUnknown("the call was interrupted, and the tool is no longer offered")


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(
            seen(claimed(), "add", holder_gone_in_seconds=12.5), Done(12.5), id="the holder is alive: it goes on"
        ),
        pytest.param(
            seen(UNSAFE, "add", holder_gone_in_seconds=12.5), Done(12.5), id="the holder of an unsafe call is alive"
        ),
        pytest.param(
            seen(claimed(attempt=2), "add", holder_gone_in_seconds=0.5), Done(0.5), id="the last attempt goes on"
        ),
        pytest.param(
            seen(claimed(), found=Withdrawn("gone"), holder_gone_in_seconds=3.0),
            Done(3.0),
            id="the holder is alive, and the tool was withdrawn meanwhile",
        ),
        pytest.param(
            seen(a_tool_call(P.RUNNING), "add", holder_gone_in_seconds=3.0), Done(3.0), id="alive, by whatever claim"
        ),
        pytest.param(seen(claimed(), "add"), adds(attempt=1), id="the holder of a safe call is gone"),
        pytest.param(seen(claimed(attempt=1), "add"), adds(attempt=2), id="the holder of its second attempt is gone"),
        pytest.param(
            seen(claimed(attempt=2), "add"),
            ReportUnknown("the call was interrupted 3 times"),
            id="the holder of its third attempt is gone",
        ),
        pytest.param(
            seen(claimed(attempt=7), "add"),
            ReportUnknown("the call was interrupted 3 times"),
            id="another release tried more often",
        ),
        pytest.param(
            seen(UNSAFE, "add_once"), ReportUnknown("the call was interrupted"), id="the holder of an unsafe call"
        ),
        pytest.param(
            seen(UNSAFE, "add"),
            ReportUnknown("the call was interrupted"),
            id="what was claimed as unsafe stays so, although the Tool says now that it may be repeated",
        ),
        pytest.param(
            seen(UNSAFE, found=Missing("Waiting")),
            ReportUnknown("the call was interrupted"),
            id="an unsafe call does not wait for its tool",
        ),
        pytest.param(
            seen(claimed(), "add_once"),
            executes("add_once", ONCE, timeout_seconds=10.0, attempt=1),
            id="what was claimed as safe is repeated, under what the Tool says now",
        ),
        pytest.param(
            seen(a_tool_call(P.RUNNING), "add"), ReportUnknown("the call was interrupted"), id="running without a claim"
        ),
        pytest.param(seen(claimed(), found=Missing("Waiting")), Wait("Waiting"), id="the tool is not ready now"),
        pytest.param(seen(claimed(), "add", obstacle="No wire"), Wait("No wire"), id="this process lacks something"),
        pytest.param(seen(claimed(), found=Withdrawn("gone")), WITHDRAWN, id="the tool was withdrawn meanwhile"),
        pytest.param(seen(claimed()), WITHDRAWN, id="the tool is not pinned"),
        pytest.param(
            seen(claimed(attempt=2), found=Missing("Waiting")),
            ReportUnknown("the call was interrupted 3 times"),
            id="no attempt is left, so there is nothing to wait for",
        ),
    ],
)
def test_a_claim_that_was_found_is_taken_over_or_reported(observed: Observed, step: Step | Done) -> None:
    assert decide(observed) == step


@pytest.mark.parametrize("attempt", [0, 1, 2])
@pytest.mark.parametrize("offer", sorted(OFFERS.keys() - {"broken"}))
def test_no_sort_of_tool_repeats_what_was_claimed_as_unsafe(offer: str, attempt: int) -> None:
    call = claimed(semantics=ONCE, attempt=attempt)
    assert decide(seen(call, offer)) == ReportUnknown("the call was interrupted")


@pytest.mark.parametrize(
    ("semantics", "attempt", "offer"),
    [
        pytest.param(ONCE, 0, "job", id="an unsafe one"),
        pytest.param(ONCE, 7, "", id="an unsafe one that is not offered any more"),
        pytest.param(REPEATABLE, 2, "job", id="a safe one without further attempts"),
        pytest.param(REPEATABLE, 0, "", id="a safe one that is not offered any more"),
    ],
)
def test_what_goes_on_by_itself_is_followed(semantics: ToolSemantics, attempt: int, offer: str) -> None:
    call = claimed(semantics=semantics, attempt=attempt)
    assert call.status.execution is not None
    assert decide(seen(call, offer, goes_on=True)) == Follow(call.status.execution)


def test_another_attempt_finds_what_goes_on_or_starts_it() -> None:
    step = executes("job_safely", REPEATABLE, timeout_seconds=30.0, attempt=1)
    assert decide(seen(claimed(), "job_safely", goes_on=True)) == step


def test_what_goes_on_by_itself_is_left_to_its_holder_while_that_is_alive() -> None:
    assert decide(seen(UNSAFE, "job", goes_on=True, holder_gone_in_seconds=3.0)) == Done(3.0)


def test_what_goes_on_without_a_claim_is_reported() -> None:
    observed = seen(a_tool_call(P.RUNNING), "job", goes_on=True)
    assert decide(observed) == ReportUnknown("the call was interrupted")


# --- a run of another Agent


def a_child(phase: TaskRunPhase | None, **status: Any) -> TaskRun:
    return a_run(CHILD_NAME, phase=phase, **status)


FOLLOWED = a_tool_call(P.AWAITING_SUB_AGENT, arguments=MESSAGE, external_call_id=CHILD_NAME)


@pytest.mark.parametrize(
    ("child", "step"),
    [
        pytest.param(None, LookForChild(), id="the cache has none"),
        pytest.param(a_child(None), Done(), id="it was not seen by its loop yet"),
        pytest.param(a_child(TaskRunPhase.INITIALIZING), Done(), id="it begins"),
        pytest.param(a_child(TaskRunPhase.PENDING), Done(), id="it waits for its Agent"),
        pytest.param(a_child(TaskRunPhase.READY_FOR_LLM), Done(), id="it is ready for its model"),
        pytest.param(a_child(TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM), Done(), id="its model thinks"),
        pytest.param(a_child(TaskRunPhase.TOOL_CALLS_PENDING), Done(), id="it calls tools"),
        pytest.param(a_child(TaskRunPhase.CHECKING_TOOL_CALLS), Done(), id="it calls tools, in older words"),
        pytest.param(a_child(TaskRunPhase.ERROR_BACKOFF), Done(), id="it waits for its model"),
        pytest.param(a_child(TaskRunPhase.FINAL_ANSWER, output="seen"), TakeAnswer("seen"), id="it has answered"),
        pytest.param(a_child(TaskRunPhase.FINAL_ANSWER), TakeAnswer(""), id="it has answered with nothing"),
        pytest.param(
            a_child(TaskRunPhase.FAILED, status_detail="401"),
            Fail(f'the agent\'s run "{CHILD_NAME}" ended without an answer: 401'),
            id="it failed",
        ),
        pytest.param(
            a_child(TaskRunPhase.CANCELLED, status_detail="by spec"),
            Fail(f'the agent\'s run "{CHILD_NAME}" ended without an answer: by spec'),
            id="it was cancelled",
        ),
    ],
)
def test_a_delegated_call_follows_the_run_of_the_other_agent(child: TaskRun | None, step: Step | Done) -> None:
    assert decide(seen(FOLLOWED, "ask_scout", child=child)) == step


def test_a_delegated_call_needs_its_tool_no_more() -> None:
    child = a_child(TaskRunPhase.FINAL_ANSWER, output="seen")
    assert decide(seen(FOLLOWED, found=Withdrawn("gone"), child=child, depth=99)) == TakeAnswer("seen")


# --- phases of other releases


@pytest.mark.parametrize("phase", PEOPLE)
def test_a_call_that_waits_for_a_person_without_a_record_of_it_is_decided_about_anew(phase: ToolCallPhase) -> None:
    assert decide(seen(a_tool_call(phase), "add")) == decide(seen(NEW, "add"))

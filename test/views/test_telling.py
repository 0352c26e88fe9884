"""What the story of a run has, from its objects."""

from __future__ import annotations

from typing import Any

from kubechain.api.contextchunk import ContextChunkSpec
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.views.gathered import Gathered
from kubechain.views.story import Said, Turn
from kubechain.views.telling import story_of
from test.views.builders import SYSTEM, a_call, a_request, a_run, answer, at, result, user

USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "modelCalls": 1, "cost": "0.5"}


def a_finished_run(**more: Any) -> TaskRun:
    window = [
        SYSTEM,
        user("What is new?"),
        answer("Let me look.", ("c1", "look", '{"at": "it"}')),
        result("c1", "a bird"),
        answer("A bird."),
    ]
    status: dict[str, Any] = {
        "contextWindow": window,
        "turn": 2,
        "toolCallCount": 1,
        "usage": USAGE,
        "output": "A bird.",
    }
    return a_run(phase="FinalAnswer", completionTime=at(0), **(status | more))


def test_a_finished_run_is_told_in_order() -> None:
    call = a_call("hello-1-t0-c0", "c1", "look", phase="Succeeded", result="a bird, whole", startTime=at(-9))
    story = story_of(Gathered(a_finished_run(), (call,)))
    system, question, first, last = story.entries
    assert (system, question) == (Said("system", "You help."), Said("user", "What is new?"))
    assert isinstance(first, Turn)
    assert (first.number, first.text) == (1, "Let me look.")
    [told] = first.calls
    assert (told.name, told.tool, told.phase) == ("hello-1-t0-c0", "look", ToolCallPhase.SUCCEEDED)
    assert told.result == "a bird, whole", "the object has the whole result"
    assert last == Turn(2, "A bird.")
    assert (story.question, story.output, story.turn_count) == ("What is new?", "A bird.", 2)
    assert (story.total.total_tokens, story.total.turns, story.total.cost) == (15, 2, "0.5")


def test_a_call_whose_object_is_gone_is_told_from_the_conversation() -> None:
    [call] = story_of(Gathered(a_finished_run())).calls
    assert (call.name, call.tool, call.arguments, call.result) == ("", "look", '{"at": "it"}', "a bird")
    assert call.is_over


def test_a_call_that_failed_is_an_error() -> None:
    call = a_call("hello-1-t0-c0", "c1", "look", phase="Failed", error="no such place")
    window = [SYSTEM, user("x"), answer("", ("c1", "look", "{}")), result("c1", "error: no such place", isError=True)]
    [told] = story_of(Gathered(a_finished_run(contextWindow=window), (call,))).calls
    assert (told.is_error, told.result) == (True, "error: no such place")


def test_a_conversation_that_is_continued_counts_its_own_turns_only() -> None:
    given = [SYSTEM, user("Hi."), answer("Hello."), user("And?")]
    run = a_run(
        phase="FinalAnswer",
        spec={"contextWindow": given, "userMessage": "More."},
        contextWindow=[*given, user("More."), answer("No more.")],
    )
    story = story_of(Gathered(run))
    assert [(entry.number, entry.text) for entry in story.entries if isinstance(entry, Turn)] == [
        (0, "Hello."),
        (1, "No more."),
    ]
    assert story.question == "More."
    assert [entry.is_earlier for entry in story.entries if isinstance(entry, Said)] == [True, True, True, False]


def test_the_prompt_that_the_run_adds_is_of_the_earlier_part() -> None:
    run = a_run(
        phase="FinalAnswer",
        spec={"contextWindow": [user("Hi."), answer("Hello.")], "userMessage": None},
        contextWindow=[SYSTEM, user("Hi."), answer("Hello."), answer("Again.")],
    )
    assert [entry.number for entry in story_of(Gathered(run)).entries if isinstance(entry, Turn)] == [0, 1]


def test_a_run_that_has_not_begun_shows_what_it_is_asked() -> None:
    story = story_of(Gathered(a_run()))
    assert (story.agent, story.question) == ("helper", "What is new?")
    assert story.entries == (Said("user", "What is new?"),)


def test_the_messages_of_chunks_come_first() -> None:
    spec: dict[str, Any] = {
        "taskRunRef": {"name": "hello-1"},
        "index": 0,
        "messageCount": 3,
        "sizeBytes": 1,
        "sha": "a",
    }
    chunk = ContextChunkSpec.from_wire(spec | {"messages": [SYSTEM, user("What is new?"), answer("One.")]})
    run = a_finished_run(contextWindow=[user("Go on."), answer("Two.")], turn=2)
    turns = [entry for entry in story_of(Gathered(run, chunks=(chunk,))).entries if isinstance(entry, Turn)]
    assert turns == [Turn(1, "One."), Turn(2, "Two.")]


def test_calls_that_no_message_asks_for_are_told_before_the_rest() -> None:
    calls = (a_call("hello-1-t0-c0", "lost", "look", phase="Succeeded", result="x"),)
    story = story_of(Gathered(a_finished_run(), calls, gaps=("The older part cannot be read.",)))
    assert [call.name for call in story.calls] == ["hello-1-t0-c0", ""]
    assert story.gaps == ("The older part cannot be read.",)


def a_family(child: TaskRun | None, **call: Any) -> Gathered:
    above = a_call("hello-1-t0-c0", "c1", "delegate", type="delegateToAgent", **call)
    children = {} if child is None else {"hello-1-t0-c0": Gathered(child)}
    return Gathered(a_finished_run(), (above,), children=children)


def test_the_total_has_the_runs_below_once() -> None:
    spent = USAGE | {"turns": 1, "toolCalls": 0}
    child = a_run("hello-1-t0-c0-run", phase="FinalAnswer", turn=1, usage=USAGE)
    there = story_of(a_family(child, phase="Succeeded", spent=spent))
    gone = story_of(a_family(None, phase="Succeeded", spent=spent))
    for story in (there, gone):
        assert (story.spent.total_tokens, story.total.total_tokens, story.total.turns) == (15, 30, 3)
        assert story.total.cost == "1"
    assert [each.name for each in there.tree()] == ["hello-1", "hello-1-t0-c0-run"]


def test_what_the_run_recorded_counts_where_its_calls_are_gone() -> None:
    below = USAGE | {"totalTokens": 100, "turns": 4, "toolCalls": 1}
    assert story_of(Gathered(a_finished_run(subAgentUsage=below))).total.total_tokens == 115


def test_a_turn_has_what_its_record_says() -> None:
    record = {"turn": 2, "startedAt": at(-8), "endedAt": at(-5), "inputTokens": 7, "outputTokens": 3, "cost": "0.01"}
    *_, first, last = story_of(Gathered(a_finished_run(turnRecords=[record]))).entries
    assert isinstance(first, Turn)
    assert isinstance(last, Turn)
    assert first.spent is None
    assert last.spent is not None
    assert (last.spent.total_tokens, last.spent.cost) == (10, "0.01")
    assert last.started_at is not None


def test_a_turn_that_another_llm_answered_names_it() -> None:
    by = [{"llmName": "backup", "firstTurn": 1, "lastTurn": 1}]
    turns = [each for each in story_of(Gathered(a_finished_run(answeredBy=by))).entries if isinstance(each, Turn)]
    assert [turn.llm for turn in turns] == ["", "backup"]


def test_what_nobody_has_decided_is_a_question() -> None:
    run = a_run(phase="ToolCallsPending", contextWindow=[user("x")])
    decided = a_request("r2").to_wire()
    decided["spec"]["decision"] = {"choice": "Approve", "digest": "sha256:" + "0" * 64}
    story = story_of(Gathered(run, (), (a_request("r1"), HumanRequest.from_wire(decided))))
    assert [question.request for question in story.questions] == ["r1"]

"""What a person reads about a run, and the commands below it."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.llm import LLM
from kubechain.views import explaining, objects
from kubechain.views.explaining import commands_of
from kubechain.views.gathered import Gathered
from kubechain.views.telling import story_of
from test.views.builders import NOW, SYSTEM, a_call, a_request, a_run, answer, at, user


def explained(gathered: Gathered) -> str:
    explained = explaining.of_story(story_of(gathered), NOW)
    return "\n".join([explained.paragraph, "", *commands_of(explained, ["-n", "team"])])


def test_a_run_that_waits_for_a_person() -> None:
    window = [SYSTEM, user("Tidy."), answer("", ("c1", "rm", '{"repo": "old"}'))]
    approval = {"digest": "sha256:" + "0" * 64, "requestName": "hello-1-t0-c0", "expiresAt": at(7200)}
    call = a_call(
        "hello-1-t0-c0", "c1", "rm", arguments='{"repo": "old"}', phase="AwaitingHumanApproval", approval=approval
    )
    run = a_run(phase="ToolCallsPending", contextWindow=window)
    assert explained(Gathered(run, (call,), (a_request("hello-1-t0-c0"),))) == (
        "TaskRun hello-1 of agent helper, at taskruntoolcall/hello-1-t0-c0, waits for a person to approve a call of "
        'rm {"repo": "old"} (since 20s, at most another 2h). Without a decision the call is rejected, and the model '
        "reads that. It has run for 1m: 0 turns, 0 tool calls, 0 tokens.\n"
        "\n"
        "  kubechain approve hello-1-t0-c0 -n team\n"
        "  kubechain reject hello-1-t0-c0 --comment TEXT -n team"
    )


def test_many_waits_are_counted() -> None:
    ids = [f"c{number}" for number in range(8)]
    window = [SYSTEM, user("Tidy."), answer("", *((id, "rm", "{}") for id in ids))]
    calls = tuple(a_call(f"hello-1-t0-{id}", id, "rm", phase="Pending", statusDetail="s is away") for id in ids)
    text = explained(Gathered(a_run(phase="ToolCallsPending", contextWindow=window), calls))
    assert text.count("waits with rm: s is away.") == explaining.WAITS_SHOWN
    assert "It waits for 3 other things as well." in text


@pytest.mark.parametrize(
    ("phase", "status", "expected"),
    [
        ("FinalAnswer", {"output": "A bird."}, "has answered after 1m (3 turns, 0 tool calls, 0 tokens): A bird."),
        ("Failed", {"error": "HTTP 401: no"}, "failed after 1m (3 turns, 0 tool calls, 0 tokens): HTTP 401: no"),
        ("Cancelled", {}, "was cancelled after 1m (3 turns, 0 tool calls, 0 tokens)."),
    ],
)
def test_a_run_that_is_over(phase: str, status: dict[str, Any], expected: str) -> None:
    text = explained(Gathered(a_run(phase=phase, turn=3, completionTime=at(0), **status)))
    assert text.splitlines()[0] == f"TaskRun hello-1 of agent helper {expected}"
    assert "  kubechain logs hello-1 -n team" in text.splitlines()


def an_llm(**status: Any) -> LLM:
    key = {"secretKeyRef": {"name": "openai", "key": "KEY"}}
    return LLM.from_wire(
        {"metadata": {"name": "gpt"}, "spec": {"provider": "openai", "apiKeyFrom": key}, "status": status}
    )


@pytest.mark.parametrize(
    ("status", "expected", "command"),
    [
        pytest.param({}, "LLM gpt: no manager has seen it yet", "kubectl describe llm gpt", id="not seen"),
        pytest.param(
            {"status": "Error", "statusDetail": 'Secret "openai" not found'},
            'LLM gpt cannot be used until it is changed: Secret "openai" not found.',
            "kubectl create secret generic openai --from-literal=KEY=YOUR_KEY",
            id="a Secret that is missing",
        ),
        pytest.param(
            {"status": "Pending", "statusDetail": "HTTP 503"},
            "LLM gpt waits, and goes on by itself: HTTP 503.",
            "kubectl describe llm gpt",
            id="a server that is away",
        ),
    ],
)
def test_an_object_that_cannot_be_used(status: dict[str, Any], expected: str, command: str) -> None:
    told = objects.of_object(an_llm(**status))
    assert told.paragraph.startswith(expected)
    assert told.commands[0] == command


def test_what_else_is_true_of_an_object_is_said() -> None:
    condition = {"type": "CircuitOpen", "status": "True", "reason": "x", "message": "5 calls failed"}
    told = objects.of_object(
        an_llm(status="Ready", statusDetail="fine", conditions=[condition | {"lastTransitionTime": at(0)}])
    )
    assert told.paragraph == "LLM gpt can be used: fine. CircuitOpen: 5 calls failed."


def test_a_request_says_what_decides_it() -> None:
    told = objects.of_object(a_request("hello-1-t0-c0", "Question", message="Which?"))
    assert (
        told.paragraph
        == "HumanRequest hello-1-t0-c0 waits for a person, and taskrun/hello-1 waits for it (Question): Which?"
    )
    assert told.commands[0] == "kubechain answer hello-1-t0-c0 --text TEXT"


def test_a_reason_that_ends_with_a_quotation_gets_no_second_full_stop() -> None:
    told = objects.of_object(an_llm(status="Error", statusDetail='HTTP 401: "Wrong key."'))
    assert told.paragraph == 'LLM gpt cannot be used until it is changed: HTTP 401: "Wrong key."'

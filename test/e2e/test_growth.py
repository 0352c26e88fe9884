"""A run whose conversation outgrows the window of its model goes on, and kubectl and kubechain show all of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_builtin, a_task, an_agent, refs
from test.e2e.model import Answer, Ask, Call, Failure, Script, asks
from test.e2e.test_views import kubechain

RUN = "hello-world-task-1"
WINDOW_BYTES = 12_000
TOO_LONG = "This model's maximum context length is 3000 tokens. Please reduce the length of the messages."
SUMMARY = "They added numbers, and nothing else."


def small_model(turns: int) -> tuple[list[Call], Callable[[Call], Answer]]:
    """A model of a small window that adds numbers turn by turn; and the calls that it answered."""
    answered: list[Call] = []

    def respond(call: Call) -> Answer:
        if len(json.dumps(call.messages)) > WINDOW_BYTES:
            return Failure(400, TOO_LONG)
        answered.append(call)
        if call.messages[0]["content"].startswith("You summarise"):
            return SUMMARY
        turn = max((int(one.split("_")[1]) for one in call.results), default=-1) + 1
        if turn >= turns:
            return "It is done."
        return asks(Ask("add", {"a": turn, "b": 1}, id=f"call_{turn}"), content=f"Turn {turn}. " + "z" * 1_500)

    return answered, respond


@pytest.mark.parametrize("turns", [pytest.param(12, id="few turns"), pytest.param(60, id="many turns")])
def test_a_run_goes_on_after_its_model_says_that_the_conversation_is_too_long(
    namespace: Namespace, script: Script, turns: int
) -> None:
    answered, script.respond = small_model(turns)
    namespace.apply(a_builtin("add"), an_agent(tools=refs("add")), a_task())
    run = namespace.finished(RUN, timeout_seconds=120)
    status = run["status"]
    assert status["output"] == "It is done."
    assert status["turn"] == turns + 1
    assert status["messageCount"] == 2 + 2 * turns + 1
    assert status["summaries"][-1]["content"] == SUMMARY
    assert status["usage"]["modelCalls"] == len(answered)
    last = answered[-1].messages
    assert [one["role"] for one in last[:3]] == ["system", "user", "user"]
    assert SUMMARY in last[2]["content"]
    whole = json.loads(kubechain(namespace, "conversation", RUN, "-o", "json").out)
    assert len(whole["messages"]) == status["messageCount"]
    assert kubechain(namespace, "conversation", RUN, "--as-sent").err.startswith(f"{status['messageCount']} messages")


def test_a_policy_of_fail_says_why(namespace: Namespace, script: Script) -> None:
    _, script.respond = small_model(12)
    namespace.apply(a_builtin("add"), an_agent(tools=refs("add"), context={"policy": "Fail"}), a_task())
    run = namespace.finished(RUN, "Failed", timeout_seconds=120)
    assert "context.policy is Fail" in run["status"]["error"]
    assert "maximum context length" in run["status"]["error"]

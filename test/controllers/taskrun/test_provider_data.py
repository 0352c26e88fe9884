"""What a provider needs back survives the API server, and counts in the size of a conversation."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson

from kubechain.api.message import Message, ProviderData
from kubechain.controllers.taskrun.conversation import CONTEXT_WINDOW_MAX_BYTES, Transcript
from kubechain.controllers.taskrun.decide import too_large
from kubechain.llm.pool import HttpPool
from kubechain.llm.provider_client import ProviderClient
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import KEY, a_world

THOUGHT = {"reasoning_content": "Let me think.", "details": [{"signature": "s=", "nothing": None, "deep": {"a": [1]}}]}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}


class ReasoningProvider:
    """Calls `add` in its first turn of a conversation, answers in the second, and thinks aloud in both."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        if request.method == "GET":
            return httpx2.Response(200, json={})
        body = orjson.loads(request.content)
        self.asked.append(body)
        spoken = {"content": "five"} if body["messages"][-1]["role"] == "tool" else {"tool_calls": [CALL]}
        message = {"role": "assistant", **THOUGHT, **spoken}
        return httpx2.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})


def thoughts(body: dict[str, Any]) -> list[Any]:
    return [message.get("details") for message in body["messages"] if message["role"] == "assistant"]


async def test_the_next_turn_takes_along_what_the_same_model_sent_and_a_fork_to_another_model_does_not() -> None:
    provider = ReasoningProvider()
    client = ProviderClient(HttpPool(transport=httpx2.MockTransport(provider.answer)))
    async with a_world() as world, client:
        world.replica(client)
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        await world.apply_walk_through(tools=[{"name": "add"}])
        await world.apply_task()
        run = await world.until(is_over)
        assert run.status.output == "five"

        source = {"secretKeyRef": {"name": "openai", "key": "OPENAI_API_KEY"}}
        await world.apply("llms", {"metadata": {"name": "other"}, "spec": {"provider": "openai", "apiKeyFrom": source}})
        await world.apply(
            "agents", {"metadata": {"name": "second"}, "spec": {"llmRef": {"name": "other"}, "system": "Be brief."}}
        )
        window = [message.to_wire() for message in run.status.context_window]
        for agent in ("my-assistant", "second"):
            spec = {"agentRef": {"name": agent}, "contextWindow": window, "userMessage": "And again?"}
            await world.apply("taskruns", {"metadata": {"name": f"fork-{agent}"}, "spec": spec})
            await world.until(is_over, f"fork-{agent}")

    echo = THOUGHT["details"]
    first, second, again, _, elsewhere, *_ = provider.asked
    assert (thoughts(first), thoughts(second), thoughts(again)) == ([], [echo], [echo, echo])
    assert (elsewhere["model"], thoughts(elsewhere)) == ("other", [None, None])


def test_it_counts_in_the_size_of_a_conversation() -> None:
    plain = Message(role="assistant", content="Hi.")
    data = ProviderData(provider="openai", model="gpt-4o", parts=({"message": {"thought": "x" * 100_000}},))
    thoughtful = plain.with_changes(provider_data=data)
    assert Transcript((thoughtful,)).size_bytes - Transcript((plain,)).size_bytes > 100_000
    count = CONTEXT_WINDOW_MAX_BYTES // 100_000
    assert too_large(Transcript((plain,) * count)) is None
    assert too_large(Transcript((thoughtful,) * count)) is not None

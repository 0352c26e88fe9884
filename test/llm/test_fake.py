"""The fake that other packages' tests rely on."""

from __future__ import annotations

import asyncio

import pytest

from kubechain.llm.client import LLMClient
from kubechain.llm.errors import AuthenticationFailed, RateLimited, TimedOut
from kubechain.llm.fake import FakeLLMClient, answer, call
from test.llm.builders import a_target, user


async def ask(client: LLMClient, text: str = "hi", *, timeout_seconds: float = 5) -> str:
    return (await client.complete(a_target(), [user(text)], timeout_seconds=timeout_seconds)).message.content


async def test_the_script_is_followed_and_its_last_step_repeats() -> None:
    fake = FakeLLMClient(RateLimited("rate limited", retry_after_seconds=2), answer("one"), answer("two"))
    with pytest.raises(RateLimited):
        await ask(fake)
    assert [await ask(fake) for _ in range(3)] == ["one", "two", "two"]


async def test_a_step_can_look_at_the_call() -> None:
    fake = FakeLLMClient(lambda received: answer(received.messages[-1].content.upper()))
    assert await ask(fake, "hello") == "HELLO"


async def test_the_ledger_tells_what_was_asked() -> None:
    fake = FakeLLMClient()
    await ask(fake, "hello")
    assert [(c.target.model, c.messages[0].content, c.timeout_seconds) for c in fake.calls] == [("gpt-4o", "hello", 5)]
    assert fake.answered == 1


async def test_a_tool_call() -> None:
    completion = await FakeLLMClient(call("add", {"a": 1})).complete(a_target(), [user("hi")], timeout_seconds=5)
    assert completion.message.tool_calls[0].function.arguments == '{"a":1}'


async def test_held_calls_stay_in_flight() -> None:
    fake = FakeLLMClient(answer("late"))
    fake.hold()
    asking = asyncio.create_task(ask(fake))
    await fake.wait_for_calls(1)
    assert (len(fake.calls), fake.answered) == (1, 0)
    fake.release()
    assert await asking == "late"


async def test_latency_is_spent_on_the_given_clock_up_to_the_budget() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    fake = FakeLLMClient(latency_seconds=3, sleep=sleep)
    assert await ask(fake) == "ok"
    with pytest.raises(TimedOut):
        await ask(fake, timeout_seconds=2)
    assert slept == [3, 2]


async def test_checks_are_recorded_and_fail_on_request() -> None:
    fake = FakeLLMClient()
    await fake.check(a_target())
    fake.check_error = AuthenticationFailed("no")
    with pytest.raises(AuthenticationFailed):
        await fake.check(a_target("other"))
    assert [target.model for target in fake.checks] == ["gpt-4o", "other"]

"""An `LLMClient` for tests: scripted answers, and a record of every call.

    model = FakeLLMClient(call("add", {"a": 1}), RateLimited("rate limited", retry_after_seconds=2), answer("2"))

Each call takes the next step of the script; the last step repeats. A step is an answer, an error to raise, or a
function of the call. `hold()` keeps calls in flight until `release()`, so that tests need no sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.api.usage import Usage
from kubechain.llm.client import (
    DEFAULT_CHECK_TIMEOUT_SECONDS,
    Accepted,
    Completion,
    Target,
    ToolDefinition,
    Verdict,
)
from kubechain.llm.errors import LLMError, TimedOut


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call."""

    target: Target
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...]
    timeout_seconds: float
    output_schema: Mapping[str, Any] | None = None


Step = Completion | LLMError | Callable[[Call], Completion]
Sleep = Callable[[float], Awaitable[None]]


def answer(text: str, *, finish_reason: str = "stop", model: str = "fake") -> Completion:
    """An answer in text."""
    message = Message(role="assistant", content=text)
    return Completion(message=message, usage=_usage(), finish_reason=finish_reason, model=model)


def call(name: str, arguments: Mapping[str, Any], *, call_id: str = "call_1") -> Completion:
    """An answer that calls one tool."""
    return calls(ToolCall(id=call_id, type="function", function=_function(name, arguments)))


def calls(*tool_calls: ToolCall) -> Completion:
    """An answer that calls tools."""
    message = Message(role="assistant", content="", tool_calls=tool_calls)
    return Completion(message=message, usage=_usage(), finish_reason="tool_calls", model="fake")


class FakeLLMClient:
    """Answers by a script and records the calls.

    Attributes:
        calls: Every call of `complete`, in order of arrival, answered or not.
        checks: Every target of `check`, in order.
        answered: How many calls got their answer or error.
        check_error: What `check` raises; None lets it pass.
        verdict: What `check` returns.
        closed: Whether `aclose` was called.
    """

    def __init__(self, *script: Step, latency_seconds: float = 0.0, sleep: Sleep = asyncio.sleep) -> None:
        """Make a fake.

        Args:
            script: Steps, one a call; the last one repeats. Without any, every answer is "ok".
            latency_seconds: How long each call takes; longer than its timeout raises `TimedOut`.
            sleep: Waits for the latency; tests pass a fake clock's.
        """
        self._script: tuple[Step, ...] = script or (answer("ok"),)
        self._latency_seconds = latency_seconds
        self._sleep = sleep
        self._open = asyncio.Event()
        self._open.set()
        self._changed = asyncio.Condition()
        self.calls: list[Call] = []
        self.checks: list[Target] = []
        self.answered = 0
        self.check_error: LLMError | None = None
        self.verdict: Verdict = Accepted()
        self.closed = False

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        *,
        timeout_seconds: float,
        output_schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Take the next step of the script."""
        step = self._script[min(len(self.calls), len(self._script) - 1)]
        received = Call(target, tuple(messages), tuple(tools), timeout_seconds, output_schema)
        self.calls.append(received)
        await self._notify()
        await self._sleep(min(self._latency_seconds, timeout_seconds))
        if self._latency_seconds > timeout_seconds:
            raise TimedOut(f"timed out: no whole reply within {timeout_seconds:g} s")
        await self._open.wait()
        self.answered += 1
        await self._notify()
        return _result(step, received)

    async def check(
        self, target: Target, *, is_billed: bool = False, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS
    ) -> Verdict:
        """Record the target; raise `check_error` if there is one."""
        self.checks.append(target)
        await self._notify()
        if self.check_error is not None:
            raise self.check_error
        return self.verdict

    def hold(self) -> None:
        """Keep calls in flight from now on."""
        self._open.clear()

    def release(self) -> None:
        """Let held calls be answered."""
        self._open.set()

    async def wait_for_calls(self, count: int) -> None:
        """Wait until so many calls came in."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.calls) >= count)

    async def wait_for_checks(self, count: int) -> None:
        """Wait until so many checks came in."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.checks) >= count)

    async def aclose(self) -> None:
        """Record that the client was closed."""
        self.closed = True

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _result(step: Step, received: Call) -> Completion:
    match step:
        case Completion():
            return step
        case LLMError():
            raise step
        case _:
            return step(received)


def _function(name: str, arguments: Mapping[str, Any]) -> ToolCallFunction:
    return ToolCallFunction(name=name, arguments=orjson.dumps(arguments).decode())


def _usage() -> Usage:
    return Usage(input_tokens=1, output_tokens=1, total_tokens=2, model_calls=1)

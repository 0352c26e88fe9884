"""The clients under measurement, behind one method: each keeps a conversation in the form that it sends.

All make one attempt for a call, with the same timeout, and share one client between all conversations.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

TIMEOUT_SECONDS = 120.0
MODEL = "mock"
KEY = "sk-bench"
SYSTEM = "You are helpful. " * 60
"""One KiB, as the prompts of agents have and more."""


class Conversation(Protocol):
    """One of many."""

    async def ask(self, text: str) -> str:
        """Say something; the answer."""
        ...


Begin = Callable[[], Conversation]
"""Makes a conversation."""

Opened = Callable[[str, int], AbstractAsyncContextManager[Begin]]
"""Opens a client at an origin, for so many conversations."""


def ours(provider: str, path: str) -> Opened:
    """Our client, as the manager has it."""

    @asynccontextmanager
    async def opened(origin: str, conversations: int) -> AsyncGenerator[Begin]:
        del conversations
        from kubechain.api.message import Message
        from kubechain.llm.provider_client import ProviderClient
        from test.llm.builders import a_target

        target = a_target(MODEL, provider=provider, base_url=origin + path, key=KEY)

        class Ours:
            def __init__(self) -> None:
                self._messages = [Message(role="system", content=SYSTEM)]

            async def ask(self, text: str) -> str:
                self._messages.append(Message(role="user", content=text))
                completion = await client.complete(target, self._messages, timeout_seconds=TIMEOUT_SECONDS)
                self._messages.append(completion.message)
                return completion.message.content or ""

        async with ProviderClient() as client:
            yield Ours

    return opened


def openai_sdk(*, is_limited: bool) -> Opened:
    """The SDK of OpenAI: with its own limit of 1,000 connections, or without a limit."""

    @asynccontextmanager
    async def opened(origin: str, conversations: int) -> AsyncGenerator[Begin]:
        import httpx2
        import openai

        class OfOpenAI:
            def __init__(self) -> None:
                self._messages: list[Any] = [{"role": "system", "content": SYSTEM}]

            async def ask(self, text: str) -> str:
                self._messages.append({"role": "user", "content": text})
                completion = await client.chat.completions.create(model=MODEL, messages=self._messages)
                message = completion.choices[0].message
                self._messages.append({"role": "assistant", "content": message.content})
                return message.content or ""

        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=conversations)
        http = None if is_limited else openai.DefaultAsyncHttpx2Client(limits=limits)
        async with openai.AsyncOpenAI(
            api_key=KEY, base_url=f"{origin}/v1", max_retries=0, timeout=TIMEOUT_SECONDS, http_client=http
        ) as client:
            yield OfOpenAI

    return opened


def anthropic_sdk(*, is_limited: bool) -> Opened:
    """The SDK of Anthropic: with its own limit of 1,000 connections, or without a limit."""

    @asynccontextmanager
    async def opened(origin: str, conversations: int) -> AsyncGenerator[Begin]:
        import anthropic
        import httpx2

        class OfAnthropic:
            def __init__(self) -> None:
                self._messages: list[Any] = []

            async def ask(self, text: str) -> str:
                self._messages.append({"role": "user", "content": text})
                message = await client.messages.create(
                    model=MODEL, max_tokens=1024, system=SYSTEM, messages=self._messages
                )
                answer = "".join(block.text for block in message.content if block.type == "text")
                self._messages.append({"role": "assistant", "content": answer})
                return answer

        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=conversations)
        http = None if is_limited else anthropic.DefaultAsyncHttpxClient(limits=limits)
        async with anthropic.AsyncAnthropic(
            api_key=KEY, base_url=origin, max_retries=0, timeout=TIMEOUT_SECONDS, http_client=http
        ) as client:
            yield OfAnthropic

    return opened


CLIENTS: Mapping[str, Opened] = {
    "ours-chat": ours("openai", "/v1"),
    "openai": openai_sdk(is_limited=True),
    "openai-wide": openai_sdk(is_limited=False),
    "ours-messages": ours("anthropic", ""),
    "anthropic": anthropic_sdk(is_limited=True),
    "anthropic-wide": anthropic_sdk(is_limited=False),
}
"""By the name of a column. An SDK's import is part of what its process takes, so each is imported when it is opened."""

BESIDE = {
    "openai": "ours-chat",
    "openai-wide": "ours-chat",
    "anthropic": "ours-messages",
    "anthropic-wide": "ours-messages",
}
"""Which column of ours an SDK stands beside: the one of its wire format."""

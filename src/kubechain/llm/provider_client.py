"""The real `LLMClient`: a provider's dialect, one HTTP exchange.

Built once by the composition root and shared by all controllers. Retries, backoff, fallbacks, records, and how many
calls an LLM has at once are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from kubechain.api.message import Message
from kubechain.llm.client import DEFAULT_CHECK_TIMEOUT_SECONDS, Completion, Target, ToolDefinition
from kubechain.llm.dialects import DIALECTS, dialect_for
from kubechain.llm.exchange import CompletionRequest
from kubechain.llm.http import HttpPool


class ProviderClient:
    """Talks to every provider that has a dialect."""

    def __init__(self, pool: HttpPool | None = None) -> None:
        """Make a client.

        Args:
            pool: What performs the exchanges; closed with the client. None makes one.
        """
        self._pool = pool or HttpPool()

    @staticmethod
    def supports(provider: str) -> bool:
        """Whether this release speaks to a provider."""
        return provider in DIALECTS

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        *,
        timeout_seconds: float,
    ) -> Completion:
        """See `LLMClient.complete`."""
        dialect = dialect_for(target.provider)
        request = CompletionRequest(target, messages, tools)
        call = dialect.build(request)
        reply = await self._pool.send(call, timeout_seconds=timeout_seconds)
        return dialect.parse(request, reply)

    async def check(self, target: Target, *, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS) -> None:
        """See `LLMClient.check`."""
        dialect = dialect_for(target.provider)
        reply = await self._pool.send(dialect.check(target), timeout_seconds=timeout_seconds)
        if second := dialect.judge(target, reply):
            dialect.judge_listing(target, await self._pool.send(second, timeout_seconds=timeout_seconds))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

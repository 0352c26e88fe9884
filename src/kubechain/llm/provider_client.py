"""The real `LLMClient`: performs what a provider's dialect encodes, over the pool of connections.

Retries, backoff, fallbacks, records and the number of calls in flight belong to the controllers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Self

from kubechain.api.message import Message
from kubechain.llm.client import DEFAULT_CHECK_TIMEOUT_SECONDS, Completion, Parameters, Target, ToolDefinition, Verdict
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.echoes import without_key
from kubechain.llm.errors import Retryable
from kubechain.llm.exchange import HttpCall, HttpReply
from kubechain.llm.pool import HttpPool
from kubechain.llm.providers import row_for
from kubechain.llm.silence import SilenceCuts


class ProviderClient:
    """Talks to every provider that has a row in `providers.PROVIDERS`."""

    def __init__(self, pool: HttpPool | None = None) -> None:
        """Make a client.

        Args:
            pool: What performs the exchanges; closed with the client. None makes one.
        """
        self._pool = pool or HttpPool()
        self._cuts = SilenceCuts()

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        *,
        timeout_seconds: float,
    ) -> Completion:
        """See `LLMClient.complete`."""
        dialect = row_for(target.provider).dialect_named(target.dialect)
        request = CompletionRequest(target, messages, tools, is_stream_advised=self._cuts.is_known(target))
        started_at = asyncio.get_running_loop().time()
        try:
            reply = await self._pool.send(
                dialect.encode(request), timeout_seconds=timeout_seconds, make_reader=dialect.reader
            )
            return without_key(dialect.decode(request, reply), target.api_key)
        except Retryable as error:
            self._cuts.note(target, error, after_seconds=asyncio.get_running_loop().time() - started_at)
            raise

    async def check(
        self, target: Target, *, is_billed: bool = False, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS
    ) -> Verdict:
        """See `LLMClient.check`."""
        dialect = row_for(target.provider).dialect_named(target.dialect)
        if is_billed:
            short = replace(target, parameters=Parameters(max_tokens=1))
            call = dialect.encode(CompletionRequest(short, [Message(role="user", content="Hi")]))
            reply = await self._pool.send(call, timeout_seconds=timeout_seconds, make_reader=dialect.reader)
            return dialect.judge(short, reply)
        return await self._probe(dialect.probe(target), timeout_seconds)

    async def _probe(self, probe: Generator[HttpCall, HttpReply, Verdict], timeout_seconds: float) -> Verdict:
        """Perform the requests of a free check; it may go on after one that got no reply."""
        try:
            call = next(probe)
            while True:
                try:
                    reply = await self._pool.send(call, timeout_seconds=timeout_seconds)
                except Retryable as error:
                    call = probe.throw(error)
                else:
                    call = probe.send(reply)
        except StopIteration as end:
            return end.value
        finally:
            probe.close()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        await self.aclose()

"""The real `LLMClient`: performs what a provider's dialect encodes, over the pool of connections.

Retries, backoff, fallbacks, records and the number of calls in flight belong to the controllers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from kubechain.api.message import Message
from kubechain.llm.access import Access, AccessStore
from kubechain.llm.client import DEFAULT_CHECK_TIMEOUT_SECONDS, Completion, Parameters, Target, ToolDefinition, Verdict
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.echoes import without_key
from kubechain.llm.errors import ProviderDataRefused, RequestRefused, Retryable
from kubechain.llm.exchange import HttpCall, HttpReply
from kubechain.llm.modelset import ModelSet
from kubechain.llm.pool import HttpPool
from kubechain.llm.providers import row_for
from kubechain.llm.silence import SilenceCuts
from kubechain.net.retry_after import used_up_seconds

_FIELD_REFUSED = frozenset({400, 422})
"""Statuses of a server that does not take a field of the request."""


class ProviderClient:
    """Talks to every provider that has a row in `providers.PROVIDERS`."""

    def __init__(self, pool: HttpPool | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        """Make a client.

        Args:
            pool: What performs the exchanges; closed with the client. None makes one.
            environ: Of the manager, for its own identity; the process's own by default.
        """
        self._pool = pool or HttpPool()
        self._access = AccessStore(self._pool, now=self._pool.now, environ=environ)
        self._cuts = SilenceCuts()
        self._without_schemas = ModelSet()

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        *,
        timeout_seconds: float,
        output_schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """See `LLMClient.complete`."""
        started_at = asyncio.get_running_loop().time()
        is_refused = output_schema is not None and target in self._without_schemas
        request = CompletionRequest(target, messages, tools, output_schema=output_schema, is_schema_refused=is_refused)
        try:
            return await self._in_plain_form(request, timeout_seconds)
        except RequestRefused as error:
            # Nothing was answered or billed. What the server refuses may be the field for the schema: in words it is
            # a request like any other.
            if output_schema is None or is_refused or error.http_status not in _FIELD_REFUSED:
                raise
        completion = await self._in_plain_form(
            replace(request, is_schema_refused=True), _left_seconds(timeout_seconds, started_at)
        )
        self._without_schemas.add(target)
        return completion

    async def _in_plain_form(self, request: CompletionRequest, timeout_seconds: float) -> Completion:
        """Make a call, without the data of the provider's own where it refuses that."""
        started_at = asyncio.get_running_loop().time()
        try:
            return await self._complete(request, timeout_seconds)
        except ProviderDataRefused:
            # Nothing was answered or billed, and without what the provider refuses the conversation is a whole one.
            if not any(message.provider_data for message in request.messages):
                raise
        plain = [message.with_changes(provider_data=None) for message in request.messages]
        left_seconds = _left_seconds(timeout_seconds, started_at)
        return await self._complete(replace(request, messages=plain), left_seconds)

    async def _complete(self, unsigned: CompletionRequest, timeout_seconds: float) -> Completion:
        target = unsigned.target
        dialect = row_for(target.provider).dialect_named(target.dialect)

        async def attempt(access: Access) -> Completion:
            is_stream_advised = self._cuts.is_known(access.target)
            request = replace(unsigned, target=access.target, is_stream_advised=is_stream_advised)
            started_at = asyncio.get_running_loop().time()
            try:
                call = access.sign(dialect.encode(request))
                reply = await self._pool.send(call, timeout_seconds=timeout_seconds, make_reader=dialect.reader)
                completion = without_key(dialect.decode(request, reply), access.target.api_key)
                used_up = used_up_seconds(reply.headers, now=reply.received_at)
                return replace(completion, used_up_for_seconds=used_up)
            except Retryable as error:
                seconds = asyncio.get_running_loop().time() - started_at
                self._cuts.note(access.target, error, after_seconds=seconds)
                raise

        return await self._access.with_access(target, attempt)

    async def check(
        self, target: Target, *, is_billed: bool = False, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS
    ) -> Verdict:
        """See `LLMClient.check`."""
        dialect = row_for(target.provider).dialect_named(target.dialect)

        async def attempt(access: Access) -> Verdict:
            if not is_billed:
                return await self._probe(dialect.probe(access.target), access, timeout_seconds)
            short = replace(access.target, parameters=Parameters(max_tokens=1))
            call = access.sign(dialect.encode(CompletionRequest(short, [Message(role="user", content="Hi")])))
            reply = await self._pool.send(call, timeout_seconds=timeout_seconds, make_reader=dialect.reader)
            return dialect.judge(short, reply)

        return await self._access.with_access(target, attempt)

    async def _probe(
        self, probe: Generator[HttpCall, HttpReply, Verdict], access: Access, timeout_seconds: float
    ) -> Verdict:
        """Perform the requests of a free check; it may go on after one that got no reply."""
        try:
            call = next(probe)
            while True:
                try:
                    reply = await self._pool.send(access.sign(call), timeout_seconds=timeout_seconds)
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


def _left_seconds(timeout_seconds: float, started_at: float) -> float:
    """What is left of the budget of a call that is made once more."""
    return timeout_seconds - (asyncio.get_running_loop().time() - started_at)

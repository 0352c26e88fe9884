"""What an LLM's Secret becomes before a call: a key, a token fetched for it, or a signature over each request.

Tokens are kept in memory until shortly before they end, and shared by all calls of the same identity; while one is
fetched, the others of that identity wait for it. A call that is refused with 401 is made once more with a new token.
What must not go here: a log line, or a token in a message.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from kubechain.llm.auth import NO_KEY
from kubechain.llm.client import Target
from kubechain.llm.cloud import sigv4
from kubechain.llm.cloud.aws import OwnRole
from kubechain.llm.errors import AuthenticationFailed, InvalidTarget, LLMError, Retryable, Unreachable
from kubechain.llm.exchange import HttpCall, HttpReply
from kubechain.llm.identity import AwsKeys, Fetch, KeyAsItIs, Signature, Surroundings, Token, TokenSource
from kubechain.llm.pool import HttpPool

FETCH_TIMEOUT_SECONDS = 20.0
"""Budget of one request to a token endpoint."""

MARGIN_SECONDS = 300.0
"""A token is renewed so long before it ends; one that lives shorter, after four fifths of its life."""

TOKENS_MAX = 1_000
"""Bounds memory where each tenant has an identity; beyond it the least recently used is fetched again."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Access:
    """A target that can be called.

    Attributes:
        sign: What each request goes through before it is sent.
        renew: Makes the next access a new one; None where it would be the same, or is new already.
    """

    target: Target
    sign: Callable[[HttpCall], HttpCall] = field(default=lambda call: call, repr=False)
    renew: Callable[[], None] | None = None


@dataclass(slots=True, eq=False)
class _Fetches:
    """The fetches of one identity: one at a time, its end shared by all calls that wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    failure: LLMError | None = None
    failures: int = 0

    async def shared(self, known: Callable[[], _Result | None], fetch: Callable[[], Awaitable[_Result]]) -> _Result:
        """Fetch, or wait for the call that fetches and share its end, good or bad.

        Args:
            known: What was fetched before, if it is good still.
            fetch: Fetches it.
        """
        failures = self.failures
        async with self.lock:
            if found := known():
                return found
            if self.failure and self.failures > failures:
                raise _again(self.failure)
            try:
                fetched = await fetch()
            except LLMError as error:
                self.failure, self.failures = error, self.failures + 1
                raise
            self.failure = None
            return fetched


@dataclass(slots=True, eq=False)
class _Entry:
    """The token of one identity."""

    fetches: _Fetches = field(default_factory=_Fetches)
    token: Token | None = None
    good_until: float = 0.0


class AccessStore:
    """Gives access to targets, and keeps the tokens."""

    def __init__(
        self, pool: HttpPool, *, now: Callable[[], datetime], environ: Mapping[str, str] | None = None
    ) -> None:
        """Begin without a token.

        Args:
            pool: Over which token endpoints are asked.
            now: Wall clock, for assertions and signatures.
            environ: The administrator's settings; the process's own by default.
        """
        self._pool = pool
        self._now = now
        self._around = Surroundings(os.environ if environ is None else environ, lambda path: Path(path).read_text())
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._role, self._role_fetches = OwnRole(), _Fetches()

    async def with_access(self, target: Target, attempt: Callable[[Access], Awaitable[_Result]]) -> _Result:
        """Make a call with access, and once more where a token of before is refused.

        Raises:
            LLMError: There is no access, or the call failed.
        """
        access = await self._access(target)
        try:
            return await attempt(access)
        except AuthenticationFailed as error:
            if access.renew is None or error.http_status != 401:
                raise
            access.renew()
        return await attempt(await self._access(target))

    async def _access(self, target: Target) -> Access:
        if target.endpoint.grant is None:
            return Access(target)
        match target.endpoint.grant.way(target.api_key, target.endpoint.base, self._around):
            case KeyAsItIs():
                return Access(target)
            case TokenSource() as source:
                return await self._by_token(target, source)
            case Signature() as signature:
                return await self._by_signature(target, signature)

    async def _by_token(self, target: Target, source: TokenSource) -> Access:
        entry = self._entry(source.identity)
        known = self._good(entry)
        token = known or await self._fetched(entry, source)

        def renew() -> None:
            if entry.token is token:  # another call may have renewed it
                entry.token = None

        return Access(replace(target, api_key=token.value), renew=renew if known else None)

    async def _by_signature(self, target: Target, signature: Signature) -> Access:
        keys = signature.keys or await self._role_keys()
        # The dialect gets what is secret in a signed request, so that no answer repeats it.
        unsent = replace(target, endpoint=replace(target.endpoint, auth=NO_KEY), api_key=_sent_secret(keys))
        renew = None if signature.keys else self._role.forget
        return Access(unsent, lambda call: sigv4.signed(call, signature, keys, self._now()), renew)

    def _entry(self, identity: str) -> _Entry:
        entry = self._entries.setdefault(identity, _Entry())
        self._entries.move_to_end(identity)
        if len(self._entries) > TOKENS_MAX:
            self._entries.popitem(last=False)
        return entry

    def _good(self, entry: _Entry) -> Token | None:
        return entry.token if asyncio.get_running_loop().time() < entry.good_until else None

    async def _fetched(self, entry: _Entry, source: TokenSource) -> Token:
        async def fetch() -> Token:
            token = await self._perform(source.fetch(self._now()))
            entry.token, life = token, token.lifetime_seconds
            entry.good_until = asyncio.get_running_loop().time() + max(life - MARGIN_SECONDS, life * 0.8)
            return token

        return await entry.fetches.shared(lambda: self._good(entry), fetch)

    async def _role_keys(self) -> AwsKeys:
        """Keys of the manager's own role. One thread at a time: while it fetches them, the others would only wait."""
        return await self._role_fetches.shared(lambda: None, lambda: asyncio.to_thread(self._role.keys))

    async def _perform(self, fetch: Fetch) -> Token:
        try:
            call = next(fetch)
            while True:
                call = fetch.send(await self._send(call))
        except StopIteration as end:
            return end.value
        finally:
            fetch.close()

    async def _send(self, call: HttpCall) -> HttpReply:
        try:
            return await self._pool.send(call, timeout_seconds=FETCH_TIMEOUT_SECONDS)
        except InvalidTarget as error:
            raise InvalidTarget(str(error).replace("baseUrl", "token endpoint", 1)) from error
        except Retryable as error:  # of a sort that is not billed, whatever it was
            raise Unreachable(f"no token: {call.url}: {error}") from error


def _sent_secret(keys: AwsKeys) -> SecretStr:
    return keys.session_token or keys.secret_access_key


def _again(error: LLMError) -> LLMError:
    """The same failure for another call that waited for it."""
    if isinstance(error, Retryable):
        wait = error.retry_after_seconds
        return type(error)(str(error), http_status=error.http_status, retry_after_seconds=wait)
    return type(error)(str(error), http_status=error.http_status)

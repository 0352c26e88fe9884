"""One HTTP exchange with a provider, as values: what a dialect builds and what it reads.

Dialects are pure functions from and to these; `http.HttpPool` is the only thing that performs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from kubechain.api.message import Message
from kubechain.llm.client import Completion, Target, ToolDefinition


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A model call before it is put into a provider's words."""

    target: Target
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition] = ()


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request to send. Headers hold the key, so they are not in the repr."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply read to its end. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime


class Dialect(Protocol):
    """A provider's wire format. Pure: no I/O, no clock, no state."""

    def build(self, request: CompletionRequest) -> HttpCall:
        """Put a model call into words.

        Raises:
            InvalidTarget: The target's settings cannot make a request.
        """
        ...

    def parse(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """Read the answer.

        Raises:
            LLMError: The reply is a failure, or is no answer.
        """
        ...

    def check(self, target: Target) -> HttpCall:
        """Make the free request that proves the key and the model."""
        ...

    def judge(self, target: Target, reply: HttpReply) -> HttpCall | None:
        """Read the reply to `check`: None when all is well, or a second request when the first cannot tell.

        Raises:
            LLMError: As for `parse`.
        """
        ...

    def judge_listing(self, target: Target, reply: HttpReply) -> None:
        """Read the reply to the second request.

        Raises:
            LLMError: As for `parse`.
        """
        ...

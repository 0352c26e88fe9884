"""What can be done about a tool call: one frozen value for each, named by its verb."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubechain.api.tool import ToolSemantics
from kubechain.controllers.offers import Offer


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until a watch, or the time, brings news."""

    requeue_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that the call needs is not there."""

    detail: str


@dataclass(frozen=True, slots=True)
class Execute:
    """T4, the call, T5."""

    offer: Offer
    arguments: dict[str, Any] = field(repr=False)
    semantics: ToolSemantics
    attempt: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Delegate:
    """Have another agent do it, in a run of its own."""

    agent: str
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LookForChild:
    """The other agent's run was made and is not in the cache: it was deleted, or the cache is behind."""


@dataclass(frozen=True, slots=True)
class TakeAnswer:
    """The other agent's run has ended with an answer."""

    output: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fail:
    """The call ends without having been carried out, or with the tool's own error."""

    message: str


@dataclass(frozen=True, slots=True)
class ReportUnknown:
    """T6: interrupted, and not safe to repeat."""

    message: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for the call any more."""

    message: str


@dataclass(frozen=True, slots=True)
class Release:
    """The object was deleted and nobody needs it: let it go."""


Step = Rest | Wait | Execute | Delegate | LookForChild | TakeAnswer | Fail | ReportUnknown | Cancel | Release

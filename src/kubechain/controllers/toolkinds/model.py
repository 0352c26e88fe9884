"""What all sorts of tools share: offers, plans, invocations, outcomes, and the protocols that a sort implements."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import orjson

from kubechain.api.agent import Agent
from kubechain.api.approval import PinnedApproval
from kubechain.api.mcpserver import MCPServer
from kubechain.api.references import SecretKeyRef
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import PinnedTool, ToolCallType
from kubechain.api.taskruntoolcall import Elicitation
from kubechain.api.tool import OnUnknownOutcome, Tool, ToolSemantics

NOT_KNOWN = "not known to this release"
"""The detail of a tool that only another release of the manager can carry out."""


class ToolOrigin(StrEnum):
    """The sort of object that provides an offered name; the values of `PinnedTool.kind`."""

    TOOL = "Tool"
    MCP_SERVER = "MCPServer"
    AGENT = "Agent"
    CONTACT_CHANNEL = "ContactChannel"
    BUILTIN = "Builtin"


# --- what is offered


@dataclass(frozen=True, slots=True)
class Offer:
    """One tool as it is offered to the model.

    Attributes:
        object: Name of the object that provides it; empty for a builtin, and for a question without a channel.
        tool: Its own name there, where one object provides several.
        call_type: The sort of tool that carries its calls out.
        delegate: Name of the Agent that its calls are delegated to; empty for none.
        provider: The object that provides it, as it was read with the offer; None for a builtin or an Agent.
        approval: That a person must approve its calls, and on which terms; None where nobody must.
        on_unknown_outcome: What happens when it is not known whether a call took effect; None is the default.
    """

    name: str
    origin: ToolOrigin
    object: str
    tool: str
    description: str
    parameters: JsonObject
    call_type: ToolCallType
    delegate: str = ""
    provider: Tool | MCPServer | None = field(default=None, repr=False, compare=False)
    approval: PinnedApproval | None = None
    on_unknown_outcome: OnUnknownOutcome | None = None

    def pin(self) -> PinnedTool:
        """The offer as it is kept in the status of a run."""
        digest = hashlib.sha256(orjson.dumps(self.parameters, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return PinnedTool(
            name=self.name,
            kind=self.origin,
            object=self.object,
            tool=self.tool,
            type=self.call_type,
            schema_hash=digest,
            approval=self.approval,
            on_unknown_outcome=self.on_unknown_outcome,
        )


@dataclass(frozen=True, slots=True)
class Missing:
    """A pinned tool cannot be used now; `detail` says what a run or call waits for."""

    detail: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A pinned tool is not offered any more: waiting would not help."""

    detail: str


Found = Offer | Missing | Withdrawn


# --- how a call is planned


@dataclass(frozen=True, slots=True)
class Execute:
    """T4 (claim the call), the call, T5 (record its result)."""

    offer: Offer
    arguments: dict[str, Any] = field(repr=False)
    semantics: ToolSemantics
    attempt: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Delegate:
    """Create a run of another Agent that answers the call."""

    agent: str
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Ask a person what the arguments say; the answer is the result of the call."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that the call needs is missing."""

    detail: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The call ends without having been carried out, or with the tool's own error."""

    message: str


Plan = Execute | Delegate | AskPerson | Wait | Fail


# --- how it is carried out


Tell = Callable[[str], Awaitable[None]]
"""Says in the status of a call what it waits for, while it is carried out; best effort."""


async def tell_nobody(detail: str) -> None:
    """Nobody reads what the call waits for."""
    del detail


@dataclass(frozen=True, slots=True)
class Invocation:
    """One claimed call with everything that carrying it out needs.

    Attributes:
        name: Of the call's object. It is deterministic, so that what was started under it is found again.
        key: Idempotency key, the same for every attempt.
        results: Looks up the results of earlier calls of the same run, by tool call id.
        trace: W3C trace context.
        tell: See `Tell`.
        elicitation: What the server asked people for before, with a reply to each item; None for nothing.
    """

    namespace: str
    name: str
    uid: str
    offer: Offer
    arguments: Mapping[str, Any] = field(repr=False)
    key: str
    timeout_seconds: float
    results: Callable[[], Mapping[str, str]] = field(repr=False)
    trace: Mapping[str, str] = field(default_factory=dict[str, str])
    tell: Tell = field(default=tell_nobody, repr=False)
    elicitation: Elicitation | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Started:
    """A call that a process started under its name, and that goes on without this process.

    Attributes:
        timeout_seconds: How long the call may take.
        remaining_seconds: How much of that is left; not negative.
        tell: See `Tell`.
    """

    namespace: str
    name: str
    uid: str
    timeout_seconds: float
    remaining_seconds: float
    tell: Tell = field(default=tell_nobody, repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """The tool answered, with a result or with an error of its own."""

    content: str = field(repr=False)
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class NotDone:
    """The call was certainly not executed.

    Attributes:
        may_pass: Whether the same call may work later.
    """

    message: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Unclear:
    """The call may have been executed: it timed out, or the connection broke after it was sent."""

    message: str


@dataclass(frozen=True, slots=True)
class Elicits:
    """The server asks people for something before it carries the call out.

    Attributes:
        elicitation: What it asks for, with what it asked for before.
    """

    elicitation: Elicitation = field(repr=False)


CallOutcome = Answered | NotDone | Unclear | Elicits


# --- what a sort of tool implements


class Planner(Protocol):
    """Decides how a call is carried out."""

    @property
    def acts_outside(self) -> bool:
        """Whether a call has effects outside this process, so that it must not be started twice by mistake."""
        ...

    def obstacle(self, offer: Offer) -> str:
        """What this process still lacks for a call of the offer, such as a connection; empty for nothing."""
        ...

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        """Plan a call whose arguments fit the offer's schema: pure.

        Args:
            attempt: How many times the call was started before.
            depth: How many runs delegated down to the run that wants the call.
        """
        ...


class Executor(Protocol):
    """Carries a claimed call out."""

    async def execute(self, invocation: Invocation) -> CallOutcome:
        """Carry the call out once; failures come back as values."""
        ...


class Follower(Protocol):
    """Finds calls again that go on without the process that started them; it starts none."""

    @property
    def goes_on(self) -> bool:
        """Whether calls that this process started go on without it, so that it need not wait for them when it stops."""
        ...

    async def follow(self, started: Started) -> CallOutcome:
        """Wait for the end of a call that this or another process started; failures come back as values."""
        ...

    async def stop(self, started: Started) -> None:
        """End what was started for a call that nobody waits for any more; best effort."""
        ...


class Provider(Protocol):
    """Offers tools that are not objects of kind Tool."""

    def offers(self, agent: Agent) -> Iterable[Offer]:
        """What an Agent's model may call, in the order of its spec; what does not exist is left out."""
        ...

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        """What a pinned name stands for now."""
        ...


class ToolHandler(Protocol):
    """Handles objects of kind Tool."""

    def serves(self, tool: Tool) -> bool:
        """Whether the Tool is of this sort."""
        ...

    def offer(self, tool: Tool, name: str) -> Offer:
        """A Tool of this sort, offered under a name."""
        ...

    def secret_keys(self, tool: Tool) -> Sequence[SecretKeyRef]:
        """The keys of Secrets that a Tool of this sort refers to."""
        ...

    def wants_approval(self, tool: Tool) -> bool:
        """Whether the part of the spec that belongs to this sort wants a person to approve each call."""
        ...

    async def check(self, tool: Tool) -> None:
        """See whether a Tool of this sort can be carried out here; calls nothing that the Tool names.

        Raises:
            NotExecuted: It cannot; the message says why.
        """
        ...


@dataclass(frozen=True, slots=True)
class ToolKind:
    """One sort of tool: a row of the registry.

    Attributes:
        call_type: Its name on the wire.
        executor: None for a sort whose calls are runs of another Agent, or questions to people.
        follower: None for a sort whose calls end with the process that carries them out.
        provider: With the origin of the names that it provides; None for a sort that comes as Tools only.
        handler: None for a sort that no Tool is of.
    """

    call_type: ToolCallType
    planner: Planner
    executor: Executor | None = None
    follower: Follower | None = None
    provider: tuple[ToolOrigin, Provider] | None = None
    handler: ToolHandler | None = None


# --- shared by several sorts


def not_ready(kind: str, name: str, *, exists: bool) -> Missing:
    """The object that provides a pinned tool does not exist or is not ready."""
    return Missing(f'Waiting for {kind} "{name}" to {"become ready" if exists else "exist"}')


def tool_offer(
    tool: Tool,
    name: str,
    call_type: ToolCallType,
    *,
    description: str | None = None,
    parameters: JsonObject | None = None,
    delegate: str = "",
) -> Offer:
    """A Tool, offered under a name.

    Args:
        description: Where the Tool has none of its own.
        parameters: In place of the Tool's schema.
    """
    return Offer(
        name=name,
        origin=ToolOrigin.TOOL,
        object=tool.metadata.name,
        tool="",
        description=tool.spec.description or description or "",
        parameters=tool.input_schema if parameters is None else parameters,
        call_type=call_type,
        delegate=delegate,
        provider=tool,
    )


def tool_execution(offer: Offer, arguments: dict[str, Any], *, attempt: int, timeout_seconds: float) -> Execute:
    """The plan to execute a Tool that acts outside: at most once, unless the Tool says that it is safe to repeat."""
    return Execute(
        offer=offer,
        arguments=arguments,
        semantics=tool_of(offer).spec.semantics or ToolSemantics.AT_MOST_ONCE,
        attempt=attempt,
        timeout_seconds=timeout_seconds,
    )


def tool_of(offer: Offer) -> Tool:
    """The Tool behind an offer that a handler made."""
    assert isinstance(offer.provider, Tool), "offers of a handler carry their Tool"
    return offer.provider

"""Functions that are part of KubeChain: those that a Tool names, and the plan that an Agent keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kubechain.api.agent import Agent
from kubechain.api.references import SecretKeyRef
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import PinnedTool, ToolCallType
from kubechain.api.tool import BuiltinTool, Tool, ToolSemantics
from kubechain.controllers import plan
from kubechain.controllers.toolkinds.model import (
    CallOutcome,
    Execute,
    Found,
    Invocation,
    Offer,
    Plan,
    ToolKind,
    ToolOrigin,
    tool_of,
    tool_offer,
)
from kubechain.controllers.toolkinds.outcomes import outcome_of
from kubechain.runtime.clock import Clock
from kubechain.tools.builtin import BUILTINS, Builtin, Context
from kubechain.tools.model import InvalidTool, Output
from kubechain.tools.parameters import check_signature

TIMEOUT_SECONDS = 10.0
"""A builtin computes and waits for nothing."""

READS_RESULTS = frozenset({"json_query"})
"""Builtins that read the results of earlier calls."""

PLAN_OFFER = Offer(
    name=plan.NAME,
    origin=ToolOrigin.BUILTIN,
    object="",
    tool=plan.NAME,
    description=plan.DESCRIPTION,
    parameters=plan.PARAMETERS,
    call_type=ToolCallType.FUNCTION,
)


def tool_kind(clock: Clock) -> ToolKind:
    """The row of the registry for this sort."""
    builtins = BuiltinTools(clock)
    return ToolKind(
        ToolCallType.FUNCTION,
        planner=builtins,
        executor=builtins,
        provider=(ToolOrigin.BUILTIN, builtins),
        handler=builtins,
    )


@dataclass(frozen=True, slots=True)
class BuiltinTools:
    """Pure functions of this process: always safe to repeat, unless the Tool says otherwise."""

    clock: Clock

    def offers(self, agent: Agent) -> Iterable[Offer]:
        """The plan, where the Agent keeps one."""
        return (PLAN_OFFER,) if agent.spec.planning else ()

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        """The plan: no object provides it, so it is always found."""
        del namespace, pinned
        return PLAN_OFFER

    def serves(self, tool: Tool) -> bool:
        """Whether the Tool names a builtin."""
        return _spec(tool) is not None

    def offer(self, tool: Tool, name: str) -> Offer:
        """The Tool; where it has no description or schema, with those of the builtin."""
        spec = _spec(tool)
        builtin = BUILTINS.get(spec.name) if spec else None
        if builtin is None:
            return tool_offer(tool, name, ToolCallType.FUNCTION)
        schema = _schema(tool, builtin)
        return tool_offer(tool, name, ToolCallType.FUNCTION, description=builtin.description, parameters=schema)

    def secret_keys(self, tool: Tool) -> Sequence[SecretKeyRef]:
        """None: a builtin is given no secret."""
        del tool
        return ()

    def wants_approval(self, tool: Tool) -> bool:
        """No: `execute.builtin` has no such field."""
        del tool
        return False

    async def check(self, tool: Tool) -> None:
        """See that the builtin exists, and that the Tool's schema has the arguments that it needs."""
        if (spec := _spec(tool)) is None:
            return
        if (builtin := BUILTINS.get(spec.name)) is None:
            raise InvalidTool(f'there is no builtin function "{spec.name}"')
        check_signature(f'the builtin function "{spec.name}"', builtin.schema, _schema(tool, builtin))

    @property
    def acts_outside(self) -> bool:
        """A builtin is a pure function."""
        return False

    def obstacle(self, offer: Offer) -> str:
        """Nothing: a builtin needs nothing from outside."""
        del offer
        return ""

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        """Run the function."""
        del depth
        declared = offer.provider.spec.semantics if isinstance(offer.provider, Tool) else None
        return Execute(
            offer=offer,
            arguments=arguments,
            semantics=declared or ToolSemantics.IDEMPOTENT,
            attempt=attempt,
            timeout_seconds=TIMEOUT_SECONDS,
        )

    async def execute(self, invocation: Invocation) -> CallOutcome:
        """Run the function once."""
        return await outcome_of(self._output(invocation))

    async def _output(self, invocation: Invocation) -> Output:
        if invocation.offer.origin == ToolOrigin.BUILTIN:
            return Output(plan.answer(dict(invocation.arguments)))
        spec = _spec(tool_of(invocation.offer))
        builtin = BUILTINS.get(spec.name) if spec else None
        if builtin is None:
            raise InvalidTool(f'Tool "{invocation.offer.object}" names no builtin function that exists')
        context = Context(now=self.clock.now())
        if builtin.name in READS_RESULTS:
            context = replace(context, results=invocation.results())
        return builtin.run(invocation.arguments, context)


def _schema(tool: Tool, builtin: Builtin) -> JsonObject:
    """The Tool's own schema, else that of the function."""
    return tool.spec.parameters or tool.spec.arguments or dict(builtin.schema)


def _spec(tool: Tool) -> BuiltinTool | None:
    return tool.spec.execute.builtin if tool.spec.execute else None

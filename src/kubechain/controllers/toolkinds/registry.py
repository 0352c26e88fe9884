"""The registry of all sorts of tools, by the object that provides a name and by who carries its calls out.

A new sort is a module beside this one and a row in `kubechain.controllers.parts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from kubechain.api import names
from kubechain.api.agent import Agent
from kubechain.api.approval import PinnedApproval
from kubechain.api.meta import StatusType
from kubechain.api.references import SecretKeyRef
from kubechain.api.taskrun import PinnedTool
from kubechain.api.tool import Tool
from kubechain.controllers.toolkinds.model import (
    NOT_KNOWN,
    CallOutcome,
    Follower,
    Found,
    Invocation,
    Offer,
    Planner,
    Provider,
    ToolHandler,
    ToolKind,
    ToolOrigin,
    Withdrawn,
    not_ready,
)


class ToolReader(Protocol):
    """Looks Tools up."""

    def get(self, namespace: str, name: str) -> Tool | None:
        """The Tool; None when there is none."""
        ...


class ToolKinds:
    """All sorts of tools of this release."""

    def __init__(self, tools: ToolReader, rows: Sequence[ToolKind]) -> None:
        """Index the rows.

        Args:
            rows: In the order in which the sorts that provide names are offered to a model, after the Tools.

        Raises:
            ValueError: Two rows have the same type or the same origin.
        """
        self._tools = tools
        self._by_type = {str(row.call_type): row for row in rows}
        self._providers: dict[str, Provider] = dict(row.provider for row in rows if row.provider)
        self._handlers: list[ToolHandler] = [row.handler for row in rows if row.handler]
        provided = sum(row.provider is not None for row in rows)
        if (len(self._by_type), len(self._providers)) != (len(rows), provided):
            raise ValueError("two sorts of tools share a type or an origin")

    def offers_of(self, agent: Agent) -> tuple[Offer, ...]:
        """All that an Agent's model may call: its Tools in the order of its spec, then what each sort provides."""
        return tuple(self._offers_of(agent))

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        """What a pinned name stands for now."""
        if pinned.kind == ToolOrigin.TOOL:
            return self._find_tool(namespace, pinned)
        provider = self._providers.get(pinned.kind)
        return provider.find(namespace, pinned) if provider else Withdrawn(f'"{pinned.name}": {NOT_KNOWN}')

    def handlers(self, tool: Tool) -> Sequence[ToolHandler]:
        """Every sort that the Tool's spec has a part for; empty where this release knows none of its parts.

        `agentRef` may be set beside `execute`. The first sort offers the Tool and plans its calls, but all parts are
        checked: a part that has no effect must not hide that it wants approval.
        """
        return [handler for handler in self._handlers if handler.serves(tool)]

    def planner(self, offer: Offer) -> Planner:
        """Who plans the calls of an offer that came from here."""
        return self._by_type[offer.call_type].planner

    async def execute(self, invocation: Invocation) -> CallOutcome:
        """Carry out a call that its planner wants executed."""
        executor = self._by_type[invocation.offer.call_type].executor
        assert executor is not None, "a sort that plans to execute has an executor"
        return await executor.execute(invocation)

    def follower(self, call_type: str | None) -> Follower | None:
        """Who finds a call of this type again that another process started; None where such calls do not go on."""
        row = self._by_type.get(str(call_type))
        return row.follower if row else None

    def secret_keys(self, tool: Tool) -> Sequence[SecretKeyRef]:
        """The keys of Secrets that a Tool refers to."""
        return [key for handler in self.handlers(tool) for key in handler.secret_keys(tool)]

    def wants_approval(self, tool: Tool) -> bool:
        """Whether a person must approve each call of a Tool."""
        return tool.spec.names_approval or any(handler.wants_approval(tool) for handler in self.handlers(tool))

    def _offers_of(self, agent: Agent) -> Iterable[Offer]:
        for reference in agent.spec.tools:
            tool = self._tools.get(agent.metadata.namespace, reference.name)
            if tool is not None and (handler := self._handler(tool)) is not None:
                yield self._offer(handler, tool, names.offered_tool_name(tool.offered_name))
        for provider in self._providers.values():
            yield from provider.offers(agent)

    def _find_tool(self, namespace: str, pinned: PinnedTool) -> Found:
        tool = self._tools.get(namespace, pinned.object)
        if tool is None or tool.status.status != StatusType.READY:
            return not_ready("Tool", pinned.object, exists=tool is not None)
        handler = self._handler(tool)
        return self._offer(handler, tool, pinned.name) if handler else Withdrawn(f'Tool "{pinned.object}": {NOT_KNOWN}')

    def _offer(self, handler: ToolHandler, tool: Tool, name: str) -> Offer:
        """The Tool under a name, with the approval that any part of its spec wants, and what else people decide."""
        spec = tool.spec
        terms = PinnedApproval.of(spec.approval, spec.approval_contact_channel) if self.wants_approval(tool) else None
        return replace(handler.offer(tool, name), approval=terms, on_unknown_outcome=tool.spec.on_unknown_outcome)

    def _handler(self, tool: Tool) -> ToolHandler | None:
        return next(iter(self.handlers(tool)), None)


def doubled_names(offers: Iterable[Offer]) -> list[str]:
    """Names that two offers share: a call of such a name would be ambiguous."""
    seen: set[str] = set()
    return [offer.name for offer in offers if offer.name in seen or seen.add(offer.name)]

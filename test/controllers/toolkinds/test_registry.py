"""The registry of sorts: another sort of tool is one class and one row, and what no row knows ends with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from kubechain.api.agent import Agent
from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference, SecretKeyRef
from kubechain.api.taskrun import PinnedTool, TaskRun, ToolCallType
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.api.tool import Tool, ToolSemantics
from kubechain.controllers import parts, resources
from kubechain.controllers.secrets import SECRETS
from kubechain.controllers.tool.observe import Observer
from kubechain.controllers.toolkinds import agent as agents
from kubechain.controllers.toolkinds.model import (
    NOT_KNOWN,
    Answered,
    CallOutcome,
    Execute,
    Fail,
    Found,
    Invocation,
    Missing,
    Offer,
    Plan,
    ToolKind,
    ToolOrigin,
    Withdrawn,
    tool_offer,
)
from kubechain.controllers.toolkinds.registry import ToolKinds, ToolReader
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.tools.model import InvalidTool
from test.controllers.builders import Shelf, a_call, an_agent
from test.controllers.test_durability import is_over
from test.controllers.toolcall.builders import ADD, KINDS, OFFERS, a_tool
from test.controllers.world import NAMESPACE, Point, World, a_world

# --- a sort of tool that the product does not have

ORACLE = ToolCallType.HUMAN_CONTACT
"""A type that is part of the API, and of which no row of the product is."""

ORIGIN = cast(ToolOrigin, "Oracle")
QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string"}},
    "required": ["question"],
}
OFFER = Offer("oracle", ORIGIN, "delphi", "pythia", "Knows everything.", QUESTION, ORACLE)


@dataclass
class Oracle:
    """Offered to every Agent under one name, and as Tools that are labelled so."""

    asked: list[Invocation] = field(default_factory=list[Invocation])
    is_asleep: bool = False
    acts_outside: bool = True

    def offers(self, agent: Agent) -> Iterable[Offer]:
        return (OFFER,)

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        return OFFER if pinned.tool == OFFER.tool else Withdrawn(f"nobody here is called {pinned.tool}")

    def serves(self, tool: Tool) -> bool:
        return "oracle" in tool.metadata.labels

    def offer(self, tool: Tool, name: str) -> Offer:
        return tool_offer(tool, name, ORACLE, parameters=QUESTION)

    def secret_keys(self, tool: Tool) -> Sequence[SecretKeyRef]:
        return (SecretKeyRef(name="offering", key="goat"),)

    def wants_approval(self, tool: Tool) -> bool:
        return tool.metadata.labels["oracle"] == "priests-only"

    async def check(self, tool: Tool) -> None:
        if tool.metadata.labels["oracle"] == "silent":
            raise InvalidTool("the oracle is silent")

    def obstacle(self, offer: Offer) -> str:
        return "Waiting for the oracle to wake up" if self.is_asleep else ""

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        if not arguments["question"]:
            return Fail("the oracle was not asked anything")
        return Execute(offer, arguments, ToolSemantics.AT_MOST_ONCE, attempt, 7.0)

    async def execute(self, invocation: Invocation) -> CallOutcome:
        self.asked.append(invocation)
        return Answered(f"{invocation.arguments['question']}? Perhaps.")


def row_of(oracle: Oracle) -> ToolKind:
    return ToolKind(ORACLE, planner=oracle, executor=oracle, provider=(ORIGIN, oracle), handler=oracle)


@pytest.fixture
def more_rows(monkeypatch: pytest.MonkeyPatch) -> list[ToolKind]:
    """Rows that every manager made from now on has before those of the product.

    Before: each Tool that the API server takes is of a sort of the product, so these are known by their label. The type
    of a row is one that the API server takes too: the product's own sort of that type is left out.
    """
    rows: list[ToolKind] = []

    def build(tools: ToolReader, own: Sequence[ToolKind]) -> ToolKinds:
        return ToolKinds(tools, (*rows, *(row for row in own if row.call_type != ORACLE)))

    monkeypatch.setattr(parts, "ToolKinds", build)
    return rows


async def apply_tool(world: World, name: str, oracle: str) -> None:
    metadata = {"name": name, "labels": {"oracle": oracle}}
    await world.apply("tools", {"metadata": metadata, "spec": {"execute": {"builtin": {"name": "add"}}}})


def saying(name: str, detail: str) -> Callable[[Tool], bool]:
    return lambda tool: tool.metadata.name == name and tool.status.status_detail == detail


def tool_answers(run: TaskRun) -> list[str]:
    return [message.content for message in run.status.context_window if message.role == "tool"]


def question(name: str, text: str, call_id: str) -> Any:
    return a_call(name, f'{{"question": "{text}"}}', call_id=call_id)


async def test_a_tool_of_a_new_sort_is_validated_by_its_sort(more_rows: list[ToolKind]) -> None:
    more_rows.append(row_of(Oracle()))
    async with a_world() as world:
        world.replica(FakeLLMClient())
        await apply_tool(world, "ask", "delphi")
        await apply_tool(world, "hush", "silent")
        await world.tool_until(saying("ask", 'Secret "offering" not found'))
        await world.tool_until(saying("hush", "the oracle is silent"))
        await world.apply("secrets", {"metadata": {"name": "offering"}, "stringData": {"sheep": "1"}})
        await world.tool_until(saying("ask", 'key "goat" not found in Secret "offering"'))
        patch = {"stringData": {"goat": "1"}}
        await world.client.patch(SECRETS, NAMESPACE, "offering", patch)
        assert (await world.tool_until(saying("ask", "Tool validated successfully"))).status.status == StatusType.READY


async def test_a_new_sort_is_offered_pinned_planned_and_executed(more_rows: list[ToolKind]) -> None:
    oracle = Oracle()
    more_rows.append(row_of(oracle))
    asked = calls(question("ask", "Rain", "id-0"), question("oracle", "Sun", "id-1"), question("ask", "", "id-2"))
    model = FakeLLMClient(asked, answer("done"))
    async with a_world() as world:
        world.replica(model)
        await world.apply("secrets", {"metadata": {"name": "offering"}, "stringData": {"goat": "1"}})
        await apply_tool(world, "ask", "delphi")
        await world.apply_walk_through(tools=[{"name": "ask"}])
        await world.apply_task()
        run = await world.until(is_over)
        assert run.status.output == "done"
        assert [tool.name for tool in model.calls[0].tools] == ["ask", "oracle"]
        assert run.status.pinned is not None
        assert [(one.kind, one.object, one.tool, one.type) for one in run.status.pinned.tools] == [
            ("Tool", "ask", "", ORACLE),
            ("Oracle", "delphi", "pythia", ORACLE),
        ]
        assert tool_answers(run) == [
            "Rain? Perhaps.",
            "Sun? Perhaps.",
            "error: the oracle was not asked anything",
        ]
        assert sorted(one.offer.name for one in oracle.asked) == ["ask", "oracle"]
        found = await world.client.list(resources.TOOL_CALLS, NAMESPACE)
        claims = [call.status.execution for call in found if call.status.execution is not None]
        assert [(one.semantics, (one.deadline - one.started_at).total_seconds()) for one in claims] == [
            (ToolSemantics.AT_MOST_ONCE, 7.0)
        ] * 2


async def test_what_a_new_sort_lacks_makes_a_call_wait(more_rows: list[ToolKind]) -> None:
    oracle = Oracle(is_asleep=True)
    more_rows.append(row_of(oracle))
    async with a_world() as world:
        world.replica(FakeLLMClient(calls(question("oracle", "Sun", "id-0")), answer("done")))
        await world.apply_walk_through()
        await world.apply_task()
        await world.call_until(lambda call: call.status.status_detail == "Waiting for the oracle to wake up")
        assert oracle.asked == []


async def test_a_call_of_a_sort_that_only_another_release_knows_fails_and_says_so(more_rows: list[ToolKind]) -> None:
    oracle = Oracle()
    more_rows.append(row_of(oracle))
    async with a_world() as world:
        newer = world.replica(FakeLLMClient(calls(question("oracle", "Sun", "id-0"))), "pod-a_newer")
        newer.exchange.points.append(Point("ToolCallsPending", "crash after"))
        await world.apply_walk_through()
        await world.apply_task()
        await newer.crashed.wait()
        more_rows.clear()
        older = FakeLLMClient(answer("sorry"))
        world.replica(older, "pod-a_older")
        run = await world.until(is_over)
        call = await world.call_until(lambda call: True)
        assert (call.status.phase, call.status.error) == (ToolCallPhase.FAILED, f'"oracle": {NOT_KNOWN}')
        assert NOT_KNOWN == "not known to this release"
        assert (tool_answers(run), run.status.output) == ([f'error: "oracle": {NOT_KNOWN}'], "sorry")
        assert older.calls[0].tools == ()
        assert oracle.asked == []


# --- the table


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param((agents.tool_kind(Shelf()), agents.tool_kind(Shelf())), id="the same row twice"),
        pytest.param(
            (agents.tool_kind(Shelf()), ToolKind(ToolCallType.DELEGATE_TO_AGENT, planner=Oracle())),
            id="two rows of one type",
        ),
        pytest.param(
            (
                agents.tool_kind(Shelf()),
                ToolKind(ORACLE, planner=Oracle(), provider=(ToolOrigin.AGENT, Oracle())),
            ),
            id="two rows that provide names of one origin",
        ),
    ],
)
def test_two_rows_for_one_type_or_origin_are_refused(rows: tuple[ToolKind, ...]) -> None:
    with pytest.raises(ValueError, match="two sorts of tools share a type or an origin"):
        ToolKinds(Shelf(), rows)


def test_sorts_without_a_provider_share_none() -> None:
    rows = (ToolKind(ToolCallType.FUNCTION, planner=Oracle()), ToolKind(ORACLE, planner=Oracle()))
    assert ToolKinds(Shelf(), rows).offers_of(an_agent()) == ()


SUM = a_tool("add", ADD)
ONLY_AGENTS = ToolKinds(Shelf(SUM), (agents.tool_kind(Shelf()),))
"""A release that knows no functions."""


@pytest.mark.parametrize(
    ("pinned", "found"),
    [
        pytest.param(
            PinnedTool(name="oracle", kind="Oracle"), Withdrawn(f'"oracle": {NOT_KNOWN}'), id="of an unknown kind"
        ),
        pytest.param(
            PinnedTool(name="plan", kind="Builtin"), Withdrawn(f'"plan": {NOT_KNOWN}'), id="of a kind without a row"
        ),
        pytest.param(
            PinnedTool(name="add", kind="Tool", object="add"),
            Withdrawn(f'Tool "add": {NOT_KNOWN}'),
            id="a Tool that no row handles",
        ),
        pytest.param(
            PinnedTool(name="x", kind="Tool", object="x"), Missing('Waiting for Tool "x" to exist'), id="a missing Tool"
        ),
    ],
)
def test_a_pinned_name_that_no_row_knows_is_withdrawn(pinned: PinnedTool, found: Found) -> None:
    assert ONLY_AGENTS.find(NAMESPACE, pinned) == found


def test_a_tool_that_no_row_handles_is_not_offered_and_names_no_secret() -> None:
    assert ONLY_AGENTS.handlers(SUM) == []
    assert ONLY_AGENTS.secret_keys(SUM) == []
    assert ONLY_AGENTS.offers_of(an_agent(tools=(LocalObjectReference(name="add"),))) == ()


async def test_a_tool_that_no_row_handles_is_refused_with_the_reason() -> None:
    observer = Observer(kinds=ONLY_AGENTS, agents=cast(Any, Shelf()), secrets=cast(Any, None))
    assert (await observer.observe(SUM)).trouble == f"what the Tool does is {NOT_KNOWN}"


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
def test_whatever_is_offered_is_found_again_under_what_was_pinned(offer: Offer) -> None:
    pinned = PinnedTool.from_wire(offer.pin().to_wire())
    assert KINDS.find(NAMESPACE, pinned) == offer
    assert (pinned.name, pinned.type, len(pinned.schema_hash)) == (offer.name, offer.call_type, 64)


def test_the_tools_of_the_spec_come_first_and_then_each_sort_in_the_order_of_its_row() -> None:
    origins = [offer.origin for offer in OFFERS.values()]
    assert list(dict.fromkeys(origins)) == [
        ToolOrigin.TOOL,
        ToolOrigin.MCP_SERVER,
        ToolOrigin.AGENT,
        ToolOrigin.BUILTIN,
    ]

"""Calls that a person must approve, from the request to the answer that the model reads: the real loops and engine."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequest, HumanRequestPhase, HumanRequestSpec
from kubechain.api.meta import ObjectMeta
from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.controllers import resources
from kubechain.controllers.setup import Settings
from kubechain.controllers.toolcall import asking
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.runtime.errors import Invalid
from test.controllers.builders import a_call
from test.controllers.people import CALL, answers_of, decide, request_is, request_of
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, World, a_world

TWO_AND_THREE = '{"a": 2, "b": 3}'


@asynccontextmanager
async def waiting_world(
    *turns: Any,
    tool: dict[str, Any] | None = None,
    policies: tuple[dict[str, Any], ...] = (),
    task: dict[str, Any] | None = None,
    settings: Settings | None = None,
) -> AsyncGenerator[World]:
    """A run whose model calls a tool that needs approval, and then answers.

    Args:
        turns: What the model asks for turn by turn, instead of one call.
        tool: More of the Tool's spec.
        policies: Specs of ApprovalPolicies.
        task: More of the Task's spec.
        settings: Of the manager.
    """
    asked = turns or (calls(a_call("add", TWO_AND_THREE)),)
    async with a_world() as world:
        world.replica(FakeLLMClient(*asked, answer("done")), settings=settings)
        await world.apply_walk_through(tools=[{"name": "add"}])
        spec = ADD | ({"requiresApproval": True} if tool is None else tool)
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": spec})
        for number, policy in enumerate(policies):
            await world.apply("approvalpolicies", {"metadata": {"name": f"policy-{number}"}, "spec": policy})
        await world.agent_until(lambda agent: agent.status.ready)
        await world.apply_task(**task or {})
        yield world


async def test_an_approved_call_is_carried_out() -> None:
    async with waiting_world() as world:
        request = await request_of(world)
        assert request.status.phase == HumanRequestPhase.OPEN
        assert request.spec.request.arguments == TWO_AND_THREE
        assert "kubechain approve hello-1-t0-c0" in (request.spec.request.message or "")
        await decide(world, "Approve")
        assert await answers_of(world) == ["5"]
        decided = await world.request_until(request_is(HumanRequestPhase.DECIDED))
        assert (decided.status.identity, decided.status.status_detail) == ("Claimed", "Approve by bob (Claimed)")


async def test_an_approval_costs_four_writes_more() -> None:
    async with waiting_world() as world:
        await decide(world, "Approve")
        await world.until(is_over)
        await world.request_until(request_is(HumanRequestPhase.DECIDED))
        written = Counter(line.partition("/default/")[2].split()[0] for line in world.replicas[0].exchange.writes)
        # Without approval: its creation and its result. More: T1, the request, T3, and what became of the request.
        assert written["taskruntoolcalls"] + written[f"taskruntoolcalls/{CALL}/status"] == 2 + 2
        assert written["humanrequests"] + written[f"humanrequests/{CALL}/status"] == 2


async def test_a_rejected_call_is_not_carried_out_and_the_model_reads_the_comment() -> None:
    async with waiting_world() as world:
        await decide(world, "Reject", comment="Ask me again on Monday.")
        assert await answers_of(world) == ["rejected: Ask me again on Monday."]
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.TOOL_CALL_REJECTED)
        assert call.status.execution is None
        assert call.status.status_detail == "Rejected by bob: Ask me again on Monday."
        await world.request_until(request_is(HumanRequestPhase.DECIDED))


async def test_a_call_is_carried_out_with_the_arguments_that_a_person_approved() -> None:
    async with waiting_world() as world:
        await decide(world, "Approve", arguments='{"a": 20, "b": 3}')
        assert await answers_of(world) == ["23"]
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.SUCCEEDED)
        assert call.spec.arguments == TWO_AND_THREE
        assert call.status.approval is not None
        assert call.status.approval.arguments == '{"a": 20, "b": 3}'


async def test_approved_arguments_that_do_not_fit_the_tool_are_not_carried_out() -> None:
    async with waiting_world() as world:
        await decide(world, "Approve", arguments='{"a": "many"}')
        (text,) = await answers_of(world)
        assert text.startswith("error: arguments:")


async def test_an_approval_for_the_run_is_used_by_later_calls_of_the_tool() -> None:
    turns = [calls(a_call("add", f'{{"a": {number}, "b": 1}}', call_id=f"id-{number}")) for number in range(3)]
    async with waiting_world(*turns) as world:
        await decide(world, "ApproveForRun")
        assert await answers_of(world) == ["1", "2", "3"]
        (request,) = await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        assert request.metadata.name == CALL
        run = await world.run()
        assert [(grant.tool, grant.request_name, grant.by) for grant in run.status.grants] == [("add", CALL, "bob")]
        later = await world.call_until(lambda call: call.metadata.name == "hello-1-t2-c0")
        assert later.status.approval is not None
        assert later.status.approval.request_name == CALL


async def test_an_approval_for_the_run_is_revoked() -> None:
    turns = [calls(a_call("add", f'{{"a": {number}, "b": 1}}', call_id=f"id-{number}")) for number in range(2)]
    async with waiting_world(*turns) as world:
        await request_of(world)
        await world.patch_run({"spec": {"revokedGrants": [CALL]}})
        await decide(world, "ApproveForRun")
        await decide(world, "Reject", "hello-1-t1-c0")
        assert await answers_of(world) == ["1", "rejected: a person refused the call"]


async def test_an_approval_for_the_run_is_not_one_for_another_tool() -> None:
    turns = [calls(a_call("add", TWO_AND_THREE, call_id="id-0")), calls(a_call("sum", TWO_AND_THREE, call_id="id-1"))]
    async with waiting_world(*turns) as world:
        await decide(world, "ApproveForRun")
        assert (await answers_of(world))[1].startswith('error: there is no tool named "sum"')


async def restarted_after(world: World, seconds: float) -> None:
    """A while without a manager, and a new one: what it waits for is in the objects alone."""
    await world.replicas[0].stop()
    await asyncio.sleep(seconds)
    world.replica(FakeLLMClient(answer("done")), "pod-a_2")


async def test_a_request_that_nobody_decides_expires_after_seven_days() -> None:
    async with waiting_world() as world:
        await request_of(world)
        await restarted_after(world, 7 * 86_400 - 60)
        call = await world.call_until(lambda call: call.metadata.name == CALL)
        assert call.status.phase == ToolCallPhase.AWAITING_HUMAN_APPROVAL
        (text,) = await answers_of(world)
        assert text.startswith("rejected: nobody decided in time")
        expired = await world.request_until(request_is(HumanRequestPhase.EXPIRED))
        assert expired.spec.decision is None
        with pytest.raises(Invalid, match="nobody waits for a decision"):
            await decide(world, "Approve")


async def test_a_request_that_never_expires_waits_for_months() -> None:
    async with waiting_world(tool={"requiresApproval": True, "approval": {"expireAfter": "never"}}) as world:
        request = await request_of(world)
        assert request.spec.request.expires_at is None
        await restarted_after(world, 90 * 86_400)
        await decide(world, "Approve")
        assert await answers_of(world) == ["5"]


async def test_a_decision_that_comes_too_late_does_not_count() -> None:
    async with waiting_world(tool={"requiresApproval": True, "approval": {"expireAfter": "1h"}}) as world:
        await request_of(world)
        await world.replicas[0].stop()
        await asyncio.sleep(3_601)
        await decide(world, "Approve")
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        (text,) = await answers_of(world)
        assert text.startswith("rejected: nobody decided in time")
        expired = await world.request_until(request_is(HumanRequestPhase.EXPIRED))
        assert "does not count" in expired.status.status_detail


async def test_a_decision_while_no_manager_lives_counts() -> None:
    async with waiting_world() as world:
        await request_of(world)
        await world.replicas[0].stop()
        await decide(world, "Approve")
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        assert await answers_of(world) == ["5"]


async def test_two_people_decide_and_the_first_counts() -> None:
    async with waiting_world() as world:
        await request_of(world)
        await world.replicas[0].stop()
        await decide(world, "Reject", by="alice")
        with pytest.raises(Invalid, match="a decision is made once and stays"):
            await decide(world, "Approve", by="bob")
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        assert await answers_of(world) == ["rejected: a person refused the call"]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param({"spec": {"cancel": True}}, id="the run is cancelled"),
    ],
)
async def test_a_request_is_withdrawn_when_its_run_ends(end: dict[str, Any]) -> None:
    async with waiting_world() as world:
        await request_of(world)
        await world.patch_run(end)
        await world.until(lambda run: run.status.phase == TaskRunPhase.CANCELLED)
        withdrawn = await world.request_until(request_is(HumanRequestPhase.WITHDRAWN))
        assert withdrawn.status.status_detail == ("Withdrawn: the tool call is over (Cancelled): its run was cancelled")
        with pytest.raises(Invalid, match="nobody waits for a decision"):
            await decide(world, "Approve")


async def test_a_request_is_withdrawn_at_the_deadline_of_its_run() -> None:
    async with waiting_world(task={"activeDeadlineSeconds": 600}) as world:
        await request_of(world)
        await asyncio.sleep(601)
        run = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.FAILED
        await world.request_until(request_is(HumanRequestPhase.WITHDRAWN))


async def test_a_deleted_run_takes_its_request_with_it() -> None:
    async with waiting_world() as world:
        await request_of(world)
        await world.client.delete(resources.TASKS, NAMESPACE, "hello")
        await asyncio.sleep(60)
        assert await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE) == []


async def test_a_request_that_somebody_deletes_is_made_again() -> None:
    async with waiting_world() as world:
        first = await request_of(world)
        await world.client.delete(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
        await world.request_until(lambda request: request.metadata.uid != first.metadata.uid)
        await decide(world, "Approve")
        assert await answers_of(world) == ["5"]


async def test_a_request_of_an_earlier_run_of_the_same_name_is_not_taken_for_ours() -> None:
    """The garbage collector may take a while: until then the new call waits for the name."""
    async with waiting_world() as world:
        request = await request_of(world)
        earlier = request.model_copy(update={"metadata": _of_another_call(request)})
        await world.replicas[0].stop()
        await world.client.delete(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
        await world.client.create(resources.HUMAN_REQUESTS, earlier)
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        await asyncio.sleep(30)
        call = await world.call_until(lambda call: call.metadata.name == CALL)
        assert call.status.phase == ToolCallPhase.AWAITING_HUMAN_APPROVAL
        await world.client.delete(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
        await world.request_until(lambda found: found.metadata.owner_references == request.metadata.owner_references)
        await decide(world, "Approve")
        assert await answers_of(world) == ["5"]


def _of_another_call(request: HumanRequest) -> ObjectMeta:
    """Metadata of a request that a call of the same name, which is gone, made."""
    (owner,) = request.metadata.owner_references
    gone = owner.model_copy(update={"uid": str(uuid.uuid4())})
    return ObjectMeta(name=request.metadata.name, namespace=NAMESPACE, owner_references=(gone,))


@pytest.mark.parametrize(
    "forgery",
    [
        pytest.param({"arguments": '{"a": 0, "b": 0}'}, id="other arguments"),
        pytest.param({"tool": "subtract"}, id="another tool"),
    ],
)
async def test_a_request_that_shows_something_else_than_the_call_is_worth_nothing(forgery: dict[str, Any]) -> None:
    async with waiting_world() as world:
        request = await request_of(world)
        await world.replicas[0].stop()
        await world.client.delete(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
        content = request.spec.request.with_changes(**forgery)
        kept = ObjectMeta(name=CALL, namespace=NAMESPACE, owner_references=request.metadata.owner_references)
        forged = request.model_copy(update={"metadata": kept, "spec": HumanRequestSpec(request=content)})
        await world.client.create(resources.HUMAN_REQUESTS, forged)
        await decide(world, "Approve")
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        assert await answers_of(world) == [
            f'error: HumanRequest "{CALL}" exists already and does not belong to TaskRunToolCall "{CALL}"'
        ]


def _other_words(call: object, run: object) -> str:
    del call, run
    return "May it?"


async def test_a_release_that_words_the_message_otherwise_carries_out_what_was_approved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with waiting_world() as world:
        await request_of(world)
        await world.replicas[0].stop()
        await decide(world, "Approve")
        monkeypatch.setattr(asking, "message", _other_words)
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        assert await answers_of(world) == ["5"]


async def test_a_request_that_no_call_made_is_withdrawn() -> None:
    async with waiting_world() as world:
        request = await request_of(world)
        spec = {"request": request.spec.request.to_wire()}
        await world.apply("humanrequests", {"metadata": {"name": "mine"}, "spec": spec})
        forged = await world.request_until(request_is(HumanRequestPhase.WITHDRAWN, "mine"))
        assert "nothing asks for this decision" in forged.status.status_detail


async def test_decisions_that_nobody_verified_count_for_nothing_where_that_is_required() -> None:
    async with waiting_world(settings=Settings(require_verified_approvals=True)) as world:
        await decide(world, "Approve")
        (text,) = await answers_of(world)
        assert text.startswith("rejected: the decision does not count, since its author is not verified")


async def test_a_channel_that_is_named_is_told_not_to_be_used() -> None:
    async with waiting_world(tool={"approvalContactChannel": {"name": "ops"}}) as world:
        request = await world.request_until(lambda request: bool(request.status.conditions))
        (condition,) = request.status.conditions
        assert (condition.type, condition.status, condition.reason) == ("Delivered", "False", "KubectlDecides")
        await decide(world, "Approve")
        assert await answers_of(world) == ["5"]


POLICY_CASES = [
    pytest.param({"action": "Require"}, True, "", id="one that is about every call requires"),
    pytest.param({"action": "Require", "agents": ["my-*"], "tools": ["a??"]}, True, "", id="its globs fit"),
    pytest.param({"action": "Require", "agents": ["other"]}, False, "5", id="it is about another agent"),
    pytest.param({"action": "Require", "tools": ["github__*"]}, False, "5", id="it is about other tools"),
    pytest.param(
        {"action": "Require", "arguments": {"properties": {"a": {"maximum": 1}}}}, False, "5", id="other arguments"
    ),
    pytest.param(
        {"action": "Require", "arguments": {"properties": {"a": {"minimum": 2}}}}, True, "", id="these arguments"
    ),
    pytest.param({"action": "Require", "arguments": {"type": 7}}, True, "", id="its schema is broken"),
    pytest.param(
        {"action": "Deny", "message": "Not here."},
        False,
        'rejected: ApprovalPolicy "policy-0" refuses the call: Not here.',
        id="it denies",
    ),
]


@pytest.mark.parametrize(("policy", "is_asked", "expected"), POLICY_CASES)
async def test_policies_tighten(policy: dict[str, Any], is_asked: bool, expected: str) -> None:
    async with waiting_world(tool={}, policies=(policy,)) as world:
        if is_asked:
            request = await request_of(world)
            assert request.spec.request.policy_hash
            await decide(world, "Approve")
        assert await answers_of(world) == [expected or "5"]
        assert len(await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)) == is_asked
        pinned = (await world.run()).status.pinned
        assert pinned is not None
        assert [one.name for one in pinned.policies] == ([] if policy.get("agents") == ["other"] else ["policy-0"])


async def test_a_policy_about_arguments_offers_no_approval_for_the_run() -> None:
    policy = {"action": "Require", "arguments": {"required": ["a"]}, "expireAfter": "30m"}
    async with waiting_world(policies=(policy,)) as world:
        request = (await request_of(world)).spec.request
        assert request.choices == ("Approve", "Reject")
        with pytest.raises(Invalid, match="must be one of"):
            await decide(world, "ApproveForRun")
        await asyncio.sleep(1_801)
        (text,) = await answers_of(world)
        assert "nobody decided in time" in text


async def test_a_policy_denies_arguments_that_a_person_approved() -> None:
    policy = {"action": "Deny", "arguments": {"properties": {"a": {"minimum": 100}}}}
    async with waiting_world(policies=(policy,)) as world:
        await decide(world, "Approve", arguments='{"a": 200, "b": 3}')
        assert await answers_of(world) == ['rejected: ApprovalPolicy "policy-0" refuses the call']

"""Requests that a contact channel carries, from the message to the decision: the real loops and engine."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from pydantic import SecretStr

from kubechain.api.humanrequest import DeliveryState, HumanRequest, HumanRequestPhase
from kubechain.controllers import resources
from kubechain.humans import links, signatures
from kubechain.humans.fake import FakeChannel, FakeConnections, kinds_with
from kubechain.humans.model import ChannelKinds, MayBeSent, NotSent
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.runtime.endpoints import InboundReply, InboundRequest
from test.controllers.builders import a_call
from test.controllers.people import CALL, answers_of, decide, request_is
from test.controllers.test_approvals import TWO_AND_THREE
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, Replica, World, a_world

KEY = "0123456789abcdef0123456789abcdef"
APP_TOKEN = "xapp-1-A0123456789-canary"
BASE = "https://kubechain.example.com"


@dataclass(frozen=True, slots=True)
class Contacted:
    """A run that waits for a person, who is asked by a channel."""

    world: World
    replica: Replica
    channel: FakeChannel
    model: FakeLLMClient
    kinds: ChannelKinds

    async def request_until_state(self, state: DeliveryState) -> HumanRequest:
        return await self.world.request_until(
            lambda request: any(one.state == state for one in request.status.deliveries)
        )

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        replica: Replica | None = None,
    ) -> InboundReply:
        """Send a request to the endpoint that has this path."""
        for endpoint in (replica or self.replica).manager.endpoints:
            found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint.path), path)
            if found is not None and method in endpoint.methods:
                request = InboundRequest(
                    method=method, path=path, parts=found.groupdict(), query={}, headers=headers or {}, body=body,
                    remote="203.0.113.7",
                )  # fmt: skip
                return await endpoint.handler(request)
        raise AssertionError(f"no endpoint: {path}")

    async def link(self, choice: str) -> str:
        """The path of the link that people got."""
        await self.request_until_state(DeliveryState.SENT)
        return self.channel.delivered[0].links[choice].removeprefix(BASE)


@asynccontextmanager
async def contacted(
    channel: FakeChannel | None = None,
    *,
    spec: Mapping[str, Any] | None = None,
    is_made: bool = True,
    terms: Mapping[str, Any] | None = None,
    connections: FakeConnections | None = None,
) -> AsyncGenerator[Contacted]:
    """A run whose call must be approved by the channel `ops`.

    Args:
        spec: More of the channel's spec.
        is_made: Whether the channel exists.
        terms: More of how calls of the tool are approved.
    """
    channel = channel or FakeChannel()
    async with a_world() as world:
        model = FakeLLMClient(calls(a_call("add", TWO_AND_THREE)), answer("done"))
        kinds = kinds_with(channel, connections)
        replica = world.replica(model, channels=kinds)
        values = {"key": KEY, "signing": SIGNING, "app": APP_TOKEN}
        await world.apply("secrets", {"metadata": {"name": "ops"}, "stringData": values})
        if is_made:
            await apply_channel(world, **spec or {})
        await world.apply_walk_through(tools=[{"name": "add"}])
        tool = ADD | {"approvalContactChannel": {"name": "ops"}, "approval": {"expireAfter": "10m", **(terms or {})}}
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": tool})
        await world.agent_until(lambda agent: agent.status.ready)
        await world.apply_task()
        yield Contacted(world, replica, channel, model, kinds)


async def apply_channel(world: World, name: str = "ops", **spec: Any) -> None:
    source = {"secretKeyRef": {"name": "ops", "key": "key"}}
    values: dict[str, Any] = {
        "type": "webhook",
        "webhook": {"url": "https://hooks.example.com/x"},
        "apiKeyFrom": source,
        "links": {"baseUrl": BASE, "keyFrom": source},
    }
    await world.apply("contactchannels", {"metadata": {"name": name}, "spec": values | spec})


def said(request: HumanRequest, type_: str = "Delivered") -> tuple[str, str]:
    condition = next(one for one in request.status.conditions if one.type == type_)
    return condition.status, condition.message


async def test_a_request_is_sent_once_and_its_message_says_how_it_ended() -> None:
    async with contacted() as it:
        sent = await it.request_until_state(DeliveryState.SENT)
        assert said(sent) == ("True", 'sent to ContactChannel "ops"')
        await decide(it.world, "Approve")
        assert await answers_of(it.world) == ["5"]
        closed = await it.request_until_state(DeliveryState.CLOSED)
    assert [one.name for one in it.channel.delivered] == [CALL]
    assert list(it.channel.closed.values()) == [closed.status.status_detail]
    assert closed.status.deliveries[0].attempts == 1


async def test_a_link_shows_at_a_get_and_decides_at_a_post_once() -> None:
    async with contacted() as it:
        path = await it.link("Approve")
        for _ in range(3):  # a scanner of mail
            page = await it.ask(path)
            assert page.status == 200
            assert "add" in str(page.body)
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None
        body = urlencode({"comment": "go on"}).encode()
        recorded = await it.ask(path, method="POST", body=body)
        assert (recorded.status, "recorded: Approve by webhook" in str(recorded.body)) == (200, True)
        again = await it.ask(await it.link("Reject"), method="POST")
        assert (again.status, "already decided" in str(again.body)) == (409, True)
        assert await answers_of(it.world) == ["5"]
        request = await it.world.request_until(request_is(HumanRequestPhase.DECIDED))
    decision = request.spec.decision
    assert decision is not None
    assert (decision.by, decision.through, decision.comment) == ("webhook", "contactchannels/ops", "go on")


async def test_a_link_rejects_with_a_comment_that_the_model_reads() -> None:
    async with contacted() as it:
        await it.ask(await it.link("Reject"), method="POST", body=b"comment=not+today")
        (text,) = await answers_of(it.world)
    assert "not today" in text


def forged(token: str) -> str:
    return token[:-2] + ("aa" if token[-2:] != "aa" else "bb")


def tampered(token: str) -> str:
    return f"x{token}"


def of_another_key(token: str) -> str:
    return links.token(b"x" * 32, links.claimed(token))


def of_another_namespace(token: str) -> str:
    return links.token(KEY.encode(), replace(links.claimed(token), namespace="other"))


@pytest.mark.parametrize("harm", [forged, tampered, of_another_key, of_another_namespace])
async def test_a_link_that_we_did_not_make_decides_nothing(harm: Callable[[str], str]) -> None:
    async with contacted() as it:
        path = await it.link("Approve")
        reads = len(it.replica.exchange.writes)
        token = harm(path.removeprefix(links.PATH))
        for method in ("GET", "POST"):
            reply = await it.ask(links.PATH + token, method=method)
            assert reply.status == 403
            assert "hello-1" not in str(reply.body)
        assert len(it.replica.exchange.writes) == reads
        request = await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
    assert request.spec.decision is None


async def test_a_link_does_nothing_after_the_request_has_expired() -> None:
    async with contacted() as it:
        path = await it.link("Approve")
        await asyncio.sleep(601)
        assert (await it.ask(path, method="POST")).status == 403
        assert (await it.world.request_until(request_is(HumanRequestPhase.EXPIRED))).spec.decision is None


def a_callback(asked: HumanRequest, it: Contacted, **data: Any) -> dict[str, Any]:
    values = {"request": CALL, "choice": "Approve", "digest": asked.spec.request.digest, "by": "ann"} | data
    body = orjson.dumps({"type": "request.decided", "data": values})
    headers = signatures.webhook_headers(KEY.encode(), "reply-1", body, it.replica.manager.clock.now())
    return {"method": "POST", "body": body, "headers": headers}


async def test_a_signed_callback_decides_and_a_repeated_one_does_not() -> None:
    async with contacted() as it:
        request = await it.request_until_state(DeliveryState.SENT)
        sent = a_callback(request, it)
        assert (await it.ask("/contact/webhook/default/ops", **sent)).status == 200
        assert (await it.ask("/contact/webhook/default/ops", **sent)).status == 409
        assert await answers_of(it.world) == ["5"]
        decided = await it.world.request_until(request_is(HumanRequestPhase.DECIDED))
    assert decided.spec.decision is not None
    assert decided.spec.decision.by == "webhook:ann"
    assert decided.status.identity == "Claimed", "the embedded API server has no admission policies"


@pytest.mark.parametrize(
    ("path", "data", "signature", "status"),
    [
        pytest.param("default/ops", {}, "v1,x", 403, id="not signed by the key"),
        pytest.param("other/ops", {}, None, 403, id="a channel of another namespace"),
        pytest.param("default/none", {}, None, 403, id="no such channel"),
        pytest.param("default/ops", {"digest": "sha256:" + "1" * 64}, None, 400, id="another digest"),
        pytest.param("default/ops", {"choice": "Answer"}, None, 400, id="a choice that is not offered"),
        pytest.param("default/ops", {"request": "other"}, None, 404, id="no such request"),
        pytest.param("default/second", {}, None, 404, id="a channel that did not carry the request"),
        pytest.param("default/ops", {"comment": "x" * 5000}, None, 400, id="a comment that is too long"),
    ],
)
async def test_a_callback_that_does_not_count_decides_nothing(
    path: str, data: dict[str, Any], signature: str | None, status: int
) -> None:
    async with contacted() as it:
        request = await it.request_until_state(DeliveryState.SENT)
        await apply_channel(it.world, "second")
        await it.world.channel_until(lambda channel: channel.metadata.name == "second" and channel.status.ready)
        sent = a_callback(request, it, **data)
        if signature is not None:
            sent["headers"]["webhook-signature"] = signature
        assert (await it.ask(f"/contact/webhook/{path}", **sent)).status == status
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None


@pytest.mark.parametrize(
    ("identities", "by", "status"),
    [
        pytest.param({"ann": "alice"}, "ann", 200, id="a user who has the verb approve"),
        pytest.param({"ann": "alice"}, "eve", 403, id="somebody whom the channel does not know"),
        pytest.param({}, "eve", 200, id="anybody, where the channel names nobody"),
    ],
)
async def test_who_may_decide_is_held_for_a_channel_too(identities: dict[str, str], by: str, status: int) -> None:
    async with contacted(spec={"identities": identities}) as it:
        request = await it.request_until_state(DeliveryState.SENT)
        assert (await it.ask("/contact/webhook/default/ops", **a_callback(request, it, by=by))).status == status


SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"


def an_interaction(asked: HumanRequest, it: Contacted, choice: str = "Approve", **more: Any) -> dict[str, Any]:
    value = json.dumps([NAMESPACE, "ops", CALL, choice, asked.spec.request.digest])
    action = {"action_id": f"kubechain.decide.{choice}", "value": value}
    payload = {"type": "block_actions", "user": {"id": "U1"}, "trigger_id": "t", "actions": [action]} | more
    body = urlencode({"payload": json.dumps(payload)}).encode()
    seconds = str(int(it.replica.manager.clock.now().timestamp()))
    signature = signatures.slack_signature(SecretStr(SIGNING), seconds, body)
    headers = {"x-slack-request-timestamp": seconds, "x-slack-signature": signature}
    return {"method": "POST", "body": body, "headers": headers}


def by_slack(*allowed: str) -> dict[str, Any]:
    secret = {"secretKeyRef": {"name": "ops", "key": "signing"}}
    slack = {"channelOrUserID": "C0123456789", "signingSecretFrom": secret, "allowedResponderIDs": list(allowed)}
    return {"type": "slack", "slack": slack}


async def test_a_button_in_slack_decides_once() -> None:
    async with contacted(spec=by_slack("U1")) as it:
        request = await it.request_until_state(DeliveryState.SENT)
        for _ in range(2):
            assert (await it.ask("/contact/slack", **an_interaction(request, it))).status == 200
        assert await answers_of(it.world) == ["5"]
        decided = await it.world.request_until(request_is(HumanRequestPhase.DECIDED))
    assert decided.spec.decision is not None
    assert (decided.spec.decision.by, decided.spec.decision.through) == ("slack:U1", "contactchannels/ops")


async def test_a_button_whose_choice_wants_a_text_decides_nothing_yet() -> None:
    async with contacted(spec=by_slack()) as it:
        request = await it.request_until_state(DeliveryState.SENT)
        assert (await it.ask("/contact/slack", **an_interaction(request, it, "Reject"))).status == 200
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None


@pytest.mark.parametrize(
    ("user", "changes", "status"),
    [
        pytest.param("U2", {}, 200, id="a user who is not listed"),
        pytest.param("U1", {"x-slack-signature": "v0=00"}, 403, id="a forged signature"),
        pytest.param("U1", {"x-slack-request-timestamp": "1"}, 403, id="a replayed request"),
    ],
)
async def test_an_interaction_that_does_not_count_decides_nothing(
    user: str, changes: dict[str, str], status: int
) -> None:
    async with contacted(spec=by_slack("U1")) as it:
        request = await it.request_until_state(DeliveryState.SENT)
        sent = an_interaction(request, it, user={"id": user})
        sent["headers"] |= changes
        assert (await it.ask("/contact/slack", **sent)).status == status
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None


async def test_a_channel_that_fails_is_tried_again_and_blocks_nothing() -> None:
    channel = FakeChannel(failures=[NotSent("unreachable: https://hooks.example.com: connection refused")] * 3)
    async with contacted(channel) as it:
        failed = await it.request_until_state(DeliveryState.FAILED)
        assert said(failed)[0] == "False"
        assert "connection refused" in said(failed)[1]
        sent = await it.request_until_state(DeliveryState.SENT)
        assert sent.status.deliveries[0].attempts == 4
        assert sent.status.deliveries[0].error is None
    assert len(channel.delivered) == 1


async def test_kubectl_decides_while_the_channel_is_down() -> None:
    channel = FakeChannel(failures=[NotSent("down")] * 1_000)
    async with contacted(channel) as it:
        await it.request_until_state(DeliveryState.FAILED)
        await decide(it.world, "Approve")
        assert await answers_of(it.world) == ["5"]
    assert not channel.delivered


@pytest.mark.parametrize(
    ("is_askable", "copies"),
    [
        pytest.param(True, 1, id="a channel that can be asked has it once"),
        pytest.param(False, 2, id="a channel that cannot has it twice, under one key"),
    ],
)
async def test_a_message_that_may_have_arrived_is_looked_up_first(is_askable: bool, copies: int) -> None:
    channel = FakeChannel(is_askable=is_askable, failures=[MayBeSent("no answer")], loses_replies=True)
    async with contacted(channel) as it:
        await it.request_until_state(DeliveryState.SENT)
    assert len(channel.delivered) == copies
    assert len({one.key for one in channel.delivered}) == 1


async def test_a_channel_that_does_not_exist_is_named_and_used_once_it_does() -> None:
    async with contacted(is_made=False) as it:
        request = await it.world.request_until(lambda request: bool(request.status.conditions))
        assert said(request) == (
            "False", 'not sent to ContactChannel "ops": it does not exist; decide with kubectl',
        )  # fmt: skip
        await apply_channel(it.world)
        await it.request_until_state(DeliveryState.SENT)


async def test_an_expired_request_says_so_in_its_channel() -> None:
    async with contacted() as it:
        await it.request_until_state(DeliveryState.SENT)
        await it.request_until_state(DeliveryState.CLOSED)
    (ending,) = it.channel.closed.values()
    assert ending == "Nobody decided in time"


async def test_no_link_and_no_key_is_in_an_object() -> None:
    async with contacted() as it:
        token = (await it.link("Approve")).removeprefix(links.PATH)
        requests = await it.world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        channels = await it.world.client.list(resources.CONTACT_CHANNELS, NAMESPACE)
        text = "".join(str(one.to_wire()) for one in (*requests, *channels))
    assert token.partition(".")[2] not in text
    assert KEY not in text

"""Answers that come over a connection that the manager opens: the real loops and engine, time being virtual."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import DeliveryState, HumanRequest, HumanRequestPhase
from kubechain.controllers import resources
from kubechain.humans.fake import FakeConnections
from kubechain.humans.model import Ended, EndsSoon, Envelope, NotSent, Refused
from kubechain.runtime.errors import NotFound
from kubechain.runtime.resource import Resource
from test.controllers.people import CALL, answers_of, request_is
from test.controllers.test_contact import Contacted, apply_channel, contacted
from test.controllers.world import NAMESPACE, World

OPEN = "answers come by Socket Mode"


def by_connection(*allowed: str, key: str = "app") -> dict[str, Any]:
    secret = {"secretKeyRef": {"name": "ops", "key": key}}
    slack = {"channelOrUserID": "C0123456789", "appTokenFrom": secret, "allowedResponderIDs": list(allowed)}
    return {"type": "slack", "slack": slack}


def pressed(asked: HumanRequest, choice: str = "Approve", *, user: str = "U1", channel: str = "ops") -> Envelope:
    value = json.dumps([NAMESPACE, channel, CALL, choice, asked.spec.request.digest])
    action = {"action_id": f"kubechain.decide.{choice}", "value": value}
    payload = {"type": "block_actions", "user": {"id": user}, "trigger_id": "t", "actions": [action]}
    return Envelope("e-1", payload)


async def listening_is(world: World, status: str, name: str = "ops") -> str:
    """Wait until a channel says so; returns the message."""

    def found(channel: ContactChannel) -> list[str]:
        return [one.message for one in channel.status.conditions if (one.type, one.status) == ("Listening", status)]

    channel = await world.channel_until(lambda one: one.metadata.name == name and bool(found(one)))
    return found(channel)[0]


async def test_a_button_decides_over_the_connection() -> None:
    connections = FakeConnections()
    async with contacted(spec=by_connection("U1"), connections=connections) as it:
        assert await listening_is(it.world, "True") == OPEN
        request = await it.request_until_state(DeliveryState.SENT)
        (connection,) = connections.open
        await connection.frames.put(pressed(request))
        assert await answers_of(it.world) == ["5"]
        decided = await it.world.request_until(request_is(HumanRequestPhase.DECIDED))
        assert connection.acknowledged == {"e-1": b""}
    assert decided.spec.decision is not None
    assert (decided.spec.decision.by, decided.spec.decision.through) == ("slack:U1", "contactchannels/ops")
    assert not connections.open, "the connection is closed with the manager"


@pytest.mark.parametrize(
    ("user", "channel"),
    [
        pytest.param("U2", "ops", id="somebody who is not listed"),
        pytest.param("U1", "other", id="a channel of another app, though the connection is genuine"),
        pytest.param("U1", "signed", id="a channel that is heard by signatures alone"),
        pytest.param("U1", "none", id="no such channel"),
    ],
)
async def test_what_does_not_count_over_a_connection_decides_nothing(user: str, channel: str) -> None:
    connections = FakeConnections()
    async with contacted(spec=by_connection("U1"), connections=connections) as it:
        await it.world.apply("secrets", {"metadata": {"name": "other"}, "stringData": {"app": "xapp-another-app"}})
        other = by_connection("U1")
        other["slack"]["appTokenFrom"] = {"secretKeyRef": {"name": "other", "key": "app"}}
        signed = by_connection("U1")
        signed["slack"]["signingSecretFrom"] = signed["slack"].pop("appTokenFrom")
        await apply_channel(it.world, "other", **other)
        await apply_channel(it.world, "signed", **signed)
        await listening_is(it.world, "True", "other")
        request = await it.request_until_state(DeliveryState.SENT)
        connection = next(one for one in connections.open if one.app.token.get_secret_value() != "xapp-another-app")
        await connection.frames.put(pressed(request, user=user, channel=channel))
        await until(lambda: bool(connection.acknowledged))
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None


async def test_channels_of_one_app_share_its_connection() -> None:
    connections = FakeConnections()
    async with contacted(spec=by_connection(), connections=connections) as it:
        for name in ("second", "third"):
            await apply_channel(it.world, name, **by_connection())
            await listening_is(it.world, "True", name)
        assert len(connections.open) == 1
        for name in ("ops", "second", "third"):
            assert connections.open
            await deleted(it.world, resources.CONTACT_CHANNELS, name)
        await until(lambda: not connections.open)
    assert connections.opened_count == 1


async def test_no_channel_no_connection() -> None:
    connections = FakeConnections()
    async with contacted(connections=connections) as it:
        request = await it.request_until_state(DeliveryState.SENT)
        assert request.status.phase == HumanRequestPhase.OPEN
    assert connections.opened_count == 0


async def test_a_new_token_opens_a_connection_of_its_app_and_closes_the_old_one() -> None:
    connections = FakeConnections()
    async with contacted(spec=by_connection(), connections=connections) as it:
        await listening_is(it.world, "True")
        await new_token(it, "xapp-2-new-canary")
        await until(lambda: [one.app.token.get_secret_value() for one in connections.open] == ["xapp-2-new-canary"])
        await new_token(it, "xoxb-not-an-app-token")
        message = await listening_is(it.world, "False")
        await until(lambda: not connections.open)
    assert message == (
        "no answers come by Socket Mode: slack.appTokenFrom: not an app-level token: those begin with xapp-; "
        "it is tried again, and people decide with kubectl"
    )


async def test_a_connection_that_cannot_be_made_says_why_and_is_tried_again() -> None:
    failures = [Refused("Slack: apps.connections.open: invalid_auth"), *[NotSent("unreachable: wss://x")] * 5]
    connections = FakeConnections(failures=[*failures])
    async with contacted(spec=by_connection(), connections=connections) as it:
        assert "invalid_auth; it is tried again" in await listening_is(it.world, "False")
        assert await listening_is(it.world, "True") == OPEN
        writes = [one for one in it.replica.exchange.writes if "contactchannels/ops/status" in one]
    assert len(writes) <= 4, "one for the check, and one for each thing that is new"


async def test_a_connection_that_is_renewed_or_made_again_at_once_costs_no_write() -> None:
    connections = FakeConnections()
    async with contacted(spec=by_connection(), connections=connections) as it:
        await listening_is(it.world, "True")
        before = len([one for one in it.replica.exchange.writes if "contactchannels" in one])
        for frame in (EndsSoon("refresh_requested"), Ended("the connection was closed")) * 20:
            await asyncio.sleep(3600)
            count = connections.opened_count
            await connections.open[-1].frames.put(frame)
            await until(lambda count=count: connections.opened_count > count and len(connections.open) == 1)
        assert len([one for one in it.replica.exchange.writes if "contactchannels" in one]) == before
    assert connections.opened_count == 41


async def test_a_service_that_closes_every_connection_at_once_is_not_flooded() -> None:
    connections = FakeConnections()
    async with contacted(spec=by_connection(), connections=connections) as it:
        await listening_is(it.world, "True")
        count, began = connections.opened_count, asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 3600:
            if connections.open:
                await connections.open[-1].frames.put(Ended("the connection was closed"))
            await asyncio.sleep(1)
    assert connections.opened_count - count < 40


async def test_a_successor_listens_and_a_restart_costs_no_write() -> None:
    connections = FakeConnections()
    async with contacted(spec=by_connection(), connections=connections) as it:
        await listening_is(it.world, "True")
        request = await it.request_until_state(DeliveryState.SENT)
        it.replica.crash()
        await until(lambda: not connections.open)
        successor = it.world.replica(it.model, identity="pod-b_1", channels=it.kinds)
        await until(lambda: bool(connections.open))
        await connections.open[0].frames.put(pressed(request))
        assert await answers_of(it.world) == ["5"]
        assert not [one for one in successor.exchange.writes if "contactchannels" in one]


async def until(condition: Any) -> None:
    async with asyncio.timeout(86_400):
        while not condition():  # noqa: ASYNC110  time is virtual
            await asyncio.sleep(0.05)


async def deleted(world: World, resource: Resource[Any], name: str) -> None:
    await world.client.delete(resource, NAMESPACE, name)
    while True:
        try:
            await world.client.get(resource, NAMESPACE, name)
        except NotFound:
            return
        await asyncio.sleep(0.05)


async def new_token(it: Contacted, token: str) -> None:
    """Write another token into the channel's Secret."""
    body = json.dumps({"data": {"app": base64.b64encode(token.encode()).decode()}}).encode()
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/ops"
    headers = {"accept": "application/json", "content-type": "application/merge-patch+json"}
    await it.replica.exchange.inner.send("PATCH", path, headers=headers, body=body, timeout_seconds=9)

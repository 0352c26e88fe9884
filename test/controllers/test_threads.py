"""Questions that are answered by a reply in the thread of their message, and dialogs: the real loops and engine."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from kubechain.api.humanrequest import DeliveryState, HumanRequest, HumanRequestPhase
from kubechain.controllers import resources
from kubechain.humans import signatures
from kubechain.humans.fake import FakeChannel, FakeConnections, kinds_with
from kubechain.humans.model import Envelope
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.people import CALL, answers_of, request_is
from test.controllers.test_contact import APP_TOKEN, KEY, SIGNING, Contacted, apply_channel, contacted
from test.controllers.test_listening import by_connection, listening_is, pressed, until
from test.controllers.world import NAMESPACE, a_world

SLACK_ID = "C0123456789"


@asynccontextmanager
async def asked_in_slack(**slack: Any) -> AsyncGenerator[tuple[Contacted, FakeConnections]]:
    """A run whose model asks a question in the Slack channel `ops`, which two people may answer.

    Args:
        slack: More of the channel's block.
    """
    connections, channel = FakeConnections(), FakeChannel(place=f"{SLACK_ID}/")
    async with a_world() as world:
        model = FakeLLMClient(calls(a_call("ops__human_contact_slack", '{"message": "Which?"}')), answer("done"))
        kinds = kinds_with(channel, connections)
        replica = world.replica(model, channels=kinds)
        values = {"key": KEY, "signing": SIGNING, "app": APP_TOKEN}
        await world.apply("secrets", {"metadata": {"name": "ops"}, "stringData": values})
        spec = by_connection("U1", "U2")
        await apply_channel(world, **spec | {"slack": spec["slack"] | slack})
        await listening_is(world, "True")
        await world.apply_walk_through(humanContactChannels=[{"name": "ops"}])
        await world.agent_until(lambda agent: agent.status.ready)
        await world.apply_task()
        yield Contacted(world, replica, channel, model, kinds), connections


def a_reply(request: HumanRequest, text: str, *, user: str = "U1", **changes: Any) -> dict[str, Any]:
    """The event of a reply in the thread of the request's message."""
    place = request.status.deliveries[0].external_id or ""
    event = {"type": "message", "channel": SLACK_ID, "thread_ts": place.partition("/")[2], "ts": "2.0"}
    return {"type": "event_callback", "event": event | {"user": user, "text": text} | changes}


async def said(connections: FakeConnections, id_: str, payload: dict[str, Any]) -> None:
    """Send an envelope, and wait until it is acknowledged."""
    (connection,) = connections.open
    await connection.frames.put(Envelope(id_, payload))
    await until(lambda: id_ in connection.acknowledged)


async def test_the_first_reply_in_the_thread_is_the_answer_and_the_others_are_told_so() -> None:
    async with asked_in_slack() as (it, connections):
        request = await it.request_until_state(DeliveryState.SENT)
        await said(connections, "1", a_reply(request, "Blue."))
        await said(connections, "1 again", a_reply(request, "Blue."))
        assert await answers_of(it.world) == ["Blue."]
        await said(connections, "2", a_reply(request, "Red.", user="U2"))
        decided = await it.world.request_until(request_is(HumanRequestPhase.DECIDED))
    assert decided.spec.decision is not None
    assert (decided.spec.decision.by, decided.spec.decision.through) == ("slack:U1", "contactchannels/ops")
    place = request.status.deliveries[0].external_id
    text = "This answer does not count: already decided: Answer by slack:U1."
    assert it.channel.told == [("U2", text, place)], "and nothing to U1, whose event came twice"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"user": "U3"}, ["U3"], id="somebody who is not listed, who is told so"),
        pytest.param({"thread_ts": "1.0"}, [], id="the thread of another message"),
        pytest.param({"channel": "C999"}, [], id="another channel"),
        pytest.param({"bot_id": "B1"}, [], id="a program"),
    ],
)
async def test_a_reply_that_does_not_count_decides_nothing(changes: dict[str, str], told: list[str]) -> None:
    async with asked_in_slack() as (it, connections):
        request = await it.request_until_state(DeliveryState.SENT)
        await said(connections, "1", a_reply(request, "Blue.", **changes))
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None
    assert [user for user, _, _ in it.channel.told] == told


async def test_a_talk_in_the_thread_of_an_approval_decides_nothing() -> None:
    connections, channel = FakeConnections(), FakeChannel(place=f"{SLACK_ID}/")
    async with contacted(channel, spec=by_connection(), connections=connections) as it:
        request = await it.request_until_state(DeliveryState.SENT)
        await said(connections, "1", a_reply(request, "Approve"))
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None
    assert not channel.told


async def test_an_answer_by_dialog_opens_it_first() -> None:
    async with asked_in_slack() as (it, connections):
        request = await it.request_until_state(DeliveryState.SENT)
        await said(connections, "1", dict(pressed(request, "Answer").payload))
        assert [one.choice for one in it.channel.asked] == ["Answer"]
        sent = submitted(it.channel.asked[0].value, answer="Blue.")
        await said(connections, "2", sent)
        assert await answers_of(it.world) == ["Blue."]
        await said(connections, "3", sent)
        (connection,) = connections.open
        shown = json.loads(connection.acknowledged["3"])
    assert shown["errors"] == {"comment": "already decided: Answer by slack:U1"}


async def test_a_button_of_a_request_that_is_over_opens_no_dialog() -> None:
    async with asked_in_slack() as (it, connections):
        request = await it.request_until_state(DeliveryState.SENT)
        await said(connections, "1", a_reply(request, "Blue."))
        await said(connections, "2", dict(pressed(request, "Reject", user="U2").payload))
    assert not it.channel.asked
    assert it.channel.told == [("U2", "already decided: Answer by slack:U1", "")]


def submitted(value: str, **typed: str) -> dict[str, Any]:
    values = {name: {name: {"type": "plain_text_input", "value": text}} for name, text in typed.items()}
    view = {"callback_id": "kubechain.decide", "private_metadata": value, "state": {"values": values}}
    return {"type": "view_submission", "user": {"id": "U1"}, "view": view}


def signed(it: Contacted, payload: dict[str, Any], key: str = SIGNING) -> dict[str, Any]:
    """An event as Slack sends it by HTTP."""
    body = json.dumps(payload).encode()
    seconds = str(int(it.replica.manager.clock.now().timestamp()))
    signature = signatures.slack_signature(SecretStr(key), seconds, body)
    headers = {"x-slack-request-timestamp": seconds, "x-slack-signature": signature}
    return {"method": "POST", "body": body, "headers": headers}


BY_HTTP = {"signingSecretFrom": {"secretKeyRef": {"name": "ops", "key": "signing"}}}


async def test_a_reply_counts_by_http_where_it_is_signed() -> None:
    async with asked_in_slack(**BY_HTTP) as (it, _):
        request = await it.request_until_state(DeliveryState.SENT)
        payload = a_reply(request, "Blue.")
        assert (await it.ask("/contact/slack", **signed(it, payload, "another secret"))).status == 403
        assert (await it.world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)).spec.decision is None
        assert (await it.ask("/contact/slack", **signed(it, payload))).status == 200
        assert await answers_of(it.world) == ["Blue."]


async def test_every_message_of_the_channel_is_taken_from_slack_and_only_from_slack() -> None:
    async with asked_in_slack(**BY_HTTP) as (it, _):
        request = await it.request_until_state(DeliveryState.SENT)
        talk = a_reply(request, "hello", thread_ts="1.0")
        assert (await it.ask("/contact/slack", **signed(it, talk))).status == 200, "else Slack ends the subscription"
        assert (await it.ask("/contact/slack", **signed(it, talk, "another secret"))).status == 403


@pytest.mark.parametrize(
    ("payload", "key", "status", "body"),
    [
        pytest.param({"challenge": "abc"}, SIGNING, 200, "abc", id="signed by a channel's secret"),
        pytest.param({"challenge": "abc"}, "another secret", 403, None, id="signed by nobody"),
        pytest.param({"challenge": "abc", "x": "x" * 4096}, SIGNING, 403, None, id="longer than Slack's"),
    ],
)
async def test_the_address_is_ours_where_slack_asks(
    payload: dict[str, str], key: str, status: int, body: str | None
) -> None:
    async with asked_in_slack(**BY_HTTP) as (it, _):
        reply = await it.ask("/contact/slack", **signed(it, {"type": "url_verification"} | payload, key))
    assert reply.status == status
    assert body is None or reply.body == body


async def test_a_form_that_is_no_interaction_is_refused() -> None:
    async with asked_in_slack(**BY_HTTP) as (it, _):
        body = urlencode({"payload": "{}"}).encode()
        assert (await it.ask("/contact/slack", method="POST", body=body)).status == 403

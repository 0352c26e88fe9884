"""Slack: messages in the shapes of its own library, found again, closed, and answered by buttons and dialogs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from kubechain.api.approval import DecisionChoice
from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.api.humanrequest import HumanRequestType
from kubechain.humans import slack, slackblocks
from kubechain.humans.http import ChannelHttp
from kubechain.humans.model import (
    Absent,
    Answer,
    ChannelError,
    InvalidChannel,
    MayBeSent,
    NotAskable,
    NotSent,
    Receipt,
    Refused,
)
from kubechain.humans.slack import SlackChannel, SlackKind
from kubechain.net.addresses import AddressPolicy
from test.humans.messages import DIGEST, NOW, a_message, asked
from test.humans.slackdouble import CHANNEL, TOKEN, a_slack, check_blocks

LOOPBACK = AddressPolicy.parse(("127.0.0.0/8",))


def a_channel(url: str, *, token: str = TOKEN, to: str = CHANNEL) -> SlackChannel:
    source = {"secretKeyRef": {"name": "slack", "key": "token"}}
    spec = ContactChannelSpec.model_validate(
        {"type": "slack", "apiKeyFrom": source, "slack": {"channelOrUserID": to, "apiUrl": url}}
    )
    return SlackKind(ChannelHttp(LOOPBACK), lambda: NOW).open(spec, {"token": SecretStr(token)})


async def test_a_message_is_posted_found_and_closed() -> None:
    async with a_slack() as (double, url):
        channel = a_channel(url)
        assert await channel.check() == "Connected to Acme as kubechain"
        assert await channel.find(a_message()) == Absent()
        receipt = await channel.deliver(a_message())
        assert await channel.find(a_message()) == receipt
        await channel.close(a_message(), receipt, "Approve by bob")
        await channel.close(a_message(), receipt, "Approve by bob")
    (message,) = double.messages.values()
    shown = json.dumps(message["blocks"])
    assert "github__delete_repo" in shown
    assert "Approve by bob" in shown
    assert "actions" not in [one["type"] for one in message["blocks"]]


async def test_a_message_whose_reply_was_lost_is_found() -> None:
    async with a_slack() as (double, url):
        double.breaks.add("chat.postMessage")
        with pytest.raises(MayBeSent):
            await a_channel(url).deliver(a_message())
        assert isinstance(await a_channel(url).find(a_message()), Receipt)


@pytest.mark.parametrize(
    ("said", "error", "wait"),
    [
        pytest.param("ratelimited", NotSent, 30.0, id="too often: later"),
        pytest.param("channel_not_found", Refused, 30.0, id="no such channel: until it is changed"),
    ],
)
async def test_an_error_of_slack_says_whether_another_try_may_help(
    said: str, error: type[ChannelError], wait: float
) -> None:
    async with a_slack() as (double, url):
        double.failures["chat.postMessage"] = said
        with pytest.raises(ChannelError, match=said) as caught:
            await a_channel(url).deliver(a_message())
    assert type(caught.value) is error
    if error is NotSent:
        assert caught.value.retry_after_seconds == wait


async def test_a_wrong_token_is_refused_and_not_shown() -> None:
    async with a_slack() as (_, url):
        with pytest.raises(Refused, match="invalid_auth") as caught:
            await a_channel(url, token="xoxb-wrong-token-1234").check()
    assert "xoxb" not in str(caught.value)


async def test_an_app_that_may_not_read_the_channel_cannot_tell() -> None:
    async with a_slack() as (double, url):
        double.failures["conversations.history"] = "missing_scope"
        assert await a_channel(url).find(a_message()) == NotAskable()
        assert await a_channel(url, to="U0123456789").find(a_message()) == NotAskable()


def interaction(choice: str, **changes: Any) -> dict[str, Any]:
    value = json.dumps(["default", "ops", "hello-1-t0-c0", choice, DIGEST])
    action = {"action_id": f"kubechain.decide.{choice}", "value": value}
    return {"type": "block_actions", "user": {"id": "U1"}, "trigger_id": "t-1", "actions": [action]} | changes


def test_a_button_says_who_pressed_what() -> None:
    (actions,) = [one for one in slackblocks.blocks(a_message()) if one["type"] == "actions"]
    pressed = slackblocks.pressed_of(interaction("Approve", actions=[actions["elements"][0]]))
    assert pressed is not None
    assert (pressed.namespace, pressed.channel, pressed.name) == ("default", "ops", "hello-1-t0-c0")
    assert pressed.answer == Answer("U1", "Approve", DIGEST)
    assert not slackblocks.needs_dialog(pressed)


async def test_a_rejection_asks_for_a_reason_in_a_dialog_that_says_the_same() -> None:
    pressed = slackblocks.pressed_of(interaction("Reject"))
    assert pressed is not None
    assert slackblocks.needs_dialog(pressed)
    async with a_slack() as (double, url):
        await a_channel(url).ask(pressed)
    (opened,) = double.views
    values = {"comment": {"comment": {"type": "plain_text_input", "value": "not today"}}}
    submitted = {
        "type": "view_submission",
        "user": {"id": "U1"},
        "view": opened["view"] | {"state": {"values": values}},
    }
    again = slackblocks.pressed_of(submitted)
    assert again is not None
    assert again.answer == Answer("U1", "Reject", DIGEST, comment="not today")
    assert not slackblocks.needs_dialog(again)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({}, id="nothing"),
        pytest.param(interaction("Approve", actions=[{"action_id": "other", "value": "x"}]), id="another app's button"),
        pytest.param(interaction("Approve", actions="x"), id="actions of another form"),
        pytest.param(
            interaction("Approve", actions=[{"action_id": "kubechain.decide.x", "value": "[1]"}]), id="a value"
        ),
        pytest.param(interaction("Approve", type="view_submission", view=[]), id="a dialog of another form"),
    ],
)
def test_an_interaction_that_is_not_ours_says_nothing(payload: dict[str, Any]) -> None:
    assert slackblocks.pressed_of(payload) is None
    assert slack.claimed(urlencode({"payload": json.dumps(payload)}).encode()) is None


@pytest.mark.parametrize("type_", list(HumanRequestType))
def test_each_type_of_request_has_blocks_that_slack_takes(type_: HumanRequestType) -> None:
    content = asked(type_, message="*bold* <!channel> " * 2000, arguments="x" * 60_000, choices=tuple(DecisionChoice))
    check_blocks(slackblocks.blocks(a_message(content)))
    check_blocks(slackblocks.closed_blocks(a_message(content), "x" * 5000))


def test_a_channel_without_a_token_says_what_is_missing() -> None:
    spec = ContactChannelSpec.model_validate({"type": "slack", "slack": {"channelOrUserID": CHANNEL}})
    with pytest.raises(InvalidChannel, match="apiKeyFrom"):
        SlackKind(ChannelHttp(LOOPBACK), lambda: NOW).secrets_of(spec)

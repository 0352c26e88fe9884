"""Slack: messages in the shapes of its own library, found again, closed, and answered by buttons and dialogs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from kubechain.api.approval import DecisionChoice
from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.api.humanrequest import HumanRequestType, RequestContent, RequestSubject
from kubechain.humans import slackblocks, slackdialogs, slackevents
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
from kubechain.humans.slackdialogs import BadInput
from kubechain.humans.slackevents import Pressed, Reply
from kubechain.net.addresses import AddressPolicy
from test.humans.messages import DIGEST, NOW, a_message, asked
from test.humans.slackdouble import CHANNEL, DIRECT, TOKEN, a_slack, check_blocks

LOOPBACK = AddressPolicy.parse(("127.0.0.0/8",))


def a_channel(url: str, *, token: str = TOKEN, to: str = CHANNEL) -> SlackChannel:
    source = {"secretKeyRef": {"name": "slack", "key": "token"}}
    slack = {"channelOrUserID": to, "apiUrl": url, "signingSecretFrom": source}
    spec = ContactChannelSpec.model_validate({"type": "slack", "apiKeyFrom": source, "slack": slack})
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


async def test_a_message_to_a_user_whose_reply_was_lost_is_found_and_closed() -> None:
    async with a_slack() as (double, url):
        double.breaks.add("chat.postMessage")
        channel = a_channel(url, to="U0123456789")
        with pytest.raises(MayBeSent):
            await channel.deliver(a_message())
        found = await channel.find(a_message())
        assert isinstance(found, Receipt)
        assert found.external_id.startswith(f"{DIRECT}/"), "an update takes no id of a user"
        await channel.close(a_message(), found, "Withdrawn: the run is over")
        (message,) = double.messages.values()
    assert (message["channel"], message["text"][-11:]) == (DIRECT, "run is over")


@pytest.mark.parametrize("method", ["conversations.open", "conversations.history"])
async def test_an_app_that_may_not_read_what_it_says_to_a_user_cannot_tell(method: str) -> None:
    async with a_slack() as (double, url):
        double.failures[method] = "missing_scope"
        assert await a_channel(url, to="U0123456789").find(a_message()) == NotAskable()


@pytest.mark.parametrize(
    ("code", "error", "wait"),
    [
        pytest.param("ratelimited", NotSent, 30.0, id="too often: later"),
        pytest.param("channel_not_found", Refused, 30.0, id="no such channel: until it is changed"),
    ],
)
async def test_an_error_of_slack_says_whether_another_try_may_help(
    code: str, error: type[ChannelError], wait: float
) -> None:
    async with a_slack() as (double, url):
        double.failures["chat.postMessage"] = code
        with pytest.raises(ChannelError, match=code) as caught:
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


def interaction(choice: str, **changes: Any) -> dict[str, Any]:
    value = json.dumps(["default", "ops", "hello-1-t0-c0", choice, DIGEST])
    action = {"action_id": f"kubechain.decide.{choice}", "value": value}
    return {"type": "block_actions", "user": {"id": "U1"}, "trigger_id": "t-1", "actions": [action]} | changes


def said(payload: dict[str, Any]) -> Pressed:
    found = slackevents.said_of(payload)
    assert isinstance(found, Pressed)
    return found


def test_a_button_says_who_pressed_what() -> None:
    shown = slackblocks.blocks(a_message(), is_heard=True)
    (actions,) = [one for one in shown if one["type"] == "actions"]
    pressed = said(interaction("Approve", actions=[actions["elements"][0]]))
    assert (pressed.namespace, pressed.channel, pressed.name) == ("default", "ops", "hello-1-t0-c0")
    assert slackdialogs.answer_of(asked(), pressed) == Answer("U1", "Approve", DIGEST)
    assert not slackdialogs.is_needed(asked(), pressed.choice)


async def opened_dialog(content: RequestContent, choice: str) -> dict[str, Any]:
    """The dialog of a button, as Slack's own library takes it."""
    pressed = said(interaction(choice))
    assert slackdialogs.is_needed(content, choice)
    async with a_slack() as (double, url):
        await a_channel(url).ask(content, pressed)
    (opened,) = double.views
    return opened["view"]


def submitted(view: dict[str, Any], **typed: Any) -> Pressed:
    """The dialog as a person sends it; fields that are left empty come with null."""
    names = [one["block_id"] for one in view["blocks"] if one["type"] == "input"]
    values = {name: {name: {"type": "plain_text_input", "value": typed.pop(name, None)}} for name in names}
    assert not typed, "a field that the dialog does not have"
    payload = {"type": "view_submission", "user": {"id": "U1"}, "view": view | {"state": {"values": values}}}
    return said(payload)


async def test_a_rejection_asks_for_a_reason_in_a_dialog_that_says_the_same() -> None:
    view = await opened_dialog(asked(), "Reject")
    again = submitted(view, comment="not today")
    assert slackdialogs.answer_of(asked(), again) == Answer("U1", "Reject", DIGEST, comment="not today")
    assert not again.trigger_id


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        pytest.param({"turns": "3", "toolCalls": "20"}, {"turns": 3, "toolCalls": 20}, id="some of the limits"),
        pytest.param({}, None, id="nothing: the same again"),
    ],
)
async def test_a_dialog_asks_what_is_added_to_a_budget(typed: dict[str, str], answer: dict[str, int] | None) -> None:
    content = asked(HumanRequestType.BUDGET)
    found = slackdialogs.answer_of(content, submitted(await opened_dialog(content, "Approve"), **typed))
    assert (json.loads(found.answer) if found.answer is not None else None) == answer


async def test_a_dialog_about_a_budget_of_the_namespace_asks_for_tokens_and_dollars() -> None:
    content = asked(HumanRequestType.BUDGET, subject=RequestSubject(resource="budgets", name="team"))
    view = await opened_dialog(content, "Approve")
    assert [block["block_id"] for block in view["blocks"]] == ["tokens", "cost", "comment"]
    found = slackdialogs.answer_of(content, submitted(view, tokens="3", cost="1.5"))
    assert json.loads(found.answer or "") == {"tokens": 3, "cost": "1.5"}


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "many", "\u0663"])
async def test_a_budget_gets_whole_numbers_only(typed: str) -> None:
    content = asked(HumanRequestType.BUDGET)
    again = submitted(await opened_dialog(content, "Approve"), tokens=typed)
    with pytest.raises(BadInput, match="Tokens: a whole number above zero is needed"):
        slackdialogs.answer_of(content, again)


FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "description": "As in the passport.", "default": "Ada"},
        "guests": {"type": "integer", "minimum": 1},
        "share": {"type": "number", "default": 0.5},
        "vegan": {"type": "boolean", "default": True},
        "room": {"type": "string", "enum": ["a", "b"], "enumNames": ["Attic", "Basement"], "default": "b"},
        "days": {"type": "array", "items": {"anyOf": [{"const": "mon", "title": "Monday"}, {"const": "tue"}]}},
    },
    "required": ["name", "guests"],
}


async def test_a_form_is_filled_in_by_a_dialog_with_its_defaults() -> None:
    content = asked(HumanRequestType.FORM, schema_=FORM)
    view = await opened_dialog(content, "Answer")
    elements = {one["label"]["text"]: one["element"] for one in view["blocks"]}
    assert [one["type"] for one in elements.values()] == [
        "plain_text_input", "number_input", "number_input", "checkboxes", "static_select", "multi_static_select",
        "plain_text_input",
    ]  # fmt: skip
    assert elements["Your name"]["initial_value"] == "Ada"
    assert elements["vegan"]["initial_options"][0]["value"] == "true"
    assert elements["room"]["initial_option"]["text"]["text"] == "Basement"
    option = {"text": {"type": "plain_text", "text": "x"}}
    state: dict[str, dict[str, Any]] = {
        "field0": {"value": "Grace"},
        "field1": {"value": "2"},
        "field2": {"value": None},
        "field3": {"selected_options": []},
        "field4": {"selected_option": option | {"value": "a"}},
        "field5": {"selected_options": [option | {"value": "mon"}, option | {"value": "tue"}]},
        "comment": {"value": None},
    }
    values = {name: {name: one} for name, one in state.items()}
    sent = {"type": "view_submission", "user": {"id": "U1"}, "view": view | {"state": {"values": values}}}
    answer = slackdialogs.answer_of(content, said(sent)).answer
    expected = {"name": "Grace", "guests": 2, "vegan": False, "room": "a", "days": ["mon", "tue"]}
    assert json.loads(answer or "") == expected


async def test_a_form_that_lacks_what_it_needs_says_so() -> None:
    content = asked(HumanRequestType.FORM, schema_=FORM)
    with pytest.raises(BadInput, match="guests: a value is needed"):
        slackdialogs.answer_of(content, submitted(await opened_dialog(content, "Answer"), field0="Ada"))


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({f"f{number}": {"type": "string"} for number in range(95)}, id="too many fields"),
        pytest.param({"x": {"type": "string", "enum": [str(one) for one in range(101)]}}, id="too many choices"),
        pytest.param({"x": {"type": "string", "enum": ["x" * 151]}}, id="a choice that is too long"),
        pytest.param({"x": {"type": "array", "items": {"type": "string"}}}, id="a list of texts"),
    ],
)
async def test_a_form_that_no_dialog_can_hold_names_the_command(properties: dict[str, Any]) -> None:
    content = asked(HumanRequestType.FORM, schema_={"type": "object", "properties": properties})
    view = await opened_dialog(content, "Answer")
    assert "kubechain answer hello-1-t0-c0 -n default --field" in json.dumps(view)
    assert "submit" not in view


async def test_a_dialog_asks_for_the_result_of_a_call() -> None:
    content = asked(HumanRequestType.OUTCOME)
    again = submitted(await opened_dialog(content, "Happened"), answer="deleted")
    assert slackdialogs.answer_of(content, again).answer == "deleted"
    assert not slackdialogs.is_needed(content, "DidNotHappen")


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_message_has_buttons_only_where_they_reach_us(is_heard: bool) -> None:
    question = asked(HumanRequestType.QUESTION, message="Which?", choices=(DecisionChoice.ANSWER,))
    shown = slackblocks.blocks(a_message(question), is_heard=is_heard)
    check_blocks(shown)
    assert ("actions" in [one["type"] for one in shown]) is is_heard
    assert ("reply in this thread" in json.dumps(shown)) is is_heard
    assert "kubectl describe hr hello-1-t0-c0" in json.dumps(shown)


def test_a_channel_that_hears_nothing_opens_its_links_instead() -> None:
    links = {"Approve": "https://a.example/x", "Reject": "https://a.example/y"}
    shown = slackblocks.blocks(a_message(None, **links), is_heard=False)
    check_blocks(shown)
    (actions,) = [one for one in shown if one["type"] == "actions"]
    assert [one["url"] for one in actions["elements"]] == list(links.values())
    pressed = said(interaction("Approve", actions=[actions["elements"][0]]))
    assert pressed.choice == slackblocks.LINK, "a press of it decides nothing"


def test_a_text_for_notifications_mentions_nobody() -> None:
    content = asked(tool="<!channel>&co")
    assert "&lt;!channel&gt;&amp;co" in slackblocks.text(a_message(content))


def an_event(**changes: Any) -> dict[str, Any]:
    event = {"type": "message", "channel": "C1", "user": "U1", "text": "Blue.", "ts": "2.0", "thread_ts": "1.0"}
    return {"type": "event_callback", "event": event | changes}


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        pytest.param("Blue.", "Blue.", id="a text"),
        pytest.param("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d", id="signs that Slack escapes"),
        pytest.param("&amp;lt;", "&lt;", id="what looks escaped"),
        pytest.param("<https://a.example/x>", "https://a.example/x", id="an address"),
        pytest.param("<http://a.example|a.example> ok", "a.example ok", id="a name that Slack made a link"),
        pytest.param("<https://a.example/|here>", "here (https://a.example/)", id="a link with a text of its own"),
        pytest.param("<mailto:a@b.example|a@b.example>", "a@b.example", id="an address of mail"),
        pytest.param("ask <@U2>", "ask <@U2>", id="a mention"),
    ],
)
def test_a_reply_in_a_thread_is_read_as_it_was_typed(typed: str, text: str) -> None:
    expected = Reply("C1/1.0", "U1", text)
    assert slackevents.said_of(an_event(text=typed)) == expected
    assert slackevents.claimed(json.dumps(an_event(text=typed)).encode()) == expected


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"thread_ts": None}, id="not in a thread"),
        pytest.param({"thread_ts": "2.0"}, id="the first message of a thread"),
        pytest.param({"subtype": "message_changed"}, id="a change of a message"),
        pytest.param({"bot_id": "B1"}, id="a program's"),
        pytest.param({"user": None}, id="nobody's"),
        pytest.param({"text": "  "}, id="no text"),
        pytest.param({"type": "reaction_added"}, id="another event"),
    ],
)
def test_a_message_that_answers_nothing_says_nothing(changes: dict[str, Any]) -> None:
    assert slackevents.said_of(an_event(**changes)) is None


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
    assert slackevents.said_of(payload) is None
    assert slackevents.claimed(urlencode({"payload": json.dumps(payload)}).encode()) is None


@pytest.mark.parametrize("type_", list(HumanRequestType))
def test_each_type_of_request_has_blocks_that_slack_takes(type_: HumanRequestType) -> None:
    content = asked(type_, message="*bold* <!channel> " * 2000, arguments="x" * 60_000, choices=tuple(DecisionChoice))
    check_blocks(slackblocks.blocks(a_message(content), is_heard=True))
    check_blocks(slackblocks.closed_blocks(a_message(content), "x" * 5000))


def test_a_channel_without_a_token_says_what_is_missing() -> None:
    spec = ContactChannelSpec.model_validate({"type": "slack", "slack": {"channelOrUserID": CHANNEL}})
    with pytest.raises(InvalidChannel, match="apiKeyFrom"):
        SlackKind(ChannelHttp(LOOPBACK), lambda: NOW).secrets_of(spec)

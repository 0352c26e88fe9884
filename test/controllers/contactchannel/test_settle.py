"""A ContactChannel says that nothing acts on it, and which of its blocks have no effect."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.contactchannel import ContactChannel, ContactChannelSpec
from kubechain.controllers.contactchannel.decide import NOT_SERVED, decide
from kubechain.controllers.contactchannel.settle import settle
from kubechain.controllers.frame import next_version
from test.controllers.builders import NOW, meta

EMAIL = {"type": "email", "email": {"address": "a@example.com"}}
SLACK = {"slack": {"channelOrUserID": "C0123456789"}}


def settled(channel: ContactChannel) -> ContactChannel:
    return next_version(channel, settle(channel, decide(channel), NOW))


def a_channel(spec: dict[str, Any]) -> ContactChannel:
    return ContactChannel(metadata=meta("on-call"), spec=ContactChannelSpec.model_validate(spec))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        pytest.param(EMAIL, "", id="its own block alone"),
        pytest.param(EMAIL | SLACK, "ignored, since the type is email: slack", id="the block of another type too"),
    ],
)
def test_what_a_channel_is_good_for_is_told_once(spec: dict[str, Any], said: str) -> None:
    channel = a_channel(spec)
    after = settled(channel)
    assert (after.status.ready, after.status.status) == (False, "Error")
    assert after.status.status_detail == "; ".join(text for text in (NOT_SERVED, said) if text)
    events = [event.reason for event in settle(channel, decide(channel), NOW).events]
    assert events == ["ValidationFailed"] + ["BlocksIgnored"] * bool(said)
    assert settled(after) is after


def test_a_block_that_was_removed_is_not_named_any_more() -> None:
    before = settled(a_channel(EMAIL | SLACK))
    after = settled(before.model_copy(update={"spec": a_channel(EMAIL).spec}))
    assert {each.type: each.status for each in after.status.conditions}["BlocksIgnored"] == "False"

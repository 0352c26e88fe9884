"""A ContactChannel says whether people can be reached by it, and which of its blocks have no effect."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.contactchannel import ContactChannel, ContactChannelSpec
from kubechain.controllers.checks import Checked
from kubechain.controllers.contactchannel.decide import decide
from kubechain.controllers.contactchannel.observe import Observed
from kubechain.controllers.contactchannel.outcomes import Outcome, Reachable, Rejected, Unknown
from kubechain.controllers.contactchannel.settle import settle
from kubechain.controllers.contactchannel.steps import Check
from kubechain.controllers.frame import Done, next_version
from test.controllers.builders import NOW, meta

EMAIL = {"type": "email", "email": {"address": "a@example.com"}}
SLACK = {"slack": {"channelOrUserID": "C0123456789"}}


def settled(channel: ContactChannel, outcome: Outcome | None = None) -> ContactChannel:
    return next_version(channel, settle(channel, outcome or Rejected("no"), attempt=1, now=NOW))


def a_channel(spec: dict[str, Any]) -> ContactChannel:
    return ContactChannel(metadata=meta("on-call"), spec=ContactChannelSpec.model_validate(spec))


@pytest.mark.parametrize(
    ("outcome", "ready", "status", "reason", "detail"),
    [
        pytest.param(Reachable("hello"), True, "Ready", "ValidationSucceeded", "hello", id="reachable: ready"),
        pytest.param(Rejected("bad key"), False, "Error", "ValidationFailed", "bad key", id="rejected: an error"),
        pytest.param(
            Unknown("no route", None), False, "Pending", "Waiting", "Waiting for the service: no route",
            id="no verdict: pending",
        ),
    ],
)  # fmt: skip
def test_the_verdict_of_a_check_is_written_and_told_once(
    outcome: Outcome, ready: bool, status: str, reason: str, detail: str
) -> None:
    channel = a_channel(EMAIL)
    after = settled(channel, outcome)
    assert (after.status.ready, after.status.status, after.status.status_detail) == (ready, status, detail)
    assert [event.reason for event in settle(channel, outcome, attempt=1, now=NOW).events] == [reason]
    assert settled(after, outcome) is after
    assert not settle(after, outcome, attempt=2, now=NOW).events


def test_the_block_of_another_type_is_named() -> None:
    after = settled(a_channel(EMAIL | SLACK))
    assert after.status.status_detail == "no; ignored, since the type is email: slack"


def test_a_block_that_was_removed_is_not_named_any_more() -> None:
    before = settled(a_channel(EMAIL | SLACK))
    after = settled(before.model_copy(update={"spec": a_channel(EMAIL).spec}))
    assert {each.type: each.status for each in after.status.conditions}["BlocksIgnored"] == "False"


@pytest.mark.parametrize(
    ("attempt", "retry_after", "wait"),
    [
        pytest.param(1, None, 5.0, id="the first time soon"),
        pytest.param(30, None, 300.0, id="never more than five minutes by ourselves"),
        pytest.param(1, 900.0, 900.0, id="when the service says so, later"),
    ],
)
def test_a_service_without_a_verdict_is_asked_again(attempt: int, retry_after: float | None, wait: float) -> None:
    assert settle(a_channel(EMAIL), Unknown("x", retry_after), attempt=attempt, now=NOW).requeue_after_seconds == wait


@pytest.mark.parametrize(
    ("checked", "step"),
    [
        pytest.param(None, Check(1), id="never checked"),
        pytest.param(Checked("other"), Check(1), id="another spec or Secret"),
        pytest.param(Checked("f"), Done(), id="reachable: only a change leads to another check"),
        pytest.param(Checked("f", recheck_at=110.0, attempt=2), Done(10.0), id="not due yet"),
        pytest.param(Checked("f", recheck_at=100.0, attempt=2), Check(3), id="due"),
    ],
)
def test_a_channel_is_checked_when_a_check_can_tell_something_new(checked: Checked | None, step: Check | Done) -> None:
    assert decide(Observed(a_channel(EMAIL), "f", checked, 100.0)) == step

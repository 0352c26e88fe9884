"""Which requests are held for a contact channel."""

from __future__ import annotations

import pytest

from kubechain.api.approval import Escalation, PinnedApproval
from kubechain.api.humanrequest import HumanRequestType, RequestSubject
from kubechain.controllers.carriers import is_carried

TOOL = RequestSubject(resource="tools", name="add")
OPS = RequestSubject(resource="contactchannels", name="ops")
BY_OPS = PinnedApproval(channel="ops")
LATER = PinnedApproval(escalate_to=Escalation(channel="boss", after="5m"))


@pytest.mark.parametrize(
    ("type_", "subject", "terms", "expected"),
    [
        pytest.param(HumanRequestType.APPROVAL, TOOL, BY_OPS, True, id="an approval by a channel"),
        pytest.param(HumanRequestType.APPROVAL, TOOL, LATER, True, id="an approval by a second channel alone"),
        pytest.param(HumanRequestType.APPROVAL, TOOL, PinnedApproval(), False, id="an approval by kubectl"),
        pytest.param(HumanRequestType.APPROVAL, TOOL, None, False, id="an approval that a policy wants"),
        pytest.param(HumanRequestType.FORM, TOOL, BY_OPS, True, id="a form of a tool that has a channel"),
        pytest.param(HumanRequestType.OUTCOME, TOOL, LATER, False, id="an outcome: no second channel is asked"),
        pytest.param(HumanRequestType.QUESTION, OPS, None, True, id="a question to a channel"),
        pytest.param(
            HumanRequestType.QUESTION,
            RequestSubject(resource="agents", name="helper"),
            BY_OPS,
            False,
            id="a question to whoever looks",
        ),
    ],
)
def test_a_request_is_held_where_a_channel_carries_it(
    type_: HumanRequestType, subject: RequestSubject, terms: PinnedApproval | None, expected: bool
) -> None:
    assert is_carried(type_, subject, terms) is expected

"""What a verdict makes of a Tool's status, said once."""

from __future__ import annotations

import pytest

from kubechain.api.conditions import find_condition
from kubechain.api.meta import StatusType
from kubechain.api.tool import Tool, ToolSpec
from kubechain.controllers.frame import next_version
from kubechain.controllers.tool.observe import Observed
from kubechain.controllers.tool.settle import TROUBLE_RECHECK_SECONDS, settle
from kubechain.controllers.validation import Accept, Refuse, Step, Wait
from test.controllers.builders import NOW, later, meta
from test.controllers.toolcall.builders import ADD

NEW = Tool(metadata=meta("add"), spec=ToolSpec(execute=ADD))
ACCEPTED = "Tool validated successfully"


def after(tool: Tool, step: Step) -> Tool:
    return next_version(tool, settle(Observed(tool), step, NOW))


@pytest.mark.parametrize(
    ("step", "status", "event"),
    [
        pytest.param(Accept(), StatusType.READY, ("Normal", "ValidationSucceeded", ACCEPTED), id="it can be used"),
        pytest.param(Wait("not yet"), StatusType.PENDING, ("Normal", "Waiting", "not yet"), id="not yet"),
        pytest.param(Refuse("wrong"), StatusType.ERROR, ("Warning", "ValidationFailed", "wrong"), id="it is wrong"),
    ],
)
@pytest.mark.parametrize("before", [NEW, after(NEW, Refuse("another trouble"))], ids=["new", "refused before"])
def test_a_verdict_is_written_with_its_condition_and_told_once(
    before: Tool, step: Step, status: StatusType, event: tuple[str, str, str]
) -> None:
    settled = settle(Observed(before), step, NOW)
    told = next_version(before, settled)
    is_ready = status == StatusType.READY
    assert (told.status.status, told.status.ready, told.status.status_detail) == (status, is_ready, event[2])
    condition = find_condition(told.status.conditions, "Ready")
    assert condition is not None
    assert (condition.status, condition.reason, condition.message) == (str(is_ready), event[1], event[2])
    assert (condition.observed_generation, condition.last_transition_time) == (1, NOW)
    assert [(one.type, one.reason, one.message) for one in settled.events] == [event]
    again = settle(Observed(told), step, later(60))
    assert next_version(told, again) is told
    assert again.events == ()


@pytest.mark.parametrize(
    ("observed", "seconds"),
    [
        pytest.param(Observed(NEW), None, id="a watch brings all news"),
        pytest.param(Observed(NEW, missing_secret="none"), None, id="a watch brings the Secret"),
        pytest.param(Observed(NEW, trouble="no engine"), TROUBLE_RECHECK_SECONDS, id="an engine comes unannounced"),
    ],
)
def test_only_what_no_watch_brings_is_looked_at_again(observed: Observed, seconds: float | None) -> None:
    assert settle(observed, Refuse("wrong"), NOW).requeue_after_seconds == seconds

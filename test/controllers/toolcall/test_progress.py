"""What a claimed call waits for is in its status, if it can be written, and never takes the place of its result."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers.frame import Settled, StatusWriter, next_version
from kubechain.controllers.toolcall.progress import Progress
from kubechain.runtime.errors import Conflict, ServiceUnavailable
from test.controllers.toolcall.builders import a_tool_call, an_execution, claimed


class Writer:
    """Writes of a server that may refuse them; `stored` is what it has."""

    def __init__(self, failure: Exception | None = None, stored: TaskRunToolCall | None = None) -> None:
        self.failure, self.stored = failure, stored
        self.events: list[str] = []

    async def write(self, obj: TaskRunToolCall, settled: Settled) -> TaskRunToolCall | None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.events += [event.message for event in settled.events]
        return next_version(obj, settled)

    async def read(self, obj: TaskRunToolCall) -> TaskRunToolCall | None:
        return self.stored


def progress(writer: Writer) -> Progress:
    return Progress(cast("StatusWriter[Any]", writer), an_execution(), claimed())


async def test_it_is_written_as_the_detail_and_as_an_event() -> None:
    writer = Writer()
    told = progress(writer)
    await told.tell("Waiting for room")
    assert (told.call.status.status_detail, told.call.status.phase) == ("Waiting for room", ToolCallPhase.RUNNING)
    assert writer.events == ["Waiting for room"]


async def test_what_cannot_be_written_is_left_to_the_next_word() -> None:
    told = progress(Writer(ServiceUnavailable(503, "", "busy")))
    await told.tell("Waiting for room")
    await told.tell("Waiting for an image")
    assert told.call.status.status_detail == "Waiting for an image"


@pytest.mark.parametrize(
    ("stored", "is_ours"),
    [
        pytest.param(claimed().with_status(status_detail="labelled"), True, id="somebody labelled it"),
        pytest.param(a_tool_call(ToolCallPhase.OUTCOME_UNKNOWN), False, id="somebody ended it"),
        pytest.param(None, False, id="it is gone"),
    ],
)
async def test_after_a_conflict_the_newer_version_counts_while_the_claim_is_ours(
    stored: TaskRunToolCall | None, is_ours: bool
) -> None:
    told = progress(Writer(Conflict(409, "Conflict", "stale"), stored))
    before = told.call
    await told.tell("Waiting for room")
    assert told.call is (stored if is_ours else before)

"""The objects of a turn's tool calls: made once, taken over when they are there, never taken from another run."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kubechain.api.taskrun import PendingToolCall, TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.taskrun import settle
from kubechain.controllers.taskrun.effects import Taken, create_tool_calls, tool_call
from kubechain.runtime.errors import AlreadyExists, RetryableError
from test.controllers.builders import NOW, a_call, a_run, an_answer, meta

PENDING = PendingToolCall(idx=0, tool_call_id="call_1", name="launch", arguments="{}", args_sha="sha")
RUN = a_run(phase=TaskRunPhase.TOOL_CALLS_PENDING, pending_turn=(PENDING,))


class Server:
    """An API server where the name is taken."""

    def __init__(self, found: TaskRunToolCall) -> None:
        """Take who has it."""
        self._found = found

    async def create(self, *_: object) -> TaskRunToolCall:
        raise AlreadyExists(409, "AlreadyExists", "taken")

    async def get(self, *_: object) -> TaskRunToolCall:
        return self._found


def made_by(run_name: str, uid: str) -> TaskRunToolCall:
    other: TaskRun = RUN.model_copy(update={"metadata": meta(run_name, uid=uid)})
    return tool_call(other, PENDING)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(tool_call(RUN, PENDING), "the cache is behind", id="made by an earlier try"),
        pytest.param(
            made_by("hello-1", "33333333-3333-3333-3333-333333333333"),
            "an earlier run of this name left it behind",
            id="left over by an earlier run of the same name",
        ),
    ],
)
async def test_a_name_that_is_taken_for_a_while_is_looked_at_again_later(found: TaskRunToolCall, text: str) -> None:
    with pytest.raises(RetryableError, match=text) as waits:
        await create_tool_calls(cast(Any, Server(found)), RUN, (PENDING,))
    assert waits.value.retry_after_seconds == 1.0


async def test_a_name_that_somebody_else_has_is_reported() -> None:
    found = made_by("other-1", "33333333-3333-3333-3333-333333333333")
    assert await create_tool_calls(cast(Any, Server(found)), RUN, (PENDING,)) == Taken("hello-1-t0-c0")


def test_the_calls_of_one_turn_carry_the_id_that_the_run_shows_as_a_label() -> None:
    asking = a_run(phase=TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM)
    shown = settle.answered(asking, an_answer("", a_call("add"), a_call("add")), NOW).status["tool_call_request_id"]
    labels = [tool_call(asking, PENDING.with_changes(idx=idx)).metadata.labels for idx in (0, 1)]
    assert {label["kubechain.humanlayer.dev/toolcallrequest"] for label in labels} == {shown}
    later = tool_call(asking.with_status(turn=1), PENDING).metadata.labels
    assert later["kubechain.humanlayer.dev/toolcallrequest"] != shown

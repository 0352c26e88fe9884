"""Which run is cancelled with a call that was delegated: the call's own, whether or not a cache has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import TaskRun, TaskRunPhase, ToolCallType
from kubechain.api.taskruntoolcall import TaskRunToolCall, TaskRunToolCallSpec
from kubechain.controllers.toolcall.effects import Delegation, child_run
from kubechain.controllers.toolkinds.model import Delegate
from kubechain.runtime.errors import NotFound
from test.controllers.builders import NOW, a_run, meta


def a_call(tool_type: ToolCallType = ToolCallType.DELEGATE_TO_AGENT, uid: str = "") -> TaskRunToolCall:
    spec = TaskRunToolCallSpec(
        tool_call_id="call_1",
        task_run_ref=LocalObjectReference(name="hello-1"),
        tool_ref=LocalObjectReference(name="delegate_to_agent__scout"),
        arguments="{}",
        tool_type=tool_type,
    )
    return TaskRunToolCall(metadata=meta("hello-1-t0-c0", **({"uid": uid} if uid else {})), spec=spec)


def child_of(call: TaskRunToolCall) -> TaskRun:
    return child_run(call, Delegate(agent="scout", message="Go and see."), None)


@dataclass
class Server:
    """An API server with one run, or none, and what it was asked."""

    run: TaskRun | None
    requests: list[str] = field(default_factory=list[str])

    async def get(self, resource: Any, namespace: str, name: str) -> TaskRun:
        self.requests.append("GET")
        if self.run is None:
            raise NotFound(404)
        return self.run

    async def patch(self, resource: Any, namespace: str, name: str, patch: Any) -> None:
        assert patch == {"spec": {"cancel": True}}
        self.requests.append("PATCH")
        if self.run is None:
            raise NotFound(404)


class Cache:
    """A cache with one run, or none."""

    def __init__(self, run: TaskRun | None) -> None:
        self._run = run

    def get(self, namespace: str, name: str) -> TaskRun | None:
        return self._run


CALL = a_call()
OPEN = child_of(CALL)
OVER = OPEN.with_status(phase=TaskRunPhase.FINAL_ANSWER, completion_time=NOW)
FOREIGN = child_of(a_call(uid="99999999-9999-9999-9999-999999999999"))


@pytest.mark.parametrize(
    ("call", "cached", "live", "requests"),
    [
        pytest.param(CALL, OPEN, OPEN, ["PATCH"], id="a run that the cache has is cancelled"),
        pytest.param(CALL, None, OPEN, ["GET", "PATCH"], id="a run that the cache does not have is cancelled too"),
        pytest.param(CALL, None, None, ["GET"], id="there is no run"),
        pytest.param(CALL, OPEN, None, ["PATCH"], id="the run is gone already"),
        pytest.param(CALL, OVER, OVER, [], id="a run that is over is left alone"),
        pytest.param(CALL, FOREIGN, FOREIGN, [], id="the run of somebody else is left alone"),
        pytest.param(CALL, None, FOREIGN, ["GET"], id="the run of somebody else is left alone, read live"),
        pytest.param(a_call(ToolCallType.CONTAINER), None, None, [], id="a call that is not delegated reads nothing"),
    ],
)
async def test_cancel(call: TaskRunToolCall, cached: TaskRun | None, live: TaskRun | None, requests: list[str]) -> None:
    server = Server(live)
    await Delegation(cast(Any, server), cast(Any, Cache(cached))).cancel(call)
    assert server.requests == requests


def test_the_run_of_a_delegated_call_has_the_creator_of_the_run_that_asked() -> None:
    parent = a_run()
    annotations = {"kubechain.humanlayer.dev/created-by": "alice"}
    parent = parent.model_copy(update={"metadata": parent.metadata.with_changes(annotations=annotations)})
    child = child_run(a_call(), Delegate(agent="scout", message="Go."), parent)
    assert child.metadata.annotations == annotations

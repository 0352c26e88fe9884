"""The outcome of a claimed effect is written to the object that was claimed, or to none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.frame import Settled, StatusWriter
from kubechain.controllers.outcomewriter import ClaimedWrite, OutcomeWriter, Recorded
from kubechain.controllers.resources import TASK_RUNS
from kubechain.controllers.taskrun import refusals
from kubechain.controllers.taskrun.claims import holds
from kubechain.observability.witness import NOBODY, Witness, Written
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import Conflict, NotFound, TransportError
from test.controllers.builders import a_claim, a_run

RUN = a_run(phase=TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim())
ANOTHER = RUN.model_copy(update={"metadata": RUN.metadata.with_changes(uid="33333333-3333-3333-3333-333333333333")})
"""The same in every field but its uid: somebody deleted the run, and restored it from a backup, status and all."""

CONFLICT = Conflict(409, "Conflict", "the object has been modified")

Answer = TaskRun | Exception


class Server:
    """An API server that answers from a script; its last answer of each sort repeats."""

    def __init__(self, *, puts: Sequence[Answer] = (), gets: Sequence[Answer] = ()) -> None:
        self._puts, self._gets = [*puts], [*gets]
        self.written: list[TaskRun] = []

    async def update_status(self, _: object, wanted: TaskRun) -> TaskRun:
        self.written.append(wanted)
        return self._next(self._puts) if self._puts else wanted

    async def get(self, *_: object) -> TaskRun:
        return self._next(self._gets)

    def _next(self, answers: list[Answer]) -> TaskRun:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Events:
    """Keeps no event."""

    def event(self, *_: object, is_end: bool = False) -> None:
        """Forget it."""


class Losses(Witness):
    """Keeps the names of objects whose claim was lost."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def lost(self, obj: Written) -> None:
        self.names.append(obj.metadata.name)


def outcomes(server: Server, witness: Witness = NOBODY) -> OutcomeWriter[TaskRun]:
    recorder: Any = Events()
    return OutcomeWriter(StatusWriter(TASK_RUNS, cast(Any, server), recorder, witness), LoopClock())


FINAL = Settled({"phase": TaskRunPhase.FINAL_ANSWER, "output": "It has none."})
REFUSED = Settled({"phase": TaskRunPhase.FAILED})
ANSWER: ClaimedWrite[TaskRun] = ClaimedWrite(
    holds=lambda run: holds(run, a_claim()),
    settle=lambda run: FINAL,
    refused=lambda run, error: REFUSED,
    delayed=refusals.delayed,
)


async def test_an_outcome_is_written_once() -> None:
    server = Server()
    recorded = await outcomes(server).write(RUN, ANSWER)
    assert recorded.obj is not None
    assert (recorded.obj.status.output, len(server.written)) == ("It has none.", 1)
    assert recorded.is_own


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(CONFLICT, id="somebody wrote in between"),
        pytest.param(TransportError("reset"), id="the reply was lost"),
    ],
)
async def test_another_object_of_that_name_gets_no_outcome(failure: Exception) -> None:
    server = Server(puts=[failure], gets=[ANOTHER])
    async with asyncio.timeout(60):
        assert await outcomes(server).write(RUN, ANSWER) == Recorded(None)
    assert [run.metadata.uid for run in server.written] == [RUN.metadata.uid]


async def test_another_object_of_that_name_is_not_read_as_the_object() -> None:
    assert await outcomes(Server(gets=[ANOTHER])).read(RUN) is None


async def test_an_object_that_is_gone_is_read_as_none() -> None:
    assert await outcomes(Server(gets=[NotFound(404, "NotFound", "gone")])).read(RUN) is None


async def test_a_conflict_is_followed_by_a_write_under_the_same_claim() -> None:
    newer = RUN.model_copy(update={"metadata": RUN.metadata.with_changes(resource_version="11")})
    server = Server(puts=[CONFLICT, newer], gets=[newer])
    await outcomes(server).write(RUN, ANSWER)
    assert [run.metadata.resource_version for run in server.written] == ["10", "11"]


async def test_nothing_is_written_over_the_claim_of_another() -> None:
    theirs = RUN.with_status(llm=a_claim(attempt=1, holder="pod-b_other"))
    server, losses = Server(puts=[CONFLICT], gets=[theirs]), Losses()
    recorded = await outcomes(server, losses).write(RUN, ANSWER)
    assert recorded.obj is theirs
    assert not recorded.is_own
    assert len(server.written) == 1
    assert losses.names == [RUN.metadata.name]


async def test_a_deleted_object_is_no_lost_claim() -> None:
    losses = Losses()
    await outcomes(Server(puts=[NotFound(404, "NotFound", "gone")]), losses).write(RUN, ANSWER)
    assert losses.names == []

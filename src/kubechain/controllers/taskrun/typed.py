"""Typed answers: the schema that a run's answer must match, and what becomes of one that does not. Pure.

An answer that does not match is sent back to the model with the reason, in the conversation, as a turn of its own; so
are the limits of turns and tokens asked first. After `ASKED_AGAIN_MAX` such turns the run fails and keeps the text.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import reasons
from kubechain.api.agent import Agent
from kubechain.api.message import Message
from kubechain.api.meta import StatusType
from kubechain.api.schema import JsonObject
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.frame import Settled, warning
from kubechain.controllers.taskrun import conversation, ends
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.steps import Fail
from kubechain.llm.client import Completion
from kubechain.net.foreign import cut, harmless
from kubechain.tools import typedanswers
from kubechain.tools.typedanswers import NoMatch

ASKED_AGAIN_MAX = 2
"""Each further answer is billed, and a model that reads the reason twice and does not obey it will not."""

AGAIN = (
    "Your answer does not match the JSON schema that was set for it: {}. "
    "Answer again: with one JSON object that matches the schema, and nothing else."
)
SHORTER = " Your answer was cut before its end: write a shorter one."


def schema_of(run: TaskRun, task: Task | None, agent: Agent) -> JsonObject | None:
    """The schema of the answer: the run's own, else the Task's, else the Agent's."""
    specs = (run.spec, *((task.spec,) if task else ()), agent.spec)
    return next((spec.output_schema for spec in specs if spec.output_schema is not None), None)


def refused(schema: JsonObject | None) -> Fail | None:
    """The end of a run that has begun with a schema that no answer can be validated against."""
    flaw = typedanswers.flaw(schema)
    return Fail(reasons.OUTPUT_SCHEMA_REFUSED, flaw) if flaw else None


def result_of(run: TaskRun, completion: Completion) -> JsonObject | NoMatch | None:
    """The answer as the object that it must be, or why it is none; None for a run whose answer is any text."""
    schema = run.status.pinned.output_schema if run.status.pinned else None
    if schema is None:
        return None
    try:
        return typedanswers.parse(completion.message.content, schema)
    except NoMatch as error:
        return error


def ended(
    run: TaskRun, completion: Completion, recorded: dict[str, Any], *, transcript: Transcript, now: datetime
) -> Settled:
    """W3 of an answer without tool calls: the final one, where it has the form that it must have.

    Args:
        recorded: What is recorded of every answer.
        transcript: The conversation with the answer.
    """
    match result_of(run, completion):
        case NoMatch() as problem:
            return mismatched(run, completion, problem, recorded, transcript=transcript, now=now)
        case None:
            return ends.answered(run, completion, recorded, now)
        case result:
            return ends.answered(run, completion, recorded | {"result": result}, now)


def mismatched(
    run: TaskRun,
    completion: Completion,
    problem: NoMatch,
    recorded: dict[str, Any],
    *,
    transcript: Transcript,
    now: datetime,
) -> Settled:
    """W3 of an answer that does not match: the model is asked again, or the run fails.

    Args:
        recorded: What is recorded of every answer.
        transcript: The conversation with the answer.
    """
    count = run.status.mismatch_count + 1
    recorded = recorded | {"mismatch_count": count, "turn": run.status.turn + 1}
    if count > ASKED_AGAIN_MAX:
        text = f"{count} answers of the model do not match outputSchema, the last one: {_told(completion, problem)}"
        settled = ends.failed(run, Fail(reasons.OUTPUT_MISMATCH, text), now)
        output = {"output": conversation.output_of(completion.message)}
        return Settled(recorded | output | settled.status, settled.events)
    text = cut(
        harmless(f"Answer {count} does not match outputSchema, asked again: {_told(completion, problem)}"),
        ends.ERROR_MAX_CHARACTERS,
    )
    asked = AGAIN.format(cut(harmless(str(problem)), ends.ERROR_MAX_CHARACTERS)) + (SHORTER if completion.cut else "")
    status = {
        "phase": TaskRunPhase.READY_FOR_LLM,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": text,
        **transcript.appended(Message(role="user", content=asked)).status(),
    }
    return Settled(recorded | status, (warning(reasons.OUTPUT_MISMATCH, text),))


def _told(completion: Completion, problem: NoMatch) -> str:
    return f"{problem}; {completion.cut.message}" if completion.cut else str(problem)
